#include "transports/rdma/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <charconv>
#include <cstring>

#include "plugins/sdk/host.h"

namespace varve {
namespace {

std::string wrong(std::string_view text, std::string_view what) {
  return join({"address \"", text, "\" ", what,
               "; allowed are IPV4:PORT and [IPV6]:PORT with numbers only; host names are not "
               "looked up"});
}

bool parse_host(const std::string& host, bool bracketed, uint16_t port, RdmaAddress& address) {
  if (bracketed) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) != 1) return false;
    address.any_host = IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr);
    std::memcpy(&address.socket, &v6, sizeof(v6));
    return true;
  }
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) != 1) return false;
  address.any_host = v4.sin_addr.s_addr == INADDR_ANY;
  std::memcpy(&address.socket, &v4, sizeof(v4));
  return true;
}

}  // namespace

std::string parse_address(std::string_view text, RdmaAddress& address) {
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
  address = {};
  if (!parse_host(std::string(host), bracketed, port, address))
    return wrong(text, "has no valid host");
  address.any_port = port == 0;
  return {};
}

std::string address_text(const sockaddr* socket) {
  char host[INET6_ADDRSTRLEN] = "";
  if (socket->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, socket, sizeof(v4));
    ::inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
    return join({host, ":", std::to_string(ntohs(v4.sin_port))});
  }
  if (socket->sa_family != AF_INET6) return "?";
  sockaddr_in6 v6;
  std::memcpy(&v6, socket, sizeof(v6));
  ::inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof(host));
  return join({"[", host, "]:", std::to_string(ntohs(v6.sin6_port))});
}

}  // namespace varve
