#include "plugins/nbd/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "plugins/sdk/host.h"

namespace varve {
namespace {

constexpr int kBacklog = 1024;
constexpr mode_t kUnixSocketMode = 0660;
// A dead peer is noticed within a minute.
constexpr int kKeepaliveIdleSeconds = 30;
constexpr int kKeepaliveIntervalSeconds = 10;
constexpr int kKeepaliveCount = 3;
constexpr int kTcpUserTimeoutMs = 60'000;

std::string failed(const ListenAddress& address, const char* what) {
  return join({"listen: \"", address.text, "\": ", what, ": ", std::strerror(errno)});
}

// Whether a connection to the socket file is refused, so that its server is gone.
bool nobody_answers(const ListenAddress& address) {
  UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto* to = reinterpret_cast<const sockaddr*>(&address.socket);
  return probe.valid() && ::connect(probe.get(), to, address.socket_bytes) != 0 &&
         errno == ECONNREFUSED;
}

std::string remove_stale_file(const ListenAddress& address) {
  struct stat file{};
  const char* path = address.unix_path.c_str();
  if (::lstat(path, &file) != 0) return {};
  if (!S_ISSOCK(file.st_mode))
    return join({"listen: \"", address.text, "\": the file exists and is not a socket"});
  if (!nobody_answers(address))
    return join({"listen: \"", address.text, "\": another process answers on this socket"});
  if (::unlink(path) != 0) return failed(address, "cannot remove the stale socket");
  return {};
}

// Accepted sockets inherit these.
void set_tcp_options(int fd) {
  const auto set = [fd](int level, int name, int value) {
    ::setsockopt(fd, level, name, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_REUSEADDR, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveIntervalSeconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveCount);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, kTcpUserTimeoutMs);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
}

std::string tcp_name(int fd) {
  sockaddr_storage socket{};
  socklen_t bytes = sizeof(socket);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&socket), &bytes);
  char host[INET6_ADDRSTRLEN] = "";
  if (socket.ss_family == AF_INET6) {
    const auto* ipv6 = reinterpret_cast<const sockaddr_in6*>(&socket);
    inet_ntop(AF_INET6, &ipv6->sin6_addr, host, sizeof(host));
    return join({"tcp:[", host, "]:", std::to_string(ntohs(ipv6->sin6_port))});
  }
  const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&socket);
  inet_ntop(AF_INET, &ipv4->sin_addr, host, sizeof(host));
  return join({"tcp:", host, ":", std::to_string(ntohs(ipv4->sin_port))});
}

}  // namespace

Listener::~Listener() {
  if (unix_path_.empty()) return;
  struct stat file{};
  const bool ours = ::lstat(unix_path_.c_str(), &file) == 0 && file.st_dev == file_device_ &&
                    file.st_ino == file_number_;
  if (ours) ::unlink(unix_path_.c_str());
}

std::string Listener::open(const ListenAddress& address) {
  const int family = address.socket.ss_family;
  fd_ = UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) return failed(address, "cannot make a socket");
  std::string wrong = family == AF_UNIX ? open_unix(address) : open_tcp(address);
  if (!wrong.empty()) fd_.reset();
  return wrong;
}

std::string Listener::open_unix(const ListenAddress& address) {
  std::string wrong = remove_stale_file(address);
  if (!wrong.empty()) return wrong;
  ::fchmod(fd_.get(), kUnixSocketMode);  // before bind, so that the file never has another mode
  const auto* to = reinterpret_cast<const sockaddr*>(&address.socket);
  if (::bind(fd_.get(), to, address.socket_bytes) != 0) return failed(address, "cannot bind");
  struct stat file{};
  if (::lstat(address.unix_path.c_str(), &file) == 0) {
    unix_path_ = address.unix_path;
    file_device_ = file.st_dev;
    file_number_ = file.st_ino;
  }
  if (::listen(fd_.get(), kBacklog) != 0) return failed(address, "cannot listen");
  bound_ = address.text;
  return {};
}

std::string Listener::open_tcp(const ListenAddress& address) {
  set_tcp_options(fd_.get());
  if (address.socket.ss_family == AF_INET6) {
    const int only = 1;
    ::setsockopt(fd_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
  }
  const auto* to = reinterpret_cast<const sockaddr*>(&address.socket);
  if (::bind(fd_.get(), to, address.socket_bytes) != 0) return failed(address, "cannot bind");
  if (::listen(fd_.get(), kBacklog) != 0) return failed(address, "cannot listen");
  bound_ = tcp_name(fd_.get());
  return {};
}

}  // namespace varve
