// `stamp run`: load that checks itself.
//
// Keeps `depth` operations in flight, records them, checks every read, lives through deaths of the
// server. One thread: libnbd's own state machines and poll.
#pragma once

#include <cstdint>
#include <string>

#include "tests/tools/stamp/mix.h"

namespace varve {

struct LoadOptions {
  std::string uri;
  std::string journal;
  double seconds = 0;       // 0: no limit
  uint64_t operations = 0;  // 0: no limit
  uint32_t depth = 32;      // operations in flight, dealt out to the connections
  uint32_t connections = 1;
  MixWeights mix{};
  uint32_t request_blocks_max = 32;
  uint64_t seed = 0;
  uint32_t reconnect_timeout_ms = 30000;
  uint64_t announce_every = 0;  // "acknowledged N" after each so many
  bool quiet = false;
};

// Exit codes of the tool.
inline constexpr int kExitOk = 0;
inline constexpr int kExitViolation = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitServerGone = 3;

// Runs until its limit or SIGTERM / SIGINT. Prints a summary, and violations to standard error.
int run_load(const LoadOptions& options);

}  // namespace varve
