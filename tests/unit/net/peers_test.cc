#include "core/net/peers.h"

#include <catch2/catch_test_macros.hpp>

#include "core/net/limits.h"
#include "tests/unit/net/peers_fixture.h"

namespace varve {
namespace {

constexpr ErrorCode kOk = ErrorCode::kOk;
constexpr ErrorCode kClosed = ErrorCode::kClosed;
constexpr ErrorCode kTimedOut = ErrorCode::kTimedOut;

TEST_CASE("a call is answered, on a connection that it makes") {
  TwoNodes nodes;
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 0);
  CHECK(nodes.run(nodes.prepare(7, nodes.in(kSecond))) == kOk);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 1);
  CHECK(nodes.run(nodes.prepare(8, nodes.in(kSecond))) == kOk);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 1);
  CHECK(nodes.two.peers->connection_number(NodeId{1}) == 0);
  CHECK(nodes.two.epochs == std::vector<Epoch>{7, 8});
}

TEST_CASE("both directions work at the same time") {
  TwoNodes nodes;
  std::vector<ErrorCode> back;
  nodes.start(nodes.prepare(7, nodes.in(kSecond)));
  nodes.calls.start(nodes.prepare_from_two(5, nodes.in(kSecond), &back));
  nodes.pass(kSecond);
  CHECK(nodes.results == std::vector{kOk});
  CHECK(back == std::vector{kOk});
  CHECK(nodes.one.epochs == std::vector<Epoch>{5});
  CHECK(nodes.two.epochs == std::vector<Epoch>{7});
}

TEST_CASE("calls arrive in their order: before there is a connection, on it, and when it is busy") {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    TwoNodes nodes(seed);
    nodes.network.sends_max = 3;
    std::vector<Epoch> expected;
    for (Epoch epoch = 1; epoch <= 100; ++epoch) {
      expected.push_back(epoch);
      nodes.start(nodes.prepare(epoch, nodes.in(kSecond)));
      if (epoch % 10 == 0) nodes.pass(nodes.loop.runtime().random.below(3 * kFakeDelayNs));
    }
    nodes.pass(kSecond);
    CHECK(nodes.two.epochs == expected);
    CHECK(nodes.results == std::vector(100, kOk));
  }
}

TEST_CASE("payloads go there and back, small ones and large ones, and buffers are used again") {
  TwoNodes nodes;
  for (const uint32_t blocks : {1u, 4u, 5u, 256u}) {
    for (int round = 0; round < 10; ++round) {
      const std::byte fill{static_cast<uint8_t>(blocks + round)};
      CHECK(nodes.run(nodes.replicate(blocks, fill, nodes.in(kSecond))) == kOk);
      CHECK(nodes.two.bytes_seen == std::vector(blocks_payload_bytes(blocks), fill));
      CHECK(nodes.run(nodes.read(blocks, nodes.in(kSecond))) == kOk);
    }
  }
  nodes.pass(kSecond);
  CHECK(nodes.one.transport->posted_count() == 6);
  CHECK(nodes.two.transport->posted_count() == 6);
}

TEST_CASE("requests wait in the network when their payloads find no buffer") {
  TwoNodes nodes;
  nodes.two.keep = true;
  for (int i = 0; i < 20; ++i) nodes.start(nodes.replicate(1, std::byte{1}, nodes.in(kSecond)));
  nodes.pass(kSecond / 2);
  CHECK(nodes.two.kept.size() == 6);  // small ones, then large ones
  nodes.two.keep = false;
  nodes.two.answer_kept();
  nodes.pass(kSecond / 4);
  CHECK(nodes.results == std::vector(20, kOk));
}

TEST_CASE("what the peer answers is the result") {
  TwoNodes nodes;
  nodes.two.status = ErrorCode::kStale;
  CHECK(nodes.run(nodes.prepare(7, nodes.in(kSecond))) == ErrorCode::kStale);
  CHECK(nodes.run(nodes.replicate(3, std::byte{3}, nodes.in(kSecond))) == ErrorCode::kStale);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 1);
}

TEST_CASE("a request that is dropped is answered for the handler") {
  TwoNodes nodes;
  nodes.two.keep = true;
  nodes.start(nodes.prepare(7, nodes.in(kSecond)));
  nodes.pass(kSecond / 2);
  REQUIRE(nodes.two.kept.size() == 1);
  nodes.two.kept.clear();
  nodes.pass(kSecond / 4);
  CHECK(nodes.results == std::vector{ErrorCode::kUnknown});
}

TEST_CASE("a node without an address is gone") {
  TwoNodes nodes;
  const PrepareRequest request;
  const auto reply = nodes.loop.run(
      nodes.one.peers->call<PrepareReply>(NodeId{3}, request, {}, nodes.in(kSecond)));
  CHECK(reply->code() == kClosed);
}

TEST_CASE("a call waits for a connection until its time is over") {
  TwoNodes nodes;
  SECTION("refused") {
    nodes.network.refuse_connects = true;
  }
  SECTION("lost") {
    nodes.network.lose_connects = true;
  }
  const uint64_t deadline_ns = nodes.in(3 * kSecond);
  CHECK(nodes.run(nodes.prepare(7, deadline_ns)) == kTimedOut);
  CHECK(nodes.loop.monotonic_ns() == deadline_ns);
  nodes.start(nodes.prepare(8, nodes.in(3 * kSecond)));
  nodes.network.refuse_connects = nodes.network.lose_connects = false;
  nodes.pass(3 * kSecond);
  CHECK(nodes.results == std::vector{kOk});
  CHECK(nodes.two.epochs == std::vector<Epoch>{8});
}

TEST_CASE("connects pause longer and longer, up to a second, and only while somebody calls") {
  TwoNodes nodes;
  nodes.network.refuse_connects = true;
  nodes.start(nodes.prepare(7, nodes.in(10 * kSecond)));
  nodes.pass(1560 * kMillisecond);  // at 0, 50, 150, 350, 750, 1550
  CHECK(nodes.one.transport->connect_count == 6);
  nodes.pass(1000 * kMillisecond);
  CHECK(nodes.one.transport->connect_count == 7);
  nodes.pass(20 * kSecond);
  CHECK(nodes.results == std::vector{kTimedOut});
  const int connect_count = nodes.one.transport->connect_count;
  nodes.pass(20 * kSecond);
  CHECK(nodes.one.transport->connect_count == connect_count);
  nodes.start(nodes.prepare(8, nodes.in(kSecond / 10)));  // the pause is over: at once
  nodes.network.refuse_connects = false;
  nodes.pass(kSecond);
  CHECK(nodes.results == std::vector{kTimedOut, kOk});
}

TEST_CASE("a connection that is made too late is closed") {
  TwoNodes nodes;
  nodes.network.connect_ns = kConnectNs + kSecond;
  nodes.start(nodes.prepare(7, nodes.in(kConnectNs + kSecond / 2)));
  nodes.pass(kConnectNs + kSecond - kMillisecond);
  CHECK(nodes.results == std::vector{kTimedOut});
  nodes.network.connect_ns = kFakeDelayNs;
  nodes.pass(2 * kMillisecond);
  CHECK(nodes.one.transport->connection_count() == 0);
  CHECK(nodes.run(nodes.prepare(8, nodes.in(2 * kSecond))) == kOk);
  nodes.pass(3 * kSecond);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 1);
  CHECK(nodes.one.transport->connection_count() == 1);
}

TEST_CASE("after a connection that had worked there is no pause") {
  TwoNodes nodes;
  for (int i = 0; i < 5; ++i) {
    CHECK(nodes.run(nodes.prepare(7, nodes.in(6 * kFakeDelayNs))) == kOk);
    nodes.network.cut_all();
    nodes.pass(kFakeDelayNs);
  }
}

TEST_CASE("calls go on when a busy connection is writable, though nothing is answered") {
  TwoNodes nodes;
  nodes.two.keep = true;
  nodes.network.sends_max = 3;
  for (int i = 0; i < 20; ++i) nodes.start(nodes.prepare(7, nodes.in(kSecond)));
  nodes.pass(kSecond / 2);
  CHECK(nodes.two.kept.size() == 20);
}

TEST_CASE("replies that wait for a busy connection go on, or end with it") {
  TwoNodes nodes;
  nodes.two.keep = true;
  for (int i = 0; i < 20; ++i) nodes.start(nodes.read(1, nodes.in(5 * kSecond)));
  nodes.pass(kSecond / 2);
  nodes.network.sends_max = 3;
  SECTION("go on") {
    nodes.two.answer_kept();
    nodes.pass(kSecond / 2);
    CHECK(nodes.results == std::vector(20, kOk));
  }
  SECTION("end") {
    nodes.network.stalled = true;
    nodes.two.answer_kept();
    nodes.pass(kSecond / 2);
    CHECK(nodes.two.answers.running() == 20);
    nodes.network.cut_all();
    nodes.pass(kFakeDelayNs);
    CHECK(nodes.results == std::vector(20, kClosed));
  }
  CHECK(nodes.two.answers.running() == 0);
}

TEST_CASE("a new address is tried at once") {
  TwoNodes nodes;
  nodes.one.peers->set_address(NodeId{2}, {{"fake", "nowhere"}});
  nodes.start(nodes.prepare(7, nodes.in(10 * kSecond)));
  nodes.pass(1600 * kMillisecond);
  nodes.one.peers->set_address(NodeId{2}, nodes.two.address);
  nodes.pass(10 * kFakeDelayNs);
  CHECK(nodes.results == std::vector{kOk});
}

TEST_CASE("a node whose certificate is that of another is refused, whoever dials") {
  {
    TwoNodes nodes;
    nodes.one.peers->set_address(NodeId{2}, nodes.two.address, "n2");
    nodes.two.peers->set_address(NodeId{1}, nodes.one.address, "n1");
    nodes.one.transport->proven = "n2";
    nodes.two.transport->proven = "n1";
    CHECK(nodes.run(nodes.prepare(7, nodes.in(kSecond))) == kOk);
  }
  for (const bool dialed_is_wrong : {true, false}) {
    TwoNodes nodes;
    nodes.one.peers->set_address(NodeId{2}, nodes.two.address, "n2");
    nodes.two.peers->set_address(NodeId{1}, nodes.one.address, "n1");
    nodes.one.transport->proven = dialed_is_wrong ? "n3" : "n2";
    nodes.two.transport->proven = dialed_is_wrong ? "n1" : "n3";
    CHECK(nodes.run(nodes.prepare(7, nodes.in(kSecond))) == kTimedOut);
    CHECK(nodes.two.seen.empty());
  }
}

TEST_CASE("a node that is not registered yet is let in when it is") {
  TwoNodes nodes;
  nodes.two.transport->proven = "n1";
  nodes.two.peers->set_address(NodeId{1}, nodes.one.address);  // no name
  nodes.start(nodes.prepare(7, nodes.in(20 * kSecond)));
  nodes.pass(kSecond);
  CHECK(nodes.results.empty());
  nodes.two.peers->set_address(NodeId{1}, nodes.one.address, "n1");
  nodes.pass(2 * kSecond);
  CHECK(nodes.results == std::vector{kOk});
}

TEST_CASE("a late reply is dropped, and the connection stays") {
  TwoNodes nodes;
  nodes.two.keep = true;
  CHECK(nodes.run(nodes.prepare(7, nodes.in(kSecond / 10))) == kTimedOut);
  CHECK(nodes.run(nodes.read(4, nodes.in(kSecond / 10))) == kTimedOut);
  nodes.two.keep = false;
  nodes.two.answer_kept();
  CHECK(nodes.run(nodes.prepare(8, nodes.in(kSecond))) == kOk);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 1);
  CHECK(nodes.one.transport->posted_count() == 6);
}

TEST_CASE("everything on a lost connection ends, and the next call makes a new one") {
  TwoNodes nodes;
  nodes.two.keep = true;
  nodes.network.sends_max = 3;
  for (int i = 0; i < 300; ++i) nodes.start(nodes.prepare(7, nodes.in(kSecond)));
  nodes.pass(kSecond / 10);
  CHECK(nodes.results.empty());
  nodes.network.cut_all();
  nodes.pass(kFakeDelayNs);
  CHECK(nodes.results == std::vector(300, kClosed));
  nodes.two.keep = false;
  CHECK(nodes.run(nodes.prepare(8, nodes.in(kSecond))) == kOk);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 2);
  nodes.two.answer_kept();  // to a connection that is gone
  nodes.pass(kSecond);
  CHECK(nodes.run(nodes.prepare(9, nodes.in(kSecond))) == kOk);
}

TEST_CASE("connections are lost again and again, and every call comes to its end") {
  for (uint64_t seed = 1; seed < 30; ++seed) {
    TwoNodes nodes(seed);
    Random& random = nodes.loop.runtime().random;
    nodes.network.sends_max = 1 + random.below(5);
    for (int i = 0; i < 100; ++i) {
      const uint64_t deadline_ns = nodes.in(random.below(kSecond));
      const auto blocks = static_cast<uint32_t>(1 + random.below(8));
      if (random.chance(1, 2))
        nodes.start(nodes.replicate(blocks, std::byte{9}, deadline_ns));
      else
        nodes.start(nodes.read(blocks, deadline_ns));
      nodes.pass(random.below(5 * kFakeDelayNs));
      if (random.chance(1, 8)) nodes.network.cut_all();
    }
    nodes.pass(3 * kSecond);
    CHECK(nodes.results.size() == 100);
    CHECK(nodes.run(nodes.read(1, nodes.in(2 * kSecond))) == kOk);
    CHECK(nodes.one.transport->posted_count() == 6);
    CHECK(nodes.two.transport->posted_count() == 6);
  }
}

TEST_CASE("unanswered requests are bounded by type; another type goes ahead") {
  TwoNodes nodes;
  nodes.two.keep = true;
  for (Epoch epoch = 0; epoch < 300; ++epoch)
    nodes.start(nodes.prepare(epoch, nodes.in(2 * kSecond)));
  nodes.start(nodes.read(1, nodes.in(2 * kSecond)));
  nodes.pass(kSecond);
  CHECK(nodes.two.epochs.size() == kRequestsOfTypeMax);
  CHECK(nodes.two.seen.back() == MessageType::kIo);
  nodes.two.keep = false;
  nodes.two.answer_kept();
  nodes.pass(kSecond / 2);
  CHECK(nodes.results == std::vector(301, kOk));
  CHECK(nodes.two.epochs.size() == 300);
}

TEST_CASE("a payload that does not leave in time costs the connection, not the caller's memory") {
  TwoNodes nodes;
  CHECK(nodes.run(nodes.prepare(7, nodes.in(kSecond))) == kOk);
  nodes.network.stalled = true;
  nodes.start(nodes.prepare(8, nodes.in(kSecond)));
  nodes.start(nodes.replicate(4, std::byte{4}, nodes.in(kSecond)));
  nodes.pass(kSecond + kMillisecond);
  CHECK(nodes.results == std::vector{kTimedOut});  // the one whose memory is free
  nodes.pass(kSendGraceNs);
  CHECK(nodes.results == std::vector{kTimedOut, kTimedOut});
  nodes.network.resume();
  CHECK(nodes.run(nodes.prepare(9, nodes.in(kSecond))) == kOk);
  CHECK(nodes.one.peers->connection_number(NodeId{2}) == 2);
}

TEST_CASE("a peer that takes no replies loses its connection") {
  TwoNodes nodes;
  nodes.two.keep = true;
  nodes.start(nodes.read(4, nodes.in(60 * kSecond)));
  nodes.pass(kSecond);
  nodes.network.stalled = true;
  nodes.two.answer_kept();
  nodes.pass(kReplySendNs - kMillisecond);
  CHECK(nodes.results.empty());
  CHECK(nodes.two.answers.running() == 1);
  nodes.pass(2 * kMillisecond);
  CHECK(nodes.results == std::vector{kClosed});
  CHECK(nodes.two.answers.running() == 0);
}

TEST_CASE("stop ends what is on its way, in every state") {
  TwoNodes nodes;
  nodes.two.keep = true;
  SECTION("before anything") {}
  SECTION("while connecting") {
    nodes.network.lose_connects = true;
    nodes.start(nodes.replicate(3, std::byte{1}, nodes.in(kSecond)));
    nodes.pass(kSecond / 2);
  }
  SECTION("in a pause") {
    nodes.network.refuse_connects = true;
    nodes.start(nodes.replicate(3, std::byte{1}, nodes.in(kSecond)));
    nodes.pass(kSecond / 2);
  }
  SECTION("while greeting") {
    nodes.start(nodes.replicate(3, std::byte{1}, nodes.in(kSecond)));
    nodes.pass(kFakeDelayNs + kFakeDelayNs / 2);
  }
  SECTION("with calls and payloads on their way") {
    for (int i = 0; i < 20; ++i) nodes.start(nodes.replicate(3, std::byte{1}, nodes.in(kSecond)));
    nodes.pass(kSecond / 2);
  }
  SECTION("at the other side, with replies on their way") {
    for (int i = 0; i < 4; ++i) nodes.start(nodes.read(3, nodes.in(kSecond)));
    nodes.pass(kSecond / 2);
    nodes.network.stalled = true;
    nodes.two.answer_kept();
    nodes.pass(kSecond / 4);
    nodes.two.stop();
    nodes.pass(kSecond / 8);
    CHECK(nodes.results == std::vector(4, kClosed));
  }
  nodes.one.stop_only();
  for (const ErrorCode result : nodes.results) CHECK(result == kClosed);
  CHECK(nodes.calls.running() == 0);
  CHECK(nodes.run(nodes.prepare(1, nodes.in(kSecond))) == kClosed);
}

TEST_CASE("a payload may be dropped after the stop, and is not posted again") {
  TwoNodes nodes;
  nodes.two.keep = true;
  nodes.start(nodes.replicate(3, std::byte{1}, nodes.in(kSecond)));
  nodes.pass(kSecond / 2);
  nodes.two.stop_only();
  CHECK(nodes.two.kept.size() == 1);
  nodes.two.kept.clear();
  CHECK(nodes.two.transport->posted_count() == 5);
}

}  // namespace
}  // namespace varve
