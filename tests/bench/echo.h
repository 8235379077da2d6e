// What all kinds of tests/bench/transport_bench.cc have in common: a client keeps requests
// outstanding on one connection, a server answers each, and both count what that costs them.
//
// Thread rule: one thread per process. Errors: fail() prints a sentence and ends the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/runtime/system_clock.h"

namespace varve {

// A request is a header and a payload, a reply a header alone: that of its request.
inline constexpr size_t kEchoHeaderBytes = 64;
inline constexpr size_t kEchoPayloadBytes = 4096;

struct EchoOptions {
  std::string address = "127.0.0.1:0";
  std::string plugin;     // an absolute path
  std::string tls_files;  // the folder of a node's certificate; empty: no TLS
  uint32_t depth = 32;
  double seconds = 3;
  bool paused = false;  // the client waits for a line of input when it is connected
};

[[noreturn]] void fail(std::string_view what);
// One line to whoever has started the process, at once.
void say(const std::string& line);

// What the process has cost since begin().
class EchoCost {
 public:
  void begin();
  // What `message_count` messages took until now, as pairs of key and value; CPU time is per
  // message.
  std::string summary(uint64_t message_count) const;

 private:
  SystemClock clock_;
  uint64_t begin_ns_ = 0;
  uint64_t begin_cpu_ns_ = 0;
};

class EchoServer {
 public:
  void request() {
    if (request_count_++ == 0) cost_.begin();
  }
  uint64_t request_count() const { return request_count_; }
  std::string summary() const { return cost_.summary(request_count_); }

 private:
  EchoCost cost_;
  uint64_t request_count_ = 0;
};

// When to send requests, and how long the replies take. The first tenth of the time warms caches,
// windows and buffers, and is not counted.
class EchoClient {
 public:
  explicit EchoClient(const EchoOptions& options);

  // The connection is made.
  void begin();
  bool wants_request() const { return wanted_count_ > 0; }
  // Fills in the header of a request that is now sent.
  void write_request(std::byte* header);
  // A reply has arrived.
  void reply(const std::byte* header);
  // The time is over and every request has its reply.
  bool ended() const { return over_ && reply_count_ == request_count_; }

  uint64_t request_count() const { return request_count_; }
  std::string summary();

 private:
  uint32_t percentile_ns(double share);

  const EchoOptions& options_;
  SystemClock clock_;
  EchoCost cost_;
  uint64_t now_ns_ = 0;
  uint64_t warm_ns_ = 0;
  uint64_t end_ns_ = 0;
  bool warm_ = false;
  bool over_ = false;
  uint32_t wanted_count_ = 0;
  uint64_t request_count_ = 0;
  uint64_t reply_count_ = 0;
  std::vector<uint64_t> begun_ns_;  // of the requests that are outstanding, by number
  std::vector<uint32_t> latencies_ns_;
};

}  // namespace varve
