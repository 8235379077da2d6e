// RdmaSession: the TLS handshake of one connection, in handshake frames, and the keys that come of
// it. The connection carries the bytes and says when.
//
// Thread rule: the shard's thread. Ownership: a plain object; gone when the peer has proven who it
// is. Errors: failed(), for good; why() is for the log.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "plugins/tls/handshake.h"
#include "transports/rdma/authenticator.h"
#include "transports/rdma/frame.h"

namespace varve {

class RdmaSession {
 public:
  // `asks`: it was this side that has asked for the connection.
  RdmaSession(std::shared_ptr<const TlsCredentials> credentials, bool asks, const Greeting& ours,
              const Greeting& peers);

  // What came in a handshake frame. What is wrong, or null.
  const char* give(std::span<const uint8_t> bytes);
  // step() has something to do.
  bool ready() const { return ready_ && !failed(); }
  void step();
  // What goes into handshake frames.
  bool has_output() const { return tls_.has_output(); }
  size_t take(std::span<uint8_t> into) { return tls_.take(into); }

  bool asks() const { return asks_; }
  // The handshake is done. An asker may still be refused.
  bool done() const { return tls_.state() == TlsHandshake::State::kDone; }
  bool failed() const { return tls_.state() == TlsHandshake::State::kFailed; }
  const std::string& why() const { return tls_.why(); }
  const std::string& peer_name() const { return tls_.peer().name; }
  // When it is done. Null: out of memory.
  std::unique_ptr<Authenticator> authenticator() const;

 private:
  const bool asks_;
  TlsHandshake tls_;
  std::array<uint8_t, size_t{2} * kGreetingBytes> greetings_;  // the asker's first
  size_t given_bytes_ = 0;
  uint32_t given_frames_ = 0;
  bool ready_;
};

}  // namespace varve
