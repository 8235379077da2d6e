#include "tests/unit/tls/stream_pair.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>

namespace varve {

using Handshake = TlsStream::Handshake;

std::array<int, 2> unix_sockets() {
  std::array<int, 2> sockets{-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets.data()) == 0);
  return sockets;
}

std::array<int, 2> tcp_sockets() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE(::bind(listener, generic, bytes) == 0);
  REQUIRE(::listen(listener, 1) == 0);
  REQUIRE(::getsockname(listener, generic, &bytes) == 0);
  const int client = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(::connect(client, generic, bytes) == 0);
  const int server = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
  REQUIRE(server >= 0);
  REQUIRE(::fcntl(client, F_SETFL, O_NONBLOCK) == 0);
  ::close(listener);
  const int on = 1;  // what is sent is there when the call returns
  for (const int socket : {server, client})
    REQUIRE(::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0);
  return {server, client};
}

StreamPair::StreamPair(const Credentials& server_side, TlsRoles server_allows,
                       const Credentials& client_side, TlsRoles client_allows,
                       std::array<int, 2> connected)
    : sockets(connected),
      server(std::make_unique<TlsStream>(server_side, server_allows, TlsStream::Side::kServer,
                                         sockets[0], scratch)),
      client(std::make_unique<TlsStream>(client_side, client_allows, TlsStream::Side::kClient,
                                         sockets[1], scratch)) {}

StreamPair::~StreamPair() {
  for (const int socket : sockets) ::close(socket);
}

std::pair<Handshake, Handshake> StreamPair::shake() {
  Handshake at_server = Handshake::kGoesOn;
  Handshake at_client = Handshake::kGoesOn;
  for (int i = 0; i < 10; ++i) {
    if (at_client == Handshake::kGoesOn) at_client = client->handshake();
    if (at_server == Handshake::kGoesOn) at_server = server->handshake();
  }
  return {at_server, at_client};
}

std::string stream_pattern(size_t bytes) {
  std::string out(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>((i * 2654435761u) >> 13);
  return out;
}

size_t transfer(TlsStream& from, TlsStream& to, const std::string& bytes, size_t piece) {
  std::string got;
  size_t sent = 0;
  size_t short_sends = 0;
  for (int i = 0; i < 1'000'000 && got.size() < bytes.size(); ++i) {
    if (sent < bytes.size() || from.has_unsent()) {
      const size_t head = std::min<size_t>(272, bytes.size() - sent);
      const iovec pieces[2] = {
          {const_cast<char*>(bytes.data()) + sent, head},
          {const_cast<char*>(bytes.data()) + sent + head, bytes.size() - sent - head}};
      const ssize_t count = from.send(pieces);
      if (count > 0) sent += static_cast<size_t>(count);
      if (count < 0) REQUIRE(errno == EAGAIN);
      if (sent < bytes.size()) ++short_sends;
    }
    std::string room(piece, '\0');
    const iovec into{room.data(), room.size()};
    const ssize_t count = to.receive({&into, 1});
    if (count < 0) REQUIRE(errno == EAGAIN);
    if (count > 0) got.append(room.data(), static_cast<size_t>(count));
  }
  REQUIRE((got == bytes));
  return short_sends;
}

}  // namespace varve
