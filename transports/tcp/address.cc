#include "transports/tcp/address.h"

#include <boost/asio/ip/tcp.hpp>
#include <charconv>
#include <cstring>

#include "plugins/sdk/host.h"

namespace varve {
namespace {

namespace ip = boost::asio::ip;

constexpr std::string_view kForms =
    "allowed are IPV4:PORT and [IPV6]:PORT with numbers only; host names are not looked up";

std::string wrong(std::string_view text, std::string_view what) {
  return join({"address \"", text, "\" ", what, "; ", kForms});
}

}  // namespace

std::string parse_address(std::string_view text, TcpAddress& address) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong(text, "has no port");
  const std::string_view port_text = text.substr(colon + 1);
  uint16_t port = 0;
  const char* const end = port_text.data() + port_text.size();
  const auto [stop, error] = std::from_chars(port_text.data(), end, port);
  if (error != std::errc{} || stop != end) return wrong(text, "has no valid port");

  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  boost::system::error_code bad;
  const ip::address parsed = ip::make_address(std::string(host), bad);
  if (bad || parsed.is_v6() != bracketed) return wrong(text, "has no valid host");
  const ip::tcp::endpoint endpoint(parsed, port);
  address = {};
  std::memcpy(&address.socket, endpoint.data(), endpoint.size());
  address.socket_bytes = static_cast<socklen_t>(endpoint.size());
  address.loopback = parsed.is_loopback();
  address.any_port = port == 0;
  return {};
}

std::string address_text(const sockaddr_storage& socket) {
  if (socket.ss_family != AF_INET && socket.ss_family != AF_INET6) return "?";
  ip::tcp::endpoint endpoint(socket.ss_family == AF_INET ? ip::tcp::v4() : ip::tcp::v6(), 0);
  std::memcpy(endpoint.data(), &socket, endpoint.size());
  const std::string host = endpoint.address().to_string();
  const std::string port = std::to_string(endpoint.port());
  if (endpoint.address().is_v6()) return join({"[", host, "]:", port});
  return join({host, ":", port});
}

}  // namespace varve
