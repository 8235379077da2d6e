// `stamp verify`: reads every block of the volume and holds it against the journal.
#pragma once

#include <cstdint>
#include <string>

namespace varve {

struct VerifyOptions {
  std::string uri;
  std::string journal;
  uint32_t reconnect_timeout_ms = 30000;
  bool quiet = false;
};

// Returns the exit code (see load.h).
int run_verify(const VerifyOptions& options);

}  // namespace varve
