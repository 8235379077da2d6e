// Handshakes: connections of one context whose TLS handshake is not done. The host knows nothing of
// those that others have made. They are few: the oldest of a stranger's makes room for the newest,
// so that somebody who opens many does not keep peers out, which need a moment only.
//
// Thread rule: the shard's thread. Nothing blocks. Ownership: owns sockets and streams until they
// are handed out; borrows the shard.
// Errors: a handshake that fails is one line in the log, as far as there are not too many.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "plugins/sdk/unique_fd.h"
#include "plugins/tls/plugin_tls.h"
#include "plugins/tls/stream.h"
#include "transports/tcp/shard.h"

namespace varve {

class Handshakes {
 public:
  struct Begun {
    uint64_t id;  // ascending; epoll knows the socket by it
    UniqueFd socket;
    std::shared_ptr<const TlsCredentials> credentials;
    uint64_t deadline_ms;
    std::string peer;  // its address
    bool dialed;       // by us; else the peer has connected to us
    uint64_t op_id;    // of the connect, when dialed
  };
  struct Ended {
    Begun begun;
    std::unique_ptr<TlsStream> stream;  // null: it has failed, and the log says why
  };

  explicit Handshakes(TcpShard& shard) : shard_(shard) {}

  void begin(Begun begun, uint64_t now_ms);
  // News from epoll; of no other's connection.
  void news(uint64_t id);
  // Whether step() has something to do.
  bool ready() const { return !ready_.empty(); }
  // Goes on with one of them; one that has ended is handed out.
  std::optional<Ended> step(uint64_t now_ms);
  // One that is over its time.
  std::optional<Ended> end_late(uint64_t now_ms);
  uint64_t earliest_deadline_ms() const;  // UINT64_MAX: none
  size_t dialed_count() const { return dialed_count_; }

 private:
  struct Running {
    Begun begun;
    std::unique_ptr<TlsStream> stream;
    bool queued = false;          // in ready_
    bool asked_for_room = false;  // of epoll
  };
  using All = std::map<uint64_t, Running>;
  Ended take(All::iterator running);
  void make_room(uint64_t now_ms);
  void tell_of_kernel(const Running& running);

  TcpShard& shard_;
  All all_;
  std::deque<uint64_t> ready_;
  size_t dialed_count_ = 0;
  bool told_of_kernel_ = false;
  LogLimiter refusals_;
  LogLimiter silence_;  // apart, so that those who say nothing hide nobody
};

}  // namespace varve
