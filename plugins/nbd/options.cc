#include "plugins/nbd/options.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "plugins/nbd/limits.h"
#include "plugins/sdk/host.h"

namespace varve {

namespace {

constexpr std::string_view kForms =
    "allowed are unix:/PATH and tcp:HOST:PORT, where HOST is an "
    "IPv4 address, [an IPv6 address] or localhost";

bool parse_number(std::string_view text, uint64_t min, uint64_t max, uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() && value >= min && value <= max;
}

std::string parse_unix(std::string_view path, ListenAddress& address) {
  auto* unix_address = reinterpret_cast<sockaddr_un*>(&address.socket);
  if (path.empty() || path.front() != '/')
    return join({"listen: \"", address.text, "\": the path must begin with /"});
  if (path.size() >= sizeof(unix_address->sun_path))
    return join({"listen: \"", address.text, "\": the path is longer than 107 bytes"});
  unix_address->sun_family = AF_UNIX;
  std::memcpy(unix_address->sun_path, path.data(), path.size());
  address.socket_bytes = sizeof(sockaddr_un);
  address.unix_path = path;
  return {};
}

bool parse_ipv4(const std::string& host, uint64_t port, ListenAddress& address) {
  auto* ipv4 = reinterpret_cast<sockaddr_in*>(&address.socket);
  ipv4->sin_family = AF_INET;
  ipv4->sin_port = htons(static_cast<uint16_t>(port));
  address.socket_bytes = sizeof(sockaddr_in);
  return inet_pton(AF_INET, host.c_str(), &ipv4->sin_addr) == 1;
}

bool parse_ipv6(const std::string& host, uint64_t port, ListenAddress& address) {
  auto* ipv6 = reinterpret_cast<sockaddr_in6*>(&address.socket);
  ipv6->sin6_family = AF_INET6;
  ipv6->sin6_port = htons(static_cast<uint16_t>(port));
  address.socket_bytes = sizeof(sockaddr_in6);
  return inet_pton(AF_INET6, host.c_str(), &ipv6->sin6_addr) == 1;
}

std::string parse_tcp(std::string_view rest, ListenAddress& address) {
  const size_t colon = rest.rfind(':');
  uint64_t port = 0;
  if (colon == std::string_view::npos || !parse_number(rest.substr(colon + 1), 0, 65535, port))
    return join({"listen: \"", address.text, "\" has no valid port; ", kForms});
  std::string host(rest.substr(0, colon));
  if (host == "localhost") host = "127.0.0.1";
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  const bool good = bracketed ? parse_ipv6(host.substr(1, host.size() - 2), port, address)
                              : parse_ipv4(host, port, address);
  if (!good) return join({"listen: \"", address.text, "\" has no valid host; ", kForms});
  return {};
}

std::string parse_listen(std::string_view text, ListenAddress& address) {
  address.text = text;
  if (text.starts_with("unix:")) return parse_unix(text.substr(5), address);
  if (text.starts_with("tcp:")) return parse_tcp(text.substr(4), address);
  return join({"listen: \"", text, "\" is not an address; ", kForms});
}

bool is_loopback(const ListenAddress& address) {
  if (address.socket.ss_family == AF_INET) {
    const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&address.socket);
    return ntohl(ipv4->sin_addr.s_addr) >> 24 == 127;
  }
  if (address.socket.ss_family == AF_INET6) {
    const auto* ipv6 = reinterpret_cast<const sockaddr_in6*>(&address.socket);
    return IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr);
  }
  return true;
}

std::string parse_timeout(std::string_view key, std::string_view value, uint64_t& timeout_ms) {
  if (parse_number(value, 1, 3'600'000, timeout_ms)) return {};
  return join({key, ": \"", value, "\" is not a number of milliseconds from 1 to 3600000"});
}

std::string parse_option(std::string_view key, std::string_view value, NbdOptions& options) {
  if (key == "listen") return parse_listen(value, options.listen.emplace_back());
  if (key == "handshake_timeout_ms") return parse_timeout(key, value, options.handshake_timeout_ms);
  if (key == "request_timeout_ms") return parse_timeout(key, value, options.request_timeout_ms);
  if (key == "allow_plaintext") {
    options.allow_plaintext = value == "true";
    if (options.allow_plaintext || value == "false") return {};
    return join({"allow_plaintext: \"", value, "\" is neither true nor false"});
  }
  return join({key,
               ": unknown option; known are listen, allow_plaintext, handshake_timeout_ms, "
               "request_timeout_ms"});
}

}  // namespace

std::string parse_options(std::span<const varve_option> given, NbdOptions& options) {
  options = {};
  options.handshake_timeout_ms = kHandshakeTimeoutMs;
  options.request_timeout_ms = kRequestTimeoutMs;
  for (const varve_option& option : given) {
    std::string wrong = parse_option(option.key, option.value, options);
    if (!wrong.empty()) return wrong;
  }
  if (options.listen.empty()) return join({"listen: missing; ", kForms});
  return {};
}

std::string check_plaintext(const NbdOptions& options) {
  for (const ListenAddress& address : options.listen) {
    if (!options.allow_plaintext && !is_loopback(address))
      return join({"listen: \"", address.text,
                   "\" is reachable from other machines and TLS is not configured; add [tls], use "
                   "a loopback address or a unix socket, or set allow_plaintext = true"});
  }
  return {};
}

}  // namespace varve
