#include "transports/rdma/session.h"

#include <cstring>
#include <utility>

#include "transports/rdma/limits.h"

namespace varve {
namespace {

constexpr std::string_view kKeyLabel = "EXPORTER-varve-rdma-1";

}  // namespace

RdmaSession::RdmaSession(std::shared_ptr<const TlsCredentials> credentials, bool asks,
                         const Greeting& ours, const Greeting& peers)
    : asks_(asks),
      tls_(std::move(credentials), TlsRoles{TlsRole::kNode},
           asks ? TlsHandshake::Side::kClient : TlsHandshake::Side::kServer),
      ready_(asks) {
  encode_greeting(asks ? ours : peers, greetings_.data());
  encode_greeting(asks ? peers : ours, greetings_.data() + kGreetingBytes);
}

const char* RdmaSession::give(std::span<const uint8_t> bytes) {
  given_bytes_ += bytes.size();
  ++given_frames_;
  if (given_bytes_ > kHandshakeBytesMax || given_frames_ > kHandshakeFramesMax)
    return "its TLS handshake is too long";
  tls_.give(bytes);
  ready_ = true;
  return nullptr;
}

void RdmaSession::step() {
  ready_ = false;
  tls_.step();
}

std::unique_ptr<Authenticator> RdmaSession::authenticator() const {
  std::array<uint8_t, kAuthenticatorKeyBytes> keys{};
  std::unique_ptr<Authenticator> made;
  if (tls_.export_keys(kKeyLabel, greetings_, keys)) made = Authenticator::make(keys, asks_);
  ::explicit_bzero(keys.data(), keys.size());
  return made;
}

}  // namespace varve
