#include "core/daemon/admin_listener.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "core/base/text.h"

namespace varve {
namespace {

constexpr int kListenQueueLength = 1024;
constexpr mode_t kUnixSocketMask = 0177;  // what may connect there is asked for no proof

Status in_use(const ListenAddress& address) {
  return {ErrorCode::kBusy, text("cannot listen on ", address.to_text(),
                                 ": the address is in use or not of this machine")};
}

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

// A socket file that nobody listens on any more: its owner was killed.
bool is_stale_socket(const std::string& path) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const sockaddr_un address = unix_address(path);
  const UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe.valid() &&
         connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

Result<UniqueFd> open_unix(const ListenAddress& where) {
  if (is_stale_socket(where.unix_path)) unlink(where.unix_path.c_str());
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const sockaddr_un address = unix_address(where.unix_path);
  const mode_t old_mask = umask(kUnixSocketMask);
  const bool bound =
      bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  umask(old_mask);
  if (!bound || listen(listener.get(), kListenQueueLength) != 0) return in_use(where);
  return listener;
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

Result<UniqueFd> open_tcp(const ListenAddress& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(where.host.c_str(), text(where.port).c_str(), &hints, &found) != 0)
    return in_use(where);
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    UniqueFd listener(socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int yes = 1;
    setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (listener.valid() && bind(listener.get(), at->ai_addr, at->ai_addrlen) == 0 &&
        listen(listener.get(), kListenQueueLength) == 0)
      return listener;
  }
  return in_use(where);
}

}  // namespace

Result<UniqueFd> open_admin_listener(const ListenAddress& address) {
  return address.is_unix() ? open_unix(address) : open_tcp(address);
}

std::string admin_peer_name(int socket) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (getpeername(socket, any, &bytes) != 0) return "?";
  if (address.ss_family == AF_UNIX) return "a unix socket";
  std::array<char, INET6_ADDRSTRLEN> host{};
  std::array<char, 8> port{};
  if (getnameinfo(any, bytes, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "?";
  return address.ss_family == AF_INET6 ? text("[", host.data(), "]:", port.data())
                                       : text(host.data(), ":", port.data());
}

}  // namespace varve
