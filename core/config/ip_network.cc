#include "core/config/ip_network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "core/base/text.h"

namespace varve {
namespace {

// The bits of byte `index` that the prefix takes.
uint8_t mask(uint32_t prefix_bits, size_t index) {
  const auto before = static_cast<uint32_t>(index) * 8;
  const uint32_t bits = prefix_bits <= before ? 0 : std::min<uint32_t>(prefix_bits - before, 8);
  return static_cast<uint8_t>(0xff00U >> bits);
}

}  // namespace

std::optional<IpNetwork::Address> IpNetwork::parse_address(std::string_view words) {
  const std::string address(words);  // inet_pton wants its end
  if (address.find('\0') != std::string::npos) return std::nullopt;
  Address parsed{.is_ipv4 = address.find(':') == std::string::npos};
  const int family = parsed.is_ipv4 ? AF_INET : AF_INET6;
  if (inet_pton(family, address.c_str(), parsed.bytes.data()) != 1) return std::nullopt;
  return parsed;
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view words) {
  const size_t slash = words.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_address(words.substr(0, slash));
  if (!address) return std::nullopt;
  const std::string_view bits = words.substr(slash + 1);
  IpNetwork network;
  const char* const end = bits.data() + bits.size();
  const auto [rest, error] = std::from_chars(bits.data(), end, network.prefix_bits_);
  const uint32_t bits_max = address->is_ipv4 ? 32 : 128;
  if (error != std::errc{} || rest != end || network.prefix_bits_ > bits_max) return std::nullopt;
  network.base_ = *address;
  for (size_t i = 0; i < network.base_.bytes.size(); ++i)
    network.base_.bytes[i] &= mask(network.prefix_bits_, i);
  return network;
}

bool IpNetwork::contains(std::string_view address) const {
  const auto other = parse_address(address);
  if (!other || other->is_ipv4 != base_.is_ipv4) return false;
  for (size_t i = 0; i < base_.bytes.size(); ++i)
    if ((other->bytes[i] & mask(prefix_bits_, i)) != base_.bytes[i]) return false;
  return true;
}

bool IpNetwork::is_loopback() const {
  if (base_.is_ipv4) return prefix_bits_ >= 8 && base_.bytes[0] == 127;
  constexpr std::array<uint8_t, 16> kIpv6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return prefix_bits_ == 128 && base_.bytes == kIpv6;
}

std::string IpNetwork::to_text() const {
  std::array<char, INET6_ADDRSTRLEN> words{};
  inet_ntop(base_.is_ipv4 ? AF_INET : AF_INET6, base_.bytes.data(), words.data(), words.size());
  return text(words.data(), "/", prefix_bits_);
}

bool is_loopback_address(std::string_view address) {
  const bool is_ipv6 = address.find(':') != std::string_view::npos;
  const auto alone = IpNetwork::parse(text(address, is_ipv6 ? "/128" : "/32"));
  return alone && alone->is_loopback();
}

}  // namespace varve
