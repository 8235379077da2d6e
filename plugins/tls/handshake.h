// TlsHandshake: a TLS handshake whose bytes are carried by something that is no stream of them, for
// connections that want proof of who the peer is, and keys, and nothing else of TLS.
//
// Thread rule: one thread. Nothing blocks; a step is up to a millisecond of work.
// Ownership: shares the credentials; holds all that was given and not read, and all that was not
// taken: both are for the owner to bound.
// Errors: kFailed, for good; why() is for the log. There may be an alert to take.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "plugins/tls/session.h"

namespace varve {

class TlsHandshake {
 public:
  using Side = TlsSession::Side;
  enum class State : uint8_t { kGoesOn, kDone, kFailed };

  TlsHandshake(std::shared_ptr<const TlsCredentials> credentials, TlsRoles allowed, Side side);

  // Bytes of the peer's, for the next step.
  void give(std::span<const uint8_t> bytes);
  // As far as what was given goes. A client begins with a step for which nothing was given. A
  // handshake that is done may still fail: the peer says so when it refuses a client.
  State step();
  // Whether there are bytes for the peer, also of a handshake that has failed.
  bool has_output() const;
  // Moves the next of them; how many.
  size_t take(std::span<uint8_t> into);

  State state() const { return state_; }
  const TlsIdentity& peer() const { return session_.peer(); }
  const std::string& why() const { return why_; }
  // When it is done: keys that only the two sides have (RFC 8446, 7.5), if both gave the same
  // label and context. False: out of memory.
  bool export_keys(std::string_view label, std::span<const uint8_t> context,
                   std::span<uint8_t> keys) const;

 private:
  void fail(int result);

  TlsSession session_;
  State state_ = State::kGoesOn;
  std::string why_;
};

}  // namespace varve
