#include <catch2/catch_test_macros.hpp>

#include "core/net/limits.h"
#include "core/net/peers.h"
#include "tests/unit/net/peers_fixture.h"
#include "tests/unit/net/raw_peer.h"

namespace varve {
namespace {

// A node, and somebody raw who has connected to it.
struct NodeAndRaw {
  NodeAndRaw() : loop(3), network(loop), node(network, 1), raw(network) { connect(); }
  ~NodeAndRaw() {
    node.stop();
    loop.drain();
  }
  void connect() {
    REQUIRE(raw.transport.connect(node.address.front().address, 1).ok());
    pass();
  }
  void pass(uint64_t ns = 20 * kFakeDelayNs) {
    bool over = false;
    loop.schedule(ns, [&over] { over = true; });
    while (!over) REQUIRE(loop.step());
  }
  bool closed() {
    pass();
    return !raw.closed_connections.empty() && raw.closed_connections.back() == raw.connection;
  }
  void greet() {
    raw.hello(NodeId{2}, kCluster);
    pass();
    REQUIRE(raw.last().status == ErrorCode::kOk);
  }

  SimLoop loop;
  FakeNetwork network;
  TestNode node;
  RawPeer raw;
};

TEST_CASE("Hello is answered, then requests are") {
  NodeAndRaw nodes;
  nodes.greet();
  CHECK(load_body<HelloReply>(nodes.raw.last().body).node == NodeId{1});
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 4}, false, 99);
  CHECK(!nodes.closed());
  CHECK(nodes.raw.last().request_id == 99);
  CHECK(load_body<PrepareReply>(nodes.raw.last().body).epoch == 4);
}

TEST_CASE("who is not of this cluster is told so, and nothing of it is handed over") {
  NodeAndRaw nodes;
  Uuid other = kCluster;
  NodeId node{2};
  SECTION("another cluster") {
    other[15] = std::byte{9};
  }
  SECTION("a node with this one's number") {
    node = NodeId{1};
  }
  SECTION("a node without a number") {
    node = NodeId{0};
  }
  nodes.raw.hello(node, other);
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{}, false, 1);
  CHECK(!nodes.closed());
  CHECK(nodes.raw.last().status == ErrorCode::kInvalidArgument);
  CHECK(nodes.raw.headers.size() == 1);
  nodes.pass(kHelloNs);
  CHECK(nodes.closed());
  CHECK(nodes.node.seen.empty());
}

TEST_CASE("another version of the protocol is told this one's") {
  NodeAndRaw nodes;
  MessageBytes bytes;
  const HelloRequest hello{.cluster = kCluster, .node = NodeId{2}};
  const size_t size =
      encode_message({.type = MessageType::kHello, .body = body_bytes(hello)}, bytes);
  bytes[4] = std::byte{kProtocolVersion + 1};
  nodes.raw.send_bytes(std::span(bytes).first(size));
  CHECK(!nodes.closed());
  CHECK(nodes.raw.last().status == ErrorCode::kUnsupported);
  nodes.pass(kHelloNs);
  CHECK(nodes.closed());
}

TEST_CASE("bad input closes the connection, and nothing of it is handed over") {
  NodeAndRaw nodes;
  const std::vector<std::byte> block(4100);
  SECTION("before Hello") {
    SECTION("a request") {
      nodes.raw.send(MessageType::kPrepare, PrepareRequest{});
    }
    SECTION("a reply") {
      nodes.raw.send(MessageType::kHello, HelloReply{}, true);
    }
    SECTION("noise") {
      nodes.raw.send_bytes(block.size() > 9 ? std::span(block).first(9) : block);
    }
    SECTION("a payload") {
      nodes.raw.send(MessageType::kHello, HelloRequest{.cluster = kCluster, .node = NodeId{2}},
                     false, 0, block);
    }
    SECTION("nothing at all") {
      nodes.pass(kHelloNs + kMillisecond);
    }
  }
  SECTION("after Hello") {
    nodes.greet();
    SECTION("noise") {
      nodes.raw.send_bytes(std::span(block).first(200));
    }
    SECTION("a second Hello") {
      nodes.raw.hello(NodeId{2}, kCluster);
    }
    SECTION("a reply to nothing") {
      nodes.raw.send(MessageType::kPrepare, PrepareReply{}, true, 1);
    }
    SECTION("a payload that is too short") {
      nodes.raw.send(MessageType::kReplicate, ReplicateRequest{.block_count = 2}, false, 1, block);
    }
    SECTION("a payload where none belongs") {
      nodes.raw.send(MessageType::kPrepare, PrepareRequest{}, false, 1, block);
    }
    SECTION("too many blocks") {
      nodes.raw.send(MessageType::kReplicate, ReplicateRequest{.block_count = 257}, false, 1);
    }
  }
  CHECK(nodes.closed());
  CHECK(nodes.node.seen.empty());
  CHECK(nodes.node.transport->posted_count() == 6);
}

TEST_CASE("more requests at a time than allowed close the connection") {
  NodeAndRaw nodes;
  nodes.greet();
  nodes.node.keep = true;
  for (uint32_t i = 0; i < kRequestsOfTypeMax; ++i)
    nodes.raw.send(MessageType::kPrepare, PrepareRequest{}, false, i + 1);
  nodes.pass(kSecond);
  CHECK(!nodes.closed());
  CHECK(nodes.node.kept.size() == kRequestsOfTypeMax);
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{}, false, 1000);
  CHECK(nodes.closed());
  CHECK(nodes.node.kept.size() == kRequestsOfTypeMax);
}

TEST_CASE("so many connections without a Hello are allowed, and no more") {
  NodeAndRaw nodes;
  for (uint32_t i = 1; i < kStrangersMax; ++i) nodes.connect();
  CHECK(nodes.raw.closed_connections.empty());
  nodes.connect();
  CHECK(nodes.closed());
  CHECK(nodes.raw.closed_connections.size() == 1);
  nodes.pass(kHelloNs);
  nodes.pass();
  CHECK(nodes.raw.closed_connections.size() == kStrangersMax + 1);
}

TEST_CASE("a newer connection of a node closes the older before its first request") {
  NodeAndRaw nodes;
  nodes.greet();
  const ConnectionId older = nodes.raw.connection;
  nodes.connect();
  const ConnectionId newer = nodes.raw.connection;
  CHECK(nodes.raw.closed_connections.empty());
  nodes.raw.hello(NodeId{2}, kCluster, 1);
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 2}, false, 1);
  nodes.raw.connection = older;
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 1}, false, 1);
  nodes.pass();
  CHECK(nodes.raw.closed_connections == std::vector{older});
  CHECK((nodes.node.epochs == std::vector<Epoch>{2} ||
         nodes.node.epochs == std::vector<Epoch>{1, 2}));
  nodes.raw.connection = newer;
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 3}, false, 2);
  CHECK(!nodes.closed());
  CHECK(nodes.node.epochs.back() == 3);
}

TEST_CASE(
    "a newer connection of a node that asks nothing leaves the older, and no more than a few") {
  NodeAndRaw nodes;
  nodes.greet();
  std::vector<ConnectionId> connections = {nodes.raw.connection};
  for (size_t i = 1; i < kConnectionsOfNodeMax; ++i) {
    nodes.connect();
    nodes.greet();
    connections.push_back(nodes.raw.connection);
  }
  nodes.raw.connection = connections[0];
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 1}, false, 1);
  nodes.pass();
  CHECK(nodes.node.epochs == std::vector<Epoch>{1});
  CHECK(nodes.raw.closed_connections.empty());
  SECTION("one more: the one that asks is not the one that goes") {
    nodes.connect();
    nodes.greet();
    nodes.pass();
    CHECK(nodes.raw.closed_connections == std::vector{connections[1]});
  }
  SECTION("one that asks") {
    nodes.raw.connection = connections[2];
    nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 2}, false, 1);
    nodes.pass();
    CHECK(nodes.raw.closed_connections == std::vector{connections[0], connections[1]});
    nodes.raw.connection = connections[3];
    nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 3}, false, 1);
    nodes.pass();
    CHECK(nodes.raw.closed_connections ==
          std::vector{connections[0], connections[1], connections[2]});
    CHECK(nodes.node.epochs == std::vector<Epoch>{1, 2, 3});
  }
}

TEST_CASE("what an older connection has brought and is not handed over yet is dropped") {
  NodeAndRaw nodes;
  nodes.greet();
  const ConnectionId older = nodes.raw.connection;
  nodes.connect();
  const ConnectionId newer = nodes.raw.connection;
  nodes.network.stalled = true;
  nodes.raw.connection = older;
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 1}, false, 1);
  nodes.raw.connection = newer;
  nodes.raw.hello(NodeId{2}, kCluster, 1);
  nodes.raw.send(MessageType::kPrepare, PrepareRequest{.epoch = 2}, false, 1);
  nodes.network.resume_at_once();
  nodes.pass();
  CHECK(nodes.raw.closed_connections == std::vector{older});
  CHECK(nodes.node.epochs == std::vector<Epoch>{2});
}

// A node that calls somebody raw.
struct NodeCallsRaw : NodeAndRaw {
  NodeCallsRaw() : calls(loop.ready()) {
    CHECK(*raw.transport.listen("raw") == "raw");
    node.peers->set_address(NodeId{2}, {{"fake", "raw"}});
  }
  ~NodeCallsRaw() { node.stop(); }
  void call(uint64_t deadline_ns) { calls.start(run(deadline_ns)); }
  Task<void> run(uint64_t deadline_ns) {
    const PrepareRequest request{.epoch = 4};
    const Slices nothing;
    const auto reply =
        co_await node.peers->call<PrepareReply>(NodeId{2}, request, nothing, deadline_ns);
    results.push_back(reply.code());
  }
  uint64_t in(uint64_t ns) const { return loop.monotonic_ns() + ns; }

  TaskGroup calls;
  std::vector<ErrorCode> results;
};

TEST_CASE("replies that answer nothing, or not what was asked, close the connection") {
  NodeCallsRaw nodes;
  nodes.call(nodes.in(kSecond));
  nodes.pass();
  REQUIRE(nodes.raw.last().type == MessageType::kPrepare);
  const uint64_t id = nodes.raw.last().request_id;
  const std::vector<std::byte> block(4100);
  SECTION("an unknown number") {
    nodes.raw.send(MessageType::kPrepare, PrepareReply{}, true, 77);
  }
  SECTION("another type") {
    nodes.raw.send(MessageType::kFence, EmptyReply{}, true, id);
  }
  SECTION("a payload") {
    nodes.raw.send(MessageType::kPrepare, PrepareReply{}, true, id, block);
  }
  SECTION("an error with a payload") {
    nodes.raw.send(MessageType::kPrepare, PrepareReply{}, true, id, block, ErrorCode::kStale);
  }
  SECTION("a request") {
    nodes.raw.send(MessageType::kPrepare, PrepareRequest{}, false, id);
  }
  SECTION("noise") {
    nodes.raw.send_bytes(std::span(block).first(40));
  }
  CHECK(nodes.closed());
  CHECK(nodes.results == std::vector{ErrorCode::kClosed});
  CHECK(nodes.node.transport->posted_count() == 6);
}

TEST_CASE("a reply that comes twice closes the connection") {
  NodeCallsRaw nodes;
  nodes.call(nodes.in(kSecond));
  nodes.pass();
  const uint64_t id = nodes.raw.last().request_id;
  nodes.raw.send(MessageType::kPrepare, PrepareReply{.epoch = 4}, true, id);
  nodes.raw.send(MessageType::kPrepare, PrepareReply{.epoch = 4}, true, id);
  CHECK(nodes.closed());
  CHECK(nodes.results == std::vector{ErrorCode::kOk});
}

TEST_CASE("who answers Hello wrongly is tried again, with pauses, while calls wait") {
  NodeCallsRaw nodes;
  bool answer = true;
  SECTION("another node") {
    nodes.raw.node = NodeId{3};
  }
  SECTION("in another version") {
    nodes.raw.version = kProtocolVersion + 1;
  }
  SECTION("not at all") {
    nodes.raw.answers_hello = false;
    answer = false;
  }
  nodes.call(nodes.in(7 * kSecond));
  nodes.pass(6 * kSecond);
  CHECK(nodes.results.empty());
  // At 0, 50, 150, 350, 750, 1550, 2550 ..., or each 2 s and a pause later.
  CHECK(nodes.raw.accepted_count == (answer ? 10 : 3));
  CHECK(nodes.node.peers->connection_number(NodeId{2}) == 0);
  nodes.raw.node = NodeId{2};
  nodes.raw.version = kProtocolVersion;
  nodes.raw.answers_hello = true;
  nodes.pass(kSecond - kSecond / 10);
  CHECK(nodes.raw.last().type == MessageType::kPrepare);
}

TEST_CASE("who accepts and then closes is not asked without a pause") {
  NodeCallsRaw nodes;
  for (int i = 0; i < 50; ++i) {
    nodes.raw.headers.clear();
    nodes.call(nodes.in(20 * kSecond));
    nodes.pass();
    if (!nodes.raw.headers.empty() && nodes.raw.last().type == MessageType::kPrepare)
      nodes.raw.send(MessageType::kPrepare, PrepareReply{}, true, 1'000'000);
    nodes.pass();
  }
  CHECK(nodes.raw.accepted_count == 1);  // the pause is longer than all this
  CHECK(nodes.results == std::vector{ErrorCode::kClosed});
  nodes.pass(kSecond / 10);
  CHECK(nodes.raw.accepted_count == 2);
}

}  // namespace
}  // namespace varve
