#include "core/daemon/machine_address.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

#include "core/base/text.h"

namespace varve {
namespace {

// Empty for what is no IP address, and for link-local ones.
std::string address_text(const sockaddr* address) {
  if (address == nullptr || (address->sa_family != AF_INET && address->sa_family != AF_INET6))
    return {};
  const socklen_t bytes =
      address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  std::array<char, NI_MAXHOST> words{};
  if (getnameinfo(address, bytes, words.data(), words.size(), nullptr, 0, NI_NUMERICHOST) != 0)
    return {};
  const std::string found(words.data());
  return found.find('%') == std::string::npos ? found : std::string();
}

std::string listed(std::span<const std::string> words) {
  std::string list;
  for (const std::string& word : words) list += text(list.empty() ? "" : ", ", word);
  return list.empty() ? "none" : list;
}

}  // namespace

std::vector<std::string> machine_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return addresses;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if ((at->ifa_flags & IFF_UP) == 0) continue;
    const std::string address = address_text(at->ifa_addr);
    const bool is_new = std::find(addresses.begin(), addresses.end(), address) == addresses.end();
    if (!address.empty() && is_new) addresses.push_back(address);
  }
  return addresses;
}

Result<std::string> address_in(const IpNetwork& network, std::span<const std::string> addresses) {
  std::vector<std::string> in_network;
  for (const std::string& address : addresses)
    if (network.contains(address)) in_network.push_back(address);
  if (in_network.size() == 1) return in_network.front();
  if (in_network.empty())
    return Status(ErrorCode::kInvalidArgument,
                  text("no address of this machine is in ", network.to_text(),
                       "; it has: ", listed(addresses)));
  return Status(ErrorCode::kInvalidArgument,
                text("several addresses of this machine are in ", network.to_text(),
                     "; name one of them: ", listed(in_network)));
}

}  // namespace varve
