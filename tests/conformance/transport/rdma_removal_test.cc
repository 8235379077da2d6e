// Its RDMA device goes away under a node.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>

#include "tests/conformance/transport/wire.h"

namespace varve {

using Catch::Matchers::ContainsSubstring;

TEST_CASE("a device that is removed ends its connections, and the node goes on without",
          "[.removal]") {
  Wire wire;
  const auto [left, right] = wire.connect();
  // It ends with this process: a software device waits for those who use it.
  REQUIRE(std::system("rdma link delete rxe0 &") == 0);
  wire.run_until([&] { return wire.left().open.empty() && wire.right().open.empty(); });
  CHECK(wire.left().closed[left] < 0);
  CHECK(wire.right().closed[right] < 0);
  CHECK_THAT(wire.log(), ContainsSubstring("device was removed"));
  const uint64_t op_id = wire.left().connect(wire.address());
  wire.run_until([&] { return wire.left().connected.contains(op_id); });
  CHECK(wire.left().connected[op_id].first < 0);
}

}  // namespace varve
