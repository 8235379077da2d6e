// Connections that come and go while messages are on their way.
#include <catch2/catch_test_macros.hpp>
#include <random>

#include "tests/conformance/transport/wire.h"

namespace varve {
namespace {

uint64_t any_of(const std::set<uint64_t>& numbers, std::mt19937_64& random) {
  auto at = numbers.begin();
  std::advance(at, random() % numbers.size());
  return *at;
}

void do_something(TransportSide& side, std::mt19937_64& random) {
  if (side.open.empty()) return;
  const uint64_t connection = any_of(side.open, random);
  if (random() % 10 == 0) return side.disconnect(connection);
  const size_t bytes = random() % 3 == 0 ? 0 : 1 + random() % 30'000;
  std::vector<std::string> pieces;
  if (bytes > 0) pieces.push_back(pattern(bytes, bytes));
  side.send(connection, std::to_string(bytes), pieces);
}

void check_received(TransportSide& side) {
  for (; !side.received.empty(); side.received.pop_front()) {
    const Received& message = side.received.front();
    const size_t bytes = std::stoul(message.header);
    REQUIRE((message.payload == pattern(bytes, bytes)));
  }
}

}  // namespace

TEST_CASE("a storm of reconnects loses no call, no buffer and no descriptor") {
  open_what_stays_open();
  const size_t before = open_descriptors();
  {
    Wire wire;
    constexpr size_t kBuffers = 6;
    wire.post_both(kBuffers, 32768);
    std::mt19937_64 random(11);
    // One that takes its time is likely to be emulated, too.
    const int rounds = quiet_ms() > 0 ? 1'500 : 5'000;
    for (int round = 0; round < rounds; ++round) {
      TransportSide& left = wire.left();
      const size_t connections = left.open.size() + left.connects_in_flight();
      if (connections < 8 && random() % 4 == 0) left.connect(wire.address());
      // Rounds in which nothing can happen are no storm.
      wire.run_until([&] { return !left.open.empty() || left.connects_in_flight() == 0; });
      do_something(wire.left(), random);
      do_something(wire.right(), random);
      if (random() % 3 == 0) wire.left().poll();
      if (random() % 3 == 0) wire.right().poll();
      check_received(wire.left());
      check_received(wire.right());
    }
    wire.settle();
    for (const uint64_t connection : std::set(wire.left().open)) wire.left().disconnect(connection);
    wire.run_until([&] { return wire.left().open.empty() && wire.right().open.empty(); });
    wire.settle();
    for (TransportSide* side : {&wire.left(), &wire.right()}) {
      CHECK(side->sends_in_flight() == 0);
      CHECK(side->closed.size() > 100);
      CHECK(side->posted() == kBuffers);
      check_received(*side);
    }
    // The plugin still has every buffer.
    wire.right().repost = false;
    const uint64_t left = wire.connect().first;
    for (size_t i = 0; i < kBuffers; ++i)
      REQUIRE(wire.left().send(left, "20000", {pattern(20000, 20000)}) == VARVE_OK);
    wire.run_until([&] { return wire.right().received.size() == kBuffers; });
    CHECK(wire.right().posted() == 0);
  }
  CHECK(open_descriptors() == before);
}

}  // namespace varve
