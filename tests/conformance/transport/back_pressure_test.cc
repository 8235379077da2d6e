// What happens when one side is slower than the other.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "tests/conformance/transport/wire.h"

namespace varve {

TEST_CASE("without a fitting buffer a connection waits, and only that one") {
  Wire wire;
  const auto [stuck, stuck_right] = wire.connect();
  const auto [free, free_right] = wire.connect();
  wire.right().repost = false;
  wire.right().post(4096);
  REQUIRE(wire.left().send(stuck, "1", {pattern(1, 8192)}) == VARVE_OK);
  REQUIRE(wire.left().send(stuck, "2") == VARVE_OK);
  REQUIRE(wire.left().send(free, "3") == VARVE_OK);
  REQUIRE(wire.left().send(free, "4", {"fits"}) == VARVE_OK);
  wire.run_until([&] { return wire.right().received.size() == 2; });
  wire.settle();
  REQUIRE(wire.right().received.size() == 2);
  CHECK(wire.right().received[0].header == "3");
  CHECK(wire.right().received[1].payload == "fits");
  wire.right().post(4096);  // still too short
  wire.settle();
  REQUIRE(wire.right().received.size() == 2);
  wire.right().post(8192);
  wire.run_until([&] { return wire.right().received.size() == 4; });
  CHECK((wire.right().received[2].payload == pattern(1, 8192)));
  CHECK(wire.right().received[3].header == "2");
  CHECK(wire.right().posted() == 1);
}

TEST_CASE("a sender that is too fast is told, and told again when there is room") {
  Wire wire;
  const uint64_t left = wire.connect().first;
  const size_t payload_bytes = GENERATE(size_t{100}, size_t{4096}, size_t{200'000});
  const std::string payload = pattern(3, payload_bytes);
  size_t sent = 0;
  int32_t result = VARVE_OK;
  // Nobody takes anything: the queue fills, whatever the kernel has room for.
  for (int round = 0; round < 300'000 && result == VARVE_OK; ++round) {
    result = wire.left().send(left, std::to_string(sent), {payload});
    if (result == VARVE_OK) ++sent;
    if (result == VARVE_E_AGAIN) {
      wire.settle();
      if (wire.left().writable.erase(left) == 1) result = VARVE_OK;
    }
  }
  REQUIRE(result == VARVE_E_AGAIN);
  REQUIRE_FALSE(wire.left().writable.contains(left));
  for (int i = 0; i < 4; ++i) wire.right().post(payload_bytes);
  wire.run_until([&] { return wire.left().writable.contains(left); });
  REQUIRE(wire.left().send(left, std::to_string(sent++), {payload}) == VARVE_OK);
  wire.run_until([&] { return wire.right().received.size() == sent; });
  wire.settle();
  for (size_t i = 0; i < sent; ++i) {
    REQUIRE(wire.right().received[i].header == std::to_string(i));
    REQUIRE((wire.right().received[i].payload == payload));
  }
  CHECK(wire.left().sends_ok == sent);
}

TEST_CASE("sends that are on the way when a connection ends are each told once") {
  Wire wire;
  const auto [left, right] = wire.connect();
  const std::string payload = pattern(5, 100'000);
  for (int i = 0; i < 400; ++i) {
    if (wire.left().send(left, "h", {payload}) != VARVE_OK) break;
    if (i % 16 == 0) wire.settle();
  }
  REQUIRE(wire.left().sends_in_flight() > 0);
  SECTION("by the sender") {
    wire.left().disconnect(left);
  }
  SECTION("by the receiver") {
    wire.right().disconnect(right);
  }
  SECTION("by the receiver's death") {
    wire.destroy_right();
  }
  wire.run_until([&] { return wire.left().open.empty(); });
  CHECK(wire.left().sends_in_flight() == 0);
  CHECK(wire.left().sends_ok + wire.left().sends_failed == wire.left().sends_accepted);
  CHECK(wire.left().sends_failed > 0);
}

TEST_CASE("a peer that dies while it is waited for a buffer is noticed") {
  Wire wire;
  const auto [left, right] = wire.connect();
  REQUIRE(wire.left().send(left, "1", {pattern(1, 8192)}) == VARVE_OK);
  wire.settle();
  REQUIRE(wire.right().send(right, "2") == VARVE_OK);
  wire.settle();
  wire.left().disconnect(left);
  wire.run_until([&] { return wire.left().open.empty(); });
  wire.right().send(right, "3");
  wire.settle();
  wire.right().send(right, "4");
  wire.run_until([&] { return wire.right().open.empty(); });
}

}  // namespace varve
