// Options and addresses of the RDMA plugin: what is allowed, and what is said about the rest.
#include "transports/rdma/options.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "transports/rdma/address.h"

namespace varve {

using Catch::Matchers::ContainsSubstring;

TEST_CASE("the RDMA plugin reads its options and explains what is wrong with one") {
  RdmaOptions options;
  const varve_option good[] = {{"device", "mlx5_0"},
                               {"traffic_class", "104"},
                               {"keepalive_s", "1"},
                               {"connect_timeout_ms", "500"},
                               {"allow_plaintext", "true"}};
  CHECK(parse_options(good, options).empty());
  CHECK(options.device == "mlx5_0");
  CHECK(options.traffic_class == 104);
  CHECK(options.keepalive_s == 1);
  CHECK(options.connect_timeout_ms == 500);
  CHECK(options.allow_plaintext);
  const auto finding = [&](const char* key, const char* value) {
    const varve_option option{key, value};
    return parse_options({&option, 1}, options);
  };
  CHECK_THAT(finding("traffic_class", "256"), ContainsSubstring("number from 0 to 255"));
  CHECK_THAT(finding("keepalive_s", "0"), ContainsSubstring("number from 1 to 3600"));
  CHECK_THAT(finding("device", "../sda"), ContainsSubstring("no device's name"));
  CHECK_THAT(finding("allow_plaintext", "yes"), ContainsSubstring("neither true nor false"));
  CHECK_THAT(finding("gid", "3"), ContainsSubstring("unknown option; known are device"));
}

TEST_CASE("the RDMA plugin reads addresses as it writes them") {
  RdmaAddress address;
  for (const char* const text : {"10.9.0.1:7071", "[fe80::1]:1"}) {
    CHECK(parse_address(text, address).empty());
    CHECK(address_text(address.generic()) == text);
  }
  CHECK(parse_address("0.0.0.0:0", address).empty());
  CHECK((address.any_host && address.any_port));
  for (const char* const text :
       {"10.9.0.1", "10.9.0.1:", "10.9.0.1:65536", "node1:7071", "::1:7071", "[10.9.0.1]:1", ""}) {
    INFO(text);
    CHECK_THAT(parse_address(text, address), ContainsSubstring("allowed are IPV4:PORT"));
  }
}

}  // namespace varve
