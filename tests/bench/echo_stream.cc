#include "tests/bench/echo_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "core/base/check.h"
#include "core/base/text.h"

namespace varve {
namespace {

constexpr size_t kRequestBytes = kEchoHeaderBytes + kEchoPayloadBytes;
// Of one reception: beyond this the cache suffers more than system calls are saved.
constexpr size_t kReceiveFrames = 32;

void check(int result, const char* call) {
  if (result < 0) fail(text(call, ": ", strerror(errno)));
}

sockaddr_in parse_address(const std::string& address) {
  sockaddr_in socket{};
  socket.sin_family = AF_INET;
  const size_t colon = std::min(address.find(':'), address.size());
  const char* const end = address.data() + address.size();
  uint16_t port = 0;
  const auto parsed = std::from_chars(std::min(address.data() + colon + 1, end), end, port);
  if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &socket.sin_addr) != 1 ||
      parsed.ec != std::errc{} || parsed.ptr != end)
    fail(text(address, ": an address is IPV4:PORT"));
  socket.sin_port = htons(port);
  return socket;
}

UniqueFd open_socket() {
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  check(socket.get(), "socket");
  return socket;
}

void send_at_once(const UniqueFd& socket) {
  const int on = 1;
  check(setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), "TCP_NODELAY");
}

}  // namespace

EchoStream::EchoStream(const EchoOptions& options, EchoServer* server, EchoClient* client)
    : server_(server),
      client_(client),
      in_frame_bytes_(server != nullptr ? kRequestBytes : kEchoHeaderBytes),
      out_frame_bytes_(server != nullptr ? kEchoHeaderBytes : kRequestBytes),
      in_(kReceiveFrames * kRequestBytes),
      ring_bytes_(options.depth * out_frame_bytes_),
      out_(ring_bytes_) {}

EchoStream::EchoStream(const EchoOptions& options, EchoServer& server)
    : EchoStream(options, &server, nullptr) {}

EchoStream::EchoStream(const EchoOptions& options, EchoClient& client)
    : EchoStream(options, nullptr, &client) {
  client.begin();
  queue_requests();
}

void EchoStream::received(size_t bytes) {
  in_bytes_ += bytes;
  size_t used = 0;
  for (; in_bytes_ - used >= in_frame_bytes_; used += in_frame_bytes_) {
    const std::byte* const frame = in_.data() + used;
    if (client_ != nullptr) {
      client_->reply(frame);
    } else {
      server_->request();
      std::memcpy(queue(), frame, kEchoHeaderBytes);
    }
  }
  in_bytes_ -= used;
  std::memmove(in_.data(), in_.data() + used, in_bytes_);
  if (client_ != nullptr) queue_requests();
}

void EchoStream::closed() {
  if (client_ != nullptr) fail("the server has closed the connection");
  closed_ = true;
}

// Replies come in order, so the oldest frame of a full ring is one that has arrived.
std::byte* EchoStream::queue() {
  std::byte* const frame = out_.data() + queued_bytes_ % ring_bytes_;
  queued_bytes_ += out_frame_bytes_;
  VARVE_CHECK(queued_bytes_ - sent_bytes_ <= ring_bytes_);
  return frame;
}

void EchoStream::queue_requests() {
  while (client_->wants_request()) client_->write_request(queue());
}

std::array<iovec, 2> EchoStream::pieces() {
  const size_t begin = sent_bytes_ % ring_bytes_;
  const size_t whole = queued_bytes_ - sent_bytes_;
  const size_t first = std::min(whole, ring_bytes_ - begin);
  return {{{out_.data() + begin, first}, {out_.data(), whole - first}}};
}

UniqueFd accept_client(const EchoOptions& options) {
  sockaddr_in address = parse_address(options.address);
  socklen_t bytes = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  const UniqueFd listener = open_socket();
  const int on = 1;
  check(setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), "SO_REUSEADDR");
  check(bind(listener.get(), generic, bytes), "bind");
  check(listen(listener.get(), 1), "listen");
  check(getsockname(listener.get(), generic, &bytes), "getsockname");
  char host[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &address.sin_addr, host, sizeof(host));
  say(text("listening ", host, ":", ntohs(address.sin_port)));
  UniqueFd client(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  check(client.get(), "accept");
  send_at_once(client);
  return client;
}

UniqueFd connect_to_server(const EchoOptions& options) {
  const sockaddr_in address = parse_address(options.address);
  UniqueFd socket = open_socket();
  check(connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)),
        "connect");
  send_at_once(socket);
  return socket;
}

}  // namespace varve
