// Connections: all NBD connections of one session, made together and given up together.
//
// When one of them dies the session is over: what was unanswered is in doubt, and connect() makes
// the next session, trying until the server is back.
//
// Thread rule: one thread.
// Ownership: owns the libnbd handles; a handle is valid until lose() or the next connect().
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <libnbd.h>

#include "core/base/error.h"

namespace varve {

struct SessionFacts {
  std::string export_name;
  uint64_t size_bytes = 0;
  uint64_t server_pid = 0;       // 0 over TCP
  bool server_was_away = false;  // nobody was listening for a while
  bool can_flush = false;
  bool can_trim = false;
  bool can_zero = false;
};

class Connections {
 public:
  Connections(std::string uri, uint32_t count) : uri_(std::move(uri)), count_(count) {}
  Connections(const Connections&) = delete;
  ~Connections() { lose(); }

  // kClosed: the server did not come back in time. kInvalidArgument: it refuses (no such export).
  Result<SessionFacts> connect(std::chrono::milliseconds timeout);
  void lose();
  // Not one connection has died.
  bool alive() const;
  nbd_handle* handle(uint32_t index) { return handles_[index]; }
  uint32_t count() const { return count_; }

  // Waits until a connection, or `other_fd`, has something; moves the connections on. Returns
  // whether `other_fd` is readable.
  bool wait(int other_fd, int timeout_ms);

 private:
  using Deadline = std::chrono::steady_clock::time_point;

  // One try of one connection. Returns the errno, 0 when it is ready.
  int try_connect(nbd_handle* handle, Deadline deadline, bool* refused_by_server);
  // One try of all. kClosed: try again.
  Status try_session(Deadline deadline, bool* away);

  std::string uri_;
  uint32_t count_;
  std::vector<nbd_handle*> handles_;
  std::vector<pollfd> polled_;  // kept between calls for its memory
};

}  // namespace varve
