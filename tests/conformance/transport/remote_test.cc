// What can only be shown with the right side in a process of its own: these run where
// VARVE_TRANSPORT_REMOTE names one, and are asked for by their tags.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstdlib>

#include "tests/conformance/transport/wire.h"

namespace varve {
namespace {

// A connection from the left side to a process that has taken the place of a killed one.
void check_successor(Wire& wire) {
  Wire successor;
  successor.right().post(8192);
  const uint64_t op_id = wire.left().connect(successor.address());
  const auto arrived = [&] { return !successor.right().received.empty(); };
  const auto connected = [&] { return wire.left().connected.contains(op_id); };
  const auto both = [&](const auto& done) {
    wire.run_until([&] {
      successor.settle();
      return done();
    });
  };
  both(connected);
  const auto [result, connection] = wire.left().connected[op_id];
  REQUIRE(result == VARVE_OK);
  REQUIRE(wire.left().send(connection, "h", {pattern(1, 8000)}) == VARVE_OK);
  both(arrived);
  CHECK((successor.right().received.front().payload == pattern(1, 8000)));
}

// While it lives, the wire is cut: by the commands that the environment names.
class Cut {
 public:
  Cut() { REQUIRE(run("VARVE_TRANSPORT_CUT")); }
  ~Cut() { CHECK(run("VARVE_TRANSPORT_MEND")); }
  Cut(const Cut&) = delete;
  Cut& operator=(const Cut&) = delete;

 private:
  static bool run(const char* variable) {
    const char* const command = std::getenv(variable);
    return command != nullptr && std::system(command) == 0;
  }
};

// Asks until it is answered: the network may need a moment.
uint64_t connect_again(Wire& wire) {
  TransportSide& left = wire.left();
  uint64_t op_id = left.connect(wire.address());
  wire.run_until([&] {
    if (!left.connected.contains(op_id)) return false;
    const bool good = left.connected[op_id].first == VARVE_OK;
    if (!good) op_id = left.connect(wire.address());
    return good;
  });
  return left.connected[op_id].second;
}

}  // namespace

TEST_CASE("a peer whose process is killed is noticed, and its successor is reached", "[.remote]") {
  Wire wire;
  const auto [left, right] = wire.connect();
  SECTION("nothing is on its way") {
    wire.settle();
  }
  SECTION("it has taken a part of what is on its way") {
    for (int i = 0; i < 8; ++i) wire.right().post(262'144);
    for (int i = 0; i < 200; ++i) {
      if (wire.left().send(left, "h", {pattern(5, 200'000)}) != VARVE_OK) break;
    }
    wire.run_until([&] { return wire.right().received.size() > 3; });
  }
  SECTION("it has no buffer for what is on its way") {
    for (int i = 0; i < 200; ++i) {
      if (wire.left().send(left, "h", {pattern(5, 200'000)}) != VARVE_OK) break;
    }
    wire.settle();
    REQUIRE(wire.left().sends_in_flight() > 0);
  }
  SECTION("what it sent is waiting for a buffer") {
    // No more than the kernel here has room for: behind that the end itself waits, until the kernel
    // there gives up.
    REQUIRE(wire.right().send(right, "h", {pattern(5, 20'000)}) == VARVE_OK);
    wire.settle();
  }
  SECTION("it is connecting") {
    for (int i = 0; i < 10; ++i) wire.left().connect(wire.address());
  }
  wire.kill_right();
  wire.run_until([&] { return wire.left().connects_in_flight() == 0 && wire.left().open.empty(); });
  CHECK(wire.left().closed[left] < 0);
  CHECK(wire.left().sends_in_flight() == 0);
  CHECK(wire.left().sends_ok + wire.left().sends_failed == wire.left().sends_accepted);
  check_successor(wire);
}

TEST_CASE("a wire that is cut is noticed on both sides, and used again when it is mended",
          "[.cut]") {
  Wire wire;
  const auto [left, right] = wire.connect();
  const bool busy = GENERATE(false, true);
  wire.settle();
  {
    const Cut cut;
    if (busy) {
      for (int i = 0; i < 20; ++i) {
        wire.left().send(left, "h", {pattern(5, 100'000)});
        wire.right().send(right, "h", {pattern(5, 100'000)});
      }
    }
    wire.run_until([&] { return wire.left().open.empty() && wire.right().open.empty(); });
    CHECK(wire.left().closed[left] == VARVE_E_IO);
    CHECK(wire.right().closed[right] == VARVE_E_IO);
    for (TransportSide* side : {&wire.left(), &wire.right()}) {
      CHECK(side->sends_in_flight() == 0);
      CHECK(side->sends_ok + side->sends_failed == side->sends_accepted);
    }
    const uint64_t op_id = wire.left().connect(wire.address());
    wire.run_until([&] { return wire.left().connected.contains(op_id); });
    CHECK(wire.left().connected[op_id].first == VARVE_E_NOT_FOUND);
  }
  wire.right().post(65536);
  const uint64_t next = connect_again(wire);
  REQUIRE(wire.left().send(next, "mended", {pattern(6, 60'000)}) == VARVE_OK);
  wire.run_until([&] { return !wire.right().received.empty(); });
  CHECK((wire.right().received.front().payload == pattern(6, 60'000)));
}

}  // namespace varve
