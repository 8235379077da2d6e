// TLS on a connection: from the answer to STARTTLS to the end of TLS's own handshake.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "plugins/nbd/connection.h"

namespace varve {
namespace {

std::string client_address(int socket) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof(address);
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return "?";
  char host[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET6) {
    const auto* ipv6 = reinterpret_cast<const sockaddr_in6*>(&address);
    inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof(host));
    return join({"[", host, "]:", std::to_string(ntohs(ipv6->sin6_port))});
  }
  const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&address);
  inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof(host));
  return join({host, ":", std::to_string(ntohs(ipv4->sin_port))});
}

}  // namespace

// Nothing may come between the option and its answer: somebody on the way might have put it there.
void Connection::begin_tls(bool more_has_come) {
  if (more_has_come) return refuse_client(shard_.refusals, "sent bytes between STARTTLS and TLS");
}

// True: it is to go on, when others have had their turn.
bool Connection::go_on_with_tls() {
  if (phase_ != Phase::kTls || (tls_ == nullptr && !nothing_to_send())) return false;
  if (shard_.tls_steps_left == 0) return true;
  --shard_.tls_steps_left;
  if (tls_ == nullptr) {
    tls_ = std::make_unique<TlsStream>(shard_.tls->current(now_ms(), shard_.log),
                                       TlsRoles{TlsRole::kClient}, TlsStream::Side::kServer,
                                       socket_.get(), shard_.tls_scratch);
  }
  switch (tls_->handshake()) {
    case TlsStream::Handshake::kFailed:
      refuse_client(tls_->why() == kTlsHungUp ? shard_.silence : shard_.refusals,
                    tls_->why().c_str());
      return false;
    case TlsStream::Handshake::kGoesOn:
      readable_ = false;
      blocked_ = tls_->has_unsent();
      if (blocked_ && !asked_for_room_) ask_for_room(true);
      return false;
    case TlsStream::Handshake::kDone:
      phase_ = Phase::kHandshake;
      handshake_.tls_started();
      readable_ = true;  // some may be here already
      return true;
  }
  return false;
}

void Connection::refuse_client(LogLimiter& lines, const char* why) {
  lines.warn(now_ms(), shard_.log, join({"client ", client_address(socket_.get()), ": ", why}));
  end("");
}

}  // namespace varve
