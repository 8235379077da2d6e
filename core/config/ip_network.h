// IpNetwork: the addresses that begin with the same bits, in CIDR notation (RFC 4632 section 3.1,
// RFC 4291 section 2.3).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace varve {

class IpNetwork {
 public:
  // "192.0.2.0/24", "2001:db8::/64". Bits behind the prefix mean nothing: "192.0.2.7/24" is the
  // same.
  static std::optional<IpNetwork> parse(std::string_view words);

  // False for what is no IP address, too.
  bool contains(std::string_view address) const;
  // All of its addresses are loopback.
  bool is_loopback() const;
  std::string to_text() const;

 private:
  struct Address {
    bool is_ipv4 = false;
    std::array<uint8_t, 16> bytes{};  // of IPv4 four, the rest is 0
  };
  static std::optional<Address> parse_address(std::string_view words);

  Address base_{};
  uint32_t prefix_bits_ = 0;
};

// Whether it is one that only this machine reaches.
bool is_loopback_address(std::string_view address);

}  // namespace varve
