#include "tests/conformance/transport/remote_frames.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/base/check.h"

namespace varve {
namespace {

struct FrameStart {
  RemoteWord word;
  uint32_t body_bytes;
};

sockaddr_in parsed(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in out{};
  out.sin_family = AF_INET;
  if (colon == std::string::npos ||
      ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &out.sin_addr) != 1) {
    std::fprintf(stderr, "\"%s\" is not IPV4-ADDRESS:PORT\n", address.c_str());
    std::exit(2);
  }
  out.sin_port = htons(static_cast<uint16_t>(std::strtoul(&address[colon + 1], nullptr, 10)));
  return out;
}

UniqueFd tcp_socket() {
  return UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

}  // namespace

RemoteBody& RemoteBody::put(uint64_t number) {
  bytes_.append(reinterpret_cast<const char*>(&number), sizeof(number));
  return *this;
}

RemoteBody& RemoteBody::put(std::string_view text) {
  put(text.size());
  bytes_.append(text);
  return *this;
}

uint64_t RemoteBody::number() {
  uint64_t out = 0;
  memcpy(&out, taken(sizeof(out)).data(), sizeof(out));
  return out;
}

std::string RemoteBody::text() {
  return std::string(taken(number()));
}

std::string_view RemoteBody::taken(size_t bytes) {
  VARVE_CHECK(bytes <= bytes_.size() - at_);
  at_ += bytes;
  return std::string_view(bytes_).substr(at_ - bytes, bytes);
}

RemoteSocket::RemoteSocket(UniqueFd fd) : fd_(std::move(fd)) {
  const int on = 1;
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void RemoteSocket::put(RemoteWord word, const RemoteBody& body) {
  const FrameStart start{word, static_cast<uint32_t>(body.bytes().size())};
  out_.append(reinterpret_cast<const char*>(&start), sizeof(start)).append(body.bytes());
}

bool RemoteSocket::flush() {
  size_t sent = 0;
  while (sent < out_.size()) {
    const ssize_t taken = ::send(fd_.get(), &out_[sent], out_.size() - sent, MSG_NOSIGNAL);
    if (taken < 0 && errno != EINTR) return false;
    if (taken > 0) sent += static_cast<size_t>(taken);
  }
  out_.clear();
  return true;
}

// Never a byte more than the frame has: what is readable then is the next one.
std::optional<RemoteFrame> RemoteSocket::read() {
  const auto read_whole = [this](void* to, size_t bytes) {
    ssize_t got = -1;
    do {
      got = ::recv(fd_.get(), to, bytes, MSG_WAITALL);
    } while (got < 0 && errno == EINTR);
    return got == static_cast<ssize_t>(bytes);
  };
  FrameStart start{};
  if (!read_whole(&start, sizeof(start))) return std::nullopt;
  std::string body(start.body_bytes, '\0');
  if (!body.empty() && !read_whole(body.data(), body.size())) return std::nullopt;
  return RemoteFrame{start.word, RemoteBody(std::move(body))};
}

UniqueFd connect_to(const std::string& address) {
  const sockaddr_in to = parsed(address);
  UniqueFd fd = tcp_socket();
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) fd.reset();
  return fd;
}

UniqueFd listen_on(const std::string& address, std::string& bound) {
  sockaddr_in at = parsed(address);
  socklen_t bytes = sizeof(at);
  UniqueFd fd = tcp_socket();
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)) != 0 ||
      ::listen(fd.get(), 16) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &bytes) != 0) {
    std::fprintf(stderr, "cannot listen on %s: %s\n", address.c_str(), std::strerror(errno));
    std::exit(2);
  }
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &at.sin_addr, text, sizeof(text));
  bound = std::string(text) + ":" + std::to_string(ntohs(at.sin_port));
  return fd;
}

}  // namespace varve
