// Peers that are there for the kernel, and for nobody else.
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "tests/conformance/transport/raw_peer.h"
#include "tests/conformance/transport/wire.h"

namespace varve {

TEST_CASE("a peer that takes nothing is given up after the user timeout") {
  Wire wire(Wire::Options{{"user_timeout_ms", "300"}});
  RawPeer peer(wire.address());
  wire.run_until([&] { return wire.right().accepted.size() == 1; });
  const uint64_t connection = wire.right().accepted.front();
  const std::string payload = pattern(1, 100'000);
  while (wire.right().send(connection, "h", {payload}) == VARVE_OK) {
    if (wire.right().sends_accepted % 50 == 0) wire.settle();
  }
  REQUIRE(wire.right().sends_in_flight() > 0);
  wire.run_until([&] { return wire.right().closed.contains(connection); });
  CHECK(wire.right().closed[connection] == VARVE_E_IO);
  CHECK(wire.right().sends_in_flight() == 0);
  CHECK(wire.right().sends_failed > 0);
}

TEST_CASE("a peer that does not answer a connect is given up after the connect timeout") {
  Wire wire(Wire::Options{{"connect_timeout_ms", "150"}});
  // Nobody accepts; when the backlog is full the kernel lets connects go unanswered.
  RawPeer silent;
  std::vector<uint64_t> op_ids;
  for (int i = 0; i < 6; ++i) op_ids.push_back(wire.left().connect(silent.address()));
  wire.run_until([&] { return wire.left().connected.size() == op_ids.size(); });
  size_t given_up = 0;
  for (const uint64_t op_id : op_ids) {
    if (wire.left().connected[op_id].first == VARVE_E_NOT_FOUND) ++given_up;
  }
  CHECK(given_up >= 3);
  CHECK(given_up < op_ids.size());
}

TEST_CASE("connects on their way end with their context") {
  const size_t before = open_descriptors();
  {
    RawPeer silent;
    Wire wire;
    for (int i = 0; i < 6; ++i) wire.left().connect(silent.address());
    wire.left().poll();
  }
  CHECK(open_descriptors() == before);
}

}  // namespace varve
