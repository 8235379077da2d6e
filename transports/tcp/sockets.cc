#include "transports/tcp/sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

namespace varve {
namespace {

constexpr int kKeepaliveIntervalSeconds = 1;
constexpr int kKeepaliveCount = 3;

void set(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof(value));
}

UniqueFd open_socket(const TcpAddress& address) {
  return UniqueFd(
      ::socket(address.socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

const sockaddr* generic(const TcpAddress& address) {
  return reinterpret_cast<const sockaddr*>(&address.socket);
}

// With a user timeout the kernel takes it for unanswered keepalives too, in place of the count.
void set_connection_options(int fd, const TcpOptions& options) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(options.keepalive_s));
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveCount);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(options.user_timeout_ms));
  // When this process has died its kernel answers keepalives for so long yet, to a peer that has no
  // buffer and therefore does not read the end: otherwise a minute.
  set(fd, IPPROTO_TCP, TCP_LINGER2, static_cast<int>(options.user_timeout_ms / 1000 + 1));
}

}  // namespace

UniqueFd open_listener(const TcpAddress& address) {
  UniqueFd fd = open_socket(address);
  if (!fd.valid()) return fd;
  set(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.socket.ss_family == AF_INET6) set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  const bool listening = ::bind(fd.get(), generic(address), address.socket_bytes) == 0 &&
                         ::listen(fd.get(), kBacklog) == 0;
  if (listening) return fd;
  const int error = errno;
  fd.reset();
  errno = error;
  return fd;
}

UniqueFd begin_connect(const TcpAddress& address, const TcpOptions& options) {
  UniqueFd fd = open_socket(address);
  if (!fd.valid()) return fd;
  set_connection_options(fd.get(), options);
  if (::connect(fd.get(), generic(address), address.socket_bytes) == 0 || errno == EINPROGRESS)
    return fd;
  const int error = errno;
  fd.reset();
  errno = error;
  return fd;
}

UniqueFd accept_connection(int listener, const TcpOptions& options) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.valid()) set_connection_options(fd.get(), options);
  return fd;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t bytes = sizeof(error);
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

std::string local_address(int fd) {
  sockaddr_storage socket{};
  socklen_t bytes = sizeof(socket);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&socket), &bytes);
  return address_text(socket);
}

std::string peer_address(int fd) {
  sockaddr_storage socket{};
  socklen_t bytes = sizeof(socket);
  ::getpeername(fd, reinterpret_cast<sockaddr*>(&socket), &bytes);
  return address_text(socket);
}

}  // namespace varve
