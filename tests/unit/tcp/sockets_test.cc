#include "transports/tcp/sockets.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <catch2/catch_test_macros.hpp>

namespace varve {
namespace {

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t bytes = sizeof(value);
  ::getsockopt(fd, level, name, &value, &bytes);
  return value;
}

void check_options(int fd) {
  CHECK(option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
  CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
  CHECK(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 9);
  CHECK(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 1234);
  CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

}  // namespace

TEST_CASE("both ends of a connection never block and notice a dead peer") {
  TcpOptions options;
  options.keepalive_s = 9;
  options.user_timeout_ms = 1234;
  TcpAddress address;
  REQUIRE(parse_address("127.0.0.1:0", address).empty());
  const UniqueFd listener = open_listener(address);
  REQUIRE(listener.valid());
  REQUIRE(parse_address(local_address(listener.get()), address).empty());
  const UniqueFd connecting = begin_connect(address, options);
  REQUIRE(connecting.valid());
  pollfd ready{connecting.get(), POLLOUT, 0};
  REQUIRE(::poll(&ready, 1, 10'000) == 1);
  CHECK(connect_error(connecting.get()) == 0);
  const UniqueFd accepted = accept_connection(listener.get(), options);
  REQUIRE(accepted.valid());
  check_options(connecting.get());
  check_options(accepted.get());
  CHECK(peer_address(accepted.get()) == local_address(connecting.get()));
}

}  // namespace varve
