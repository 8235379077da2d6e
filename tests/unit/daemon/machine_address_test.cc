#include "core/daemon/machine_address.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>

namespace varve {

TEST_CASE("this machine has its loopback address") {
  const std::vector<std::string> addresses = machine_addresses();
  CHECK(std::count(addresses.begin(), addresses.end(), "127.0.0.1") == 1);
  CHECK(*address_in(*IpNetwork::parse("127.0.0.0/8"), addresses) == "127.0.0.1");
}

TEST_CASE(
    "a network in which the machine has no address, or several, is refused with what it has") {
  const std::vector<std::string> addresses = {"127.0.0.1", "10.0.0.7", "10.0.9.7", "2001:db8::7"};
  CHECK(*address_in(*IpNetwork::parse("10.0.9.0/24"), addresses) == "10.0.9.7");
  CHECK(*address_in(*IpNetwork::parse("2001:db8::/32"), addresses) == "2001:db8::7");
  CHECK(address_in(*IpNetwork::parse("192.0.2.0/24"), addresses).status().message() ==
        "no address of this machine is in 192.0.2.0/24; it has: 127.0.0.1, 10.0.0.7, 10.0.9.7, "
        "2001:db8::7");
  CHECK(address_in(*IpNetwork::parse("10.0.0.0/16"), addresses).status().message() ==
        "several addresses of this machine are in 10.0.0.0/16; name one of them: 10.0.0.7, "
        "10.0.9.7");
}

}  // namespace varve
