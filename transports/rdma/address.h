// Addresses as the operator writes them: IPV4:PORT or [IPV6]:PORT, of a network device that has an
// RDMA device. Names are refused: looking one up would block the shard.
//
// Errors: parse_address returns a sentence for the operator; empty means success.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

namespace varve {

struct RdmaAddress {
  sockaddr_storage socket{};
  bool any_host = false;  // 0.0.0.0 or ::
  bool any_port = false;  // port 0

  sockaddr* generic() { return reinterpret_cast<sockaddr*>(&socket); }
};

std::string parse_address(std::string_view text, RdmaAddress& address);
// As parse_address reads it; "?" for what is no such address.
std::string address_text(const sockaddr* socket);

}  // namespace varve
