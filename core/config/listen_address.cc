#include "core/config/listen_address.h"

#include <charconv>

#include "core/base/text.h"
#include "core/config/ip_network.h"

namespace varve {
namespace {

// The kernel's limit for a socket's path, its final NUL included.
constexpr size_t kUnixPathBytesMax = 108;

}  // namespace

bool ListenAddress::is_local() const {
  return is_unix() || host == "localhost" || is_loopback_address(host);
}

std::string ListenAddress::to_text() const {
  if (is_unix()) return text("unix:", unix_path);
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return is_ipv6 ? text("[", host, "]:", port) : text(host, ":", port);
}

std::optional<ListenAddress> parse_listen_address(std::string_view words) {
  constexpr std::string_view kUnix = "unix:";
  ListenAddress address;
  if (words.starts_with(kUnix)) {
    address.unix_path = words.substr(kUnix.size());
    const bool usable = address.unix_path.starts_with('/') &&
                        address.unix_path.size() < kUnixPathBytesMax &&
                        address.unix_path.find('\0') == std::string::npos;
    if (!usable) return std::nullopt;
    return address;
  }
  constexpr std::string_view kTcp = "tcp:";
  if (words.starts_with(kTcp)) words.remove_prefix(kTcp.size());
  const size_t colon = words.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = words.substr(0, colon);
  const std::string_view port = words.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool has_colon = host.find(':') != std::string_view::npos;
  if (host.empty() || has_colon != bracketed) return std::nullopt;
  if (host.find_first_of(std::string_view("/ []\0", 5)) != std::string_view::npos) {
    return std::nullopt;
  }
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc{} || rest != port.data() + port.size() || address.port == 0) {
    return std::nullopt;
  }
  address.host = host;
  return address;
}

}  // namespace varve
