// ListenAddress: where a listener waits for clients.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace varve {

struct ListenAddress {
  std::string host;       // IP address or "localhost"; empty for a unix socket
  uint16_t port = 0;      // 0 for a unix socket
  std::string unix_path;  // absolute; empty for TCP

  bool is_unix() const { return !unix_path.empty(); }
  // Nobody outside this machine can connect.
  bool is_local() const;
  // In the form that parse_listen_address takes.
  std::string to_text() const;
};

// "HOST:PORT", "[IPV6]:PORT" (also with "tcp:" in front) or "unix:/PATH". Nothing for anything
// else.
std::optional<ListenAddress> parse_listen_address(std::string_view words);

// What parse_listen_address takes, for messages.
inline constexpr std::string_view kListenGrammar =
    "\"HOST:PORT\", \"[IPV6]:PORT\" or \"unix:/PATH\"";

}  // namespace varve
