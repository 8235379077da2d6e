#include "tests/conformance/transport/raw_peer.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>

#include "plugins/sdk/bytes.h"
#include "plugins/sdk/crc32c.h"
#include "transports/tcp/frame.h"

namespace varve {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return to;
}

}  // namespace

RawPeer::RawPeer(const std::string& address)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const size_t colon = address.rfind(':');
  const sockaddr_in to = loopback(static_cast<uint16_t>(std::stoul(address.substr(colon + 1))));
  REQUIRE(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0);
  REQUIRE(::fcntl(fd_.get(), F_SETFL, O_NONBLOCK) == 0);
}

RawPeer::RawPeer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
  const sockaddr_in at = loopback(0);
  REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0);
  REQUIRE(::listen(fd_.get(), 0) == 0);
}

std::string RawPeer::address() const {
  sockaddr_in at{};
  socklen_t bytes = sizeof(at);
  REQUIRE(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &bytes) == 0);
  return "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
}

size_t RawPeer::send(const std::string& bytes) {
  const ssize_t taken = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  return taken < 0 ? 0 : static_cast<size_t>(taken);
}

std::string RawPeer::receive(bool& ended) {
  std::string out;
  std::array<char, 65536> buffer;
  while (true) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    ended = got == 0 || (got < 0 && errno != EAGAIN);
    if (got <= 0) return out;
    out.append(buffer.data(), static_cast<size_t>(got));
  }
}

void RawPeer::reset_connection() {
  const linger at_once{1, 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  fd_.reset();
}

std::string raw_frame(uint32_t magic, uint16_t version, uint16_t header_bytes,
                      uint32_t payload_bytes) {
  std::string out;
  append_be(out, magic);
  append_be(out, version);
  append_be(out, header_bytes);
  append_be(out, payload_bytes);
  append_be(out, crc32c_of({reinterpret_cast<const uint8_t*>(out.data()), out.size()}));
  return out;
}

std::string raw_message(const std::string& header, const std::string& payload) {
  return raw_frame(kFrameMagic, kFrameVersion, static_cast<uint16_t>(header.size()),
                   static_cast<uint32_t>(payload.size())) +
         header + payload;
}

}  // namespace varve
