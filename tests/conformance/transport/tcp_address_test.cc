// What tcp takes as an address and as an option.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/conformance/transport/wire.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

struct Answer {
  int32_t result;
  std::string bound;
  std::string why;
};

Answer listen(Wire& wire, const std::string& address) {
  char bound[128] = "";
  char why[256] = "";
  const int32_t result = wire.table().listen(wire.left().context(), address.c_str(), bound,
                                             sizeof(bound), why, sizeof(why));
  return {result, bound, why};
}

std::string refused(const std::string& key, const std::string& value) {
  const varve_option option{key.c_str(), value.c_str()};
  varve_host host{};
  host.struct_size = sizeof(host);
  varve_transport_instance* instance = nullptr;
  char why[256] = "";
  const varve_transport& table = transport_under_test();
  if (table.instance_create(&host, &option, 1, &instance, why, sizeof(why)) == VARVE_OK) {
    table.instance_destroy(instance);
    return "accepted";
  }
  return why;
}

}  // namespace

TEST_CASE("IPv4 and IPv6 literals are addresses, and port 0 is replaced") {
  Wire wire;
  CHECK_THAT(listen(wire, "127.0.0.1:0").bound, ContainsSubstring("127.0.0.1:"));
  const Answer ipv6 = listen(wire, "[::1]:0");
  REQUIRE(ipv6.result == VARVE_OK);
  REQUIRE(ipv6.bound.starts_with("[::1]:"));
  CHECK(ipv6.bound != "[::1]:0");
  const uint64_t op_id = wire.right().connect(ipv6.bound);
  wire.run_until([&] { return wire.right().connected.contains(op_id); });
  CHECK(wire.right().connected[op_id].first == VARVE_OK);
}

TEST_CASE("what is no address is refused in words") {
  Wire wire;
  for (const std::string address : {"localhost:7000", "node1.example:7000", "127.0.0.1", "", ":1",
                                    "::1:7000", "[127.0.0.1]:7000", "127.0.0.1:", "127.0.0.1:65536",
                                    "127.0.0.1:1x", "127.0.0.1:-1", "256.0.0.1:1", "[::1:7000"}) {
    INFO(address);
    const Answer answer = listen(wire, address);
    CHECK(answer.result == VARVE_E_INVALID);
    CHECK_THAT(answer.why, ContainsSubstring("host names are not looked up"));
    CHECK(wire.table().connect(wire.left().context(), address.c_str(), 9) == VARVE_E_INVALID);
  }
  CHECK(wire.table().connect(wire.left().context(), "127.0.0.1:0", 9) == VARVE_E_INVALID);
  CHECK_THAT(wire.log(), ContainsSubstring("\"127.0.0.1:0\" has no port"));
}

TEST_CASE("listening beyond loopback needs allow_plaintext") {
  Wire wire;
  for (const std::string address : {"0.0.0.0:0", "[::]:0", "192.0.2.1:0"}) {
    const Answer answer = listen(wire, address);
    CHECK(answer.result == VARVE_E_INVALID);
    CHECK_THAT(answer.why, ContainsSubstring("allow_plaintext = true"));
  }
  Wire open(Wire::Options{{"allow_plaintext", "true"}});
  CHECK_THAT(listen(open, "192.0.2.1:0").why, ContainsSubstring("assign"));
}

TEST_CASE("an address that is taken is refused in words") {
  Wire wire;
  const Answer answer = listen(wire, wire.address());
  CHECK(answer.result == VARVE_E_INVALID);
  CHECK_THAT(answer.why, ContainsSubstring("in use"));
}

TEST_CASE("options are checked") {
  for (const std::string key : {"keepalive_s", "user_timeout_ms", "connect_timeout_ms"}) {
    CHECK(refused(key, "10") == "accepted");
    for (const std::string value : {"0", "", "x", "5s", "-1", "99999999999"})
      CHECK(refused(key, value).starts_with(key + ": \"" + value + "\" is not a number from 1"));
  }
  CHECK(refused("allow_plaintext", "false") == "accepted");
  CHECK(refused("allow_plaintext", "yes") == "allow_plaintext: \"yes\" is neither true nor false");
}

}  // namespace varve
