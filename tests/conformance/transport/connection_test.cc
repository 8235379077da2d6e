// Making and ending connections.
#include <catch2/catch_test_macros.hpp>

#include "tests/conformance/transport/wire.h"

namespace varve {

TEST_CASE("both sides learn of a connection, and of its end") {
  Wire wire;
  const auto [left, right] = wire.connect();
  SECTION("the one that asked ends it") {
    wire.left().disconnect(left);
    wire.run_until([&] { return wire.left().closed.contains(left) && wire.right().open.empty(); });
    CHECK(wire.left().closed[left] == VARVE_OK);
    CHECK(wire.right().closed[right] == VARVE_E_CLOSED);
  }
  SECTION("the one that was asked ends it") {
    wire.right().disconnect(right);
    wire.run_until([&] { return wire.right().closed.contains(right) && wire.left().open.empty(); });
    CHECK(wire.left().closed[left] == VARVE_E_CLOSED);
  }
  SECTION("both end it at once") {
    wire.left().disconnect(left);
    wire.right().disconnect(right);
    wire.run_until([&] { return wire.left().open.empty() && wire.right().open.empty(); });
  }
  SECTION("the peer's context goes away") {
    wire.destroy_right();
    wire.run_until([&] { return wire.left().open.empty(); });
    CHECK(wire.left().closed[left] < 0);
  }
}

TEST_CASE("a connection to nobody ends in an event") {
  Wire wire;
  wire.destroy_right();
  const uint64_t op_id = wire.left().connect(wire.address());
  wire.run_until([&] { return wire.left().connected.contains(op_id); });
  CHECK(wire.left().connected[op_id].first == VARVE_E_NOT_FOUND);
  CHECK(wire.left().connected[op_id].second == 0);
}

TEST_CASE("a number that is closed is refused and never used again") {
  Wire wire;
  const auto [left, right] = wire.connect();
  wire.left().disconnect(left);
  CHECK(wire.left().send(left, "late") == VARVE_E_CLOSED);
  wire.run_until([&] { return wire.left().open.empty() && wire.right().open.empty(); });
  CHECK(wire.left().send(left, "late") == VARVE_E_CLOSED);
  CHECK(wire.right().send(right, "late") == VARVE_E_CLOSED);
  CHECK(wire.table().disconnect(wire.left().context(), left) == VARVE_E_CLOSED);
  CHECK(wire.left().send(987654, "nobody") == VARVE_E_CLOSED);
  const auto [next_left, next_right] = wire.connect();
  CHECK(next_left != left);
  CHECK(next_right != right);
}

TEST_CASE("several connections between the same two sides are apart") {
  Wire wire;
  const auto [left_a, right_a] = wire.connect();
  const auto [left_b, right_b] = wire.connect();
  REQUIRE(wire.left().send(left_b, "for b") == VARVE_OK);
  REQUIRE(wire.right().send(right_a, "for a") == VARVE_OK);
  wire.run_until([&] { return !wire.left().received.empty() && !wire.right().received.empty(); });
  CHECK(wire.right().received.front().connection == right_b);
  CHECK(wire.left().received.front().connection == left_a);
  wire.left().disconnect(left_b);
  wire.run_until([&] { return wire.right().closed.contains(right_b); });
  REQUIRE(wire.left().send(left_a, "still there") == VARVE_OK);
  wire.run_until([&] { return wire.right().received.size() == 2; });
}

TEST_CASE("a context that is destroyed takes everything with it at once") {
  open_what_stays_open();
  const size_t before = open_descriptors();
  {
    Wire wire;
    const auto [left, right] = wire.connect();
    wire.post_both(4, 65536);
    for (int i = 0; i < 10; ++i) wire.left().send(left, "h", {pattern(1, 5000)});
    wire.right().poll();
    wire.left().connect(wire.address());
  }
  CHECK(open_descriptors() == before);
}

}  // namespace varve
