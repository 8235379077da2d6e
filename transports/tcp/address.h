// TCP addresses as the operator writes them: IPV4:PORT or [IPV6]:PORT. Names are refused: looking
// one up would block the shard.
//
// Errors: parse_address returns a sentence for the operator; empty means success.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

namespace varve {

struct TcpAddress {
  sockaddr_storage socket{};
  socklen_t socket_bytes = 0;
  bool loopback = false;
  bool any_port = false;  // port 0
};

std::string parse_address(std::string_view text, TcpAddress& address);
// As parse_address reads it; "?" for what is no TCP address.
std::string address_text(const sockaddr_storage& socket);

}  // namespace varve
