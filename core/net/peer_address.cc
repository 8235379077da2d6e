#include "core/net/peer_address.h"

#include <algorithm>

#include "core/base/text.h"

namespace varve {

std::string peer_addresses_text(const std::vector<PeerAddress>& addresses) {
  std::string words;
  for (const PeerAddress& one : addresses) {
    if (!words.empty()) words += ' ';
    words += one.transport.empty() ? one.address : text(one.transport, "=", one.address);
  }
  return words;
}

std::vector<PeerAddress> parse_peer_addresses(std::string_view words) {
  std::vector<PeerAddress> addresses;
  while (!words.empty()) {
    const std::string_view word = words.substr(0, words.find(' '));
    words.remove_prefix(std::min(words.size(), word.size() + 1));
    const size_t equals = word.find('=');
    if (word.empty()) continue;
    if (equals == std::string_view::npos)
      addresses.push_back({"", std::string(word)});
    else
      addresses.push_back(
          {std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))});
  }
  return addresses;
}

}  // namespace varve
