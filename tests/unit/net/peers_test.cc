#include "core/net/peers.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/net/peers_fixture.h"

namespace varve {
namespace {

TEST_CASE("a call is answered, on a connection that it makes") {
  TwoNodes nodes;
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 0);
  CHECK(nodes.run(nodes.prepare(7, nodes.in(kSecond))) == ErrorCode::kOk);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 1);
  CHECK(nodes.run(nodes.prepare(8, nodes.in(kSecond))) == ErrorCode::kOk);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 1);
  CHECK(nodes.two.epochs == std::vector<Epoch>{7, 8});
}

}  // namespace
}  // namespace varve
