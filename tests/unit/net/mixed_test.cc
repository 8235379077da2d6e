// Nodes with several transports: which one carries the calls, and when it becomes another.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "core/net/limits.h"
#include "tests/unit/net/peers_fixture.h"

namespace varve {
namespace {

constexpr ErrorCode kOk = ErrorCode::kOk;
constexpr ErrorCode kClosed = ErrorCode::kClosed;

// Two networks; each node has the transports that it is given, most wanted first. One calls two.
struct MixedNodes {
  explicit MixedNodes(const std::string& ones = "fast slow", const std::string& twos = "fast slow",
                      uint64_t seed = 1)
      : loop(seed), fast(loop), slow(loop), calls(loop.ready()), ones_(ones), twos_(twos) {}
  ~MixedNodes() {
    one->stop();
    two->stop();
    loop.drain();
  }

  TestNode::Networks networks(const std::string& names) {
    TestNode::Networks networks;
    for (const char* name : {"fast", "slow"})
      if (names.find(name) != std::string::npos)
        networks.emplace_back(name, std::string(name) == "fast" ? &fast : &slow);
    if (names.starts_with("slow") && networks.size() == 2) std::swap(networks[0], networks[1]);
    return networks;
  }
  void begin() {
    one.emplace(networks(ones_), 1);
    two.emplace(networks(twos_), 2);
    introduce();
  }
  void introduce() {
    one->peers->set_address(NodeId{2}, two->address);
    two->peers->set_address(NodeId{1}, one->address);
  }
  // Two is there again with other transports.
  void replace_two(const std::string& names) {
    two->stop();
    two.reset();
    two.emplace(networks(names), 2, 2);
    introduce();
  }
  PeerConnection connection() const { return one->peers->connection(NodeId{2}); }
  uint64_t in(uint64_t ns) const { return loop.monotonic_ns() + ns; }

  Task<void> prepare(Epoch epoch, uint64_t deadline_ns, std::vector<ErrorCode>* into) {
    const PrepareRequest request{.epoch = epoch};
    const Slices nothing;
    const auto reply =
        co_await one->peers->call<PrepareReply>(NodeId{2}, request, nothing, deadline_ns);
    into->push_back(reply.code());
  }
  Task<void> write(uint32_t blocks, uint64_t deadline_ns, std::vector<ErrorCode>* into) {
    const std::vector<std::byte> data(blocks_payload_bytes(blocks), std::byte{1});
    const std::span<const std::byte> slice = data;
    const ReplicateRequest request{.block_count = blocks};
    const Slices slices(&slice, 1);
    const auto reply =
        co_await one->peers->call<EmptyReply>(NodeId{2}, request, slices, deadline_ns);
    into->push_back(reply.code());
  }
  Task<void> read(uint32_t blocks, uint64_t deadline_ns, std::vector<ErrorCode>* into) {
    const IoWireRequest request{.block_count = blocks, .kind = IoKind::kRead};
    const Slices nothing;
    const auto reply =
        co_await one->peers->call<IoWireReply>(NodeId{2}, request, nothing, deadline_ns);
    into->push_back(reply.code());
  }
  // A long message there, or back.
  ErrorCode call_long(bool there, uint32_t blocks = 16) {
    std::vector<ErrorCode> result;
    const uint64_t deadline_ns = in(kSecond);
    calls.start(there ? write(blocks, deadline_ns, &result) : read(blocks, deadline_ns, &result));
    while (result.empty()) REQUIRE(loop.step());
    return result.front();
  }
  void start(Epoch epoch, uint64_t ns) { calls.start(prepare(epoch, in(ns), &results)); }
  ErrorCode call(uint64_t ns = kSecond) {
    results.clear();
    start(7, ns);
    while (results.empty()) REQUIRE(loop.step());
    return results.front();
  }
  void pass(uint64_t ns) {
    bool over = false;
    loop.schedule(ns, [&over] { over = true; });
    while (!over) REQUIRE(loop.step());
  }

  SimLoop loop;
  FakeNetwork fast;
  FakeNetwork slow;
  std::optional<TestNode> one;
  std::optional<TestNode> two;
  TaskGroup calls;
  std::vector<ErrorCode> results;

 private:
  const std::string ones_;
  const std::string twos_;
};

}  // namespace

TEST_CASE("addresses stand in a node's record in order, and an old record has one without a name") {
  const std::vector<PeerAddress> two = {{"fast", "[fd00::1]:7071"}, {"slow", "10.0.0.1:7071"}};
  CHECK(peer_addresses_text(two) == "fast=[fd00::1]:7071 slow=10.0.0.1:7071");
  CHECK(parse_peer_addresses(peer_addresses_text(two)) == two);
  CHECK(parse_peer_addresses("10.0.0.1:7071") == std::vector<PeerAddress>{{"", "10.0.0.1:7071"}});
  CHECK(parse_peer_addresses("").empty());
  CHECK(parse_peer_addresses("  a=b=c  = d") ==
        std::vector<PeerAddress>{{"a", "b=c"}, {"", ""}, {"", "d"}});
}

TEST_CASE("the first transport of the caller's list that both nodes have carries the calls") {
  struct {
    const char* ones;
    const char* twos;
    const char* used;
    const char* fallback;
  } const rows[] = {
      {"fast slow", "fast slow", "fast", ""},
      {"slow fast", "fast slow", "slow", ""},
      {"fast slow", "slow fast", "fast", ""},
      {"fast slow", "slow", "slow", "fast: the other node does not use it"},
      {"slow", "fast slow", "slow", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.ones, row.twos);
    MixedNodes nodes(row.ones, row.twos);
    nodes.begin();
    CHECK(nodes.connection().transport.empty());
    CHECK(nodes.call() == kOk);
    CHECK(nodes.connection().transport == row.used);
    CHECK(nodes.connection().fallback == row.fallback);
    CHECK(nodes.connection().fallback_count == 0);
    nodes.pass(200 * kSecond);
    CHECK(nodes.one->peers->connection_number(NodeId{2}) == 1);
  }
}

TEST_CASE("without a transport in common a call ends at once, and it is said why") {
  MixedNodes nodes("fast", "slow");
  nodes.begin();
  CHECK(nodes.call() == kClosed);
  CHECK(nodes.connection().problem == "no transport in common: it has slow, this node has fast");
  CHECK(nodes.one->transport->connect_count == 0);
  nodes.replace_two("slow fast");
  CHECK(nodes.call() == kOk);
  CHECK(nodes.connection().problem.empty());
}

TEST_CASE("an address whose transport is not known is tried on each") {
  MixedNodes nodes("fast slow", "slow");
  nodes.begin();
  nodes.one->peers->set_address(NodeId{2}, {{"", nodes.two->address.front().address}});
  CHECK(nodes.call() == kOk);
  CHECK(nodes.connection().transport == "slow");
  CHECK(nodes.connection().fallback == "fast: no connection: unavailable");
}

TEST_CASE("a transport that cannot listen is not used, and the others are") {
  MixedNodes nodes;
  nodes.fast.refuse_listen = true;
  nodes.begin();
  CHECK(nodes.one->address == std::vector<PeerAddress>{{"slow", "node1"}});
  CHECK(nodes.call() == kOk);
  CHECK(nodes.connection().transport == "slow");
  CHECK(nodes.connection().fallback == "fast: no device has the address node1");
  CHECK(nodes.one->transports[0]->connect_count == 0);
}

TEST_CASE("what cannot connect is passed over at once, what is silent after a while") {
  MixedNodes nodes;
  nodes.begin();
  SECTION("refused") {
    nodes.fast.refuse_connects = true;
    CHECK(nodes.call(10 * kFakeDelayNs) == kOk);
    CHECK(nodes.connection().fallback == "fast: no connection: unavailable");
  }
  SECTION("silent") {
    nodes.fast.lose_connects = true;
    CHECK(nodes.call(kConnectNs + 10 * kFakeDelayNs) == kOk);
    CHECK(nodes.connection().fallback == "fast: no connection in time");
  }
  SECTION("connects and then says nothing") {
    nodes.fast.stalled = true;
    CHECK(nodes.call(kConnectNs + 10 * kFakeDelayNs) == kOk);
    CHECK(nodes.connection().fallback == "fast: no answer to Hello in time");
    nodes.fast.resume();
  }
  CHECK(nodes.connection().transport == "slow");
  CHECK(nodes.connection().address == "node2");
  CHECK(nodes.connection().fallback_count == 1);
}

TEST_CASE("a connection that is lost and cannot be renewed is replaced by one on the next") {
  MixedNodes nodes;
  nodes.begin();
  CHECK(nodes.call() == kOk);
  nodes.fast.refuse_connects = true;
  nodes.fast.cut_all();
  nodes.pass(kMillisecond);
  CHECK(nodes.call(10 * kFakeDelayNs) == kOk);
  CHECK(nodes.connection().transport == "slow");
  // That one is lost, too: what failed is not waited for again.
  nodes.fast.refuse_connects = false;
  nodes.fast.lose_connects = true;
  nodes.slow.cut_all();
  nodes.pass(kMillisecond);
  CHECK(nodes.call(10 * kFakeDelayNs) == kOk);
  CHECK(nodes.connection().transport == "slow");
  CHECK(nodes.connection().fallback_count == 2);
}

TEST_CASE("one that is lost and can be renewed stays") {
  MixedNodes nodes;
  nodes.begin();
  for (int i = 0; i < 5; ++i) {
    CHECK(nodes.call() == kOk);
    nodes.fast.cut_all();
    nodes.pass(kMillisecond);
  }
  CHECK(nodes.call() == kOk);
  CHECK(nodes.connection().transport == "fast");
  CHECK(nodes.one->transports[1]->connect_count == 0);
}

TEST_CASE("who takes connections and drops them is left for the next") {
  MixedNodes nodes;
  nodes.begin();
  nodes.two->keep = true;
  nodes.start(1, kSecond);
  nodes.pass(kMillisecond);
  nodes.fast.cut_all();  // before any answer
  nodes.pass(kMillisecond);
  CHECK(nodes.results == std::vector{kClosed});
  nodes.two->kept.clear();
  nodes.two->keep = false;
  CHECK(nodes.call() == kOk);
  CHECK(nodes.connection().transport == "slow");
  nodes.pass(3 * kSecond);
  CHECK(nodes.connection().transport == "fast");
}

TEST_CASE("a transport that carries short messages and loses long ones is left for the next") {
  MixedNodes nodes;
  nodes.begin();
  nodes.fast.payload_max = 4 * kBlockBytes;
  for (uint32_t i = 0; i < kLostLongMax; ++i) {
    CHECK(nodes.call() == kOk);
    CHECK(nodes.call_long(true, 1) == kOk);
    CHECK(nodes.connection().transport == "fast");
    CHECK(nodes.call_long(true) == ErrorCode::kTimedOut);
    nodes.pass(kSendGraceNs + kMillisecond);
  }
  CHECK(nodes.call_long(true) == kOk);
  CHECK(nodes.call_long(false) == kOk);
  CHECK(nodes.connection().fallback == "fast: it carries short messages and loses long ones");
  // Nobody is sent there again to find out, for a good while.
  nodes.pass(kLeftAloneNs - 20 * kSecond);
  CHECK(nodes.connection().transport == "slow");
  // Then one connection tells.
  nodes.pass(kBetterPauseMaxNs + 20 * kSecond);
  CHECK(nodes.connection().transport == "fast");
  CHECK(nodes.call() == kOk);
  CHECK(nodes.call_long(true) == ErrorCode::kTimedOut);
  nodes.pass(kSendGraceNs + kMillisecond);
  CHECK(nodes.call() == kOk);
  CHECK(nodes.connection().transport == "slow");
  nodes.fast.payload_max = SIZE_MAX;
  nodes.pass(kLeftAloneNs + kBetterPauseMaxNs);
  CHECK(nodes.call_long(true) == kOk);
  CHECK(nodes.connection().transport == "fast");
}

TEST_CASE("a connection on which no reply comes any more is given up, and left for the next") {
  MixedNodes nodes;
  nodes.begin();
  CHECK(nodes.call() == kOk);
  nodes.pass(2 * kSilentNs);  // nothing is due
  nodes.fast.stalled = true;  // sends and connects go on
  for (uint64_t i = 0; i < kSilentNs / kSecond; ++i) {
    CHECK(nodes.connection().transport == "fast");
    CHECK(nodes.call() == ErrorCode::kTimedOut);
  }
  CHECK(nodes.call(kConnectNs + kMillisecond) == kOk);
  CHECK(nodes.connection().transport == "slow");
  CHECK(nodes.connection().fallback == "fast: no answer to Hello in time");
  nodes.fast.resume();
}

TEST_CASE("a transport that loses long replies is left, too") {
  MixedNodes nodes;
  nodes.begin();
  nodes.fast.payload_max = 4 * kBlockBytes;
  for (uint32_t i = 0; i < kLostLongMax; ++i) {
    CHECK(nodes.call() == kOk);
    CHECK(nodes.connection().transport == "fast");
    CHECK(nodes.call_long(false) == ErrorCode::kTimedOut);
    while (nodes.call() == ErrorCode::kTimedOut) REQUIRE(nodes.in(0) < 60 * kSecond);
  }
  CHECK(nodes.call_long(false) == kOk);
  CHECK(nodes.connection().transport == "slow");
}

TEST_CASE("slow answers, and late ones, are no silence") {
  MixedNodes nodes;
  nodes.begin();
  CHECK(nodes.call() == kOk);
  nodes.two->keep = true;
  SECTION("a call that was given long") {
    nodes.start(1, 20 * kSecond);
    nodes.pass(4 * kSecond);
    nodes.start(2, 5 * kSecond);
    nodes.pass(10 * kSecond);
  }
  SECTION("late ones") {
    for (int i = 0; i < 10; ++i) {
      CHECK(nodes.call() == ErrorCode::kTimedOut);
      nodes.pass(kSecond);
      nodes.two->answer_kept();
    }
  }
  nodes.two->keep = false;
  nodes.two->answer_kept();
  CHECK(nodes.call() == kOk);
  CHECK(nodes.one->peers->connection_number(NodeId{2}) == 1);
}

TEST_CASE("connections that end with long messages on their way count only if none came through") {
  MixedNodes nodes;
  nodes.begin();
  const bool there = GENERATE(true, false);
  for (uint32_t i = 0; i < 4 * kLostLongMax; ++i) {
    CAPTURE(i);
    CHECK(nodes.call() == kOk);
    // Each second connection carries some.
    if (i % 2 == 0) CHECK(nodes.call_long(there) == kOk);
    nodes.fast.payload_max = 4 * kBlockBytes;
    CHECK(nodes.call_long(there) == ErrorCode::kTimedOut);
    nodes.fast.cut_all();
    nodes.fast.payload_max = SIZE_MAX;
    nodes.pass(kSendGraceNs);
  }
  CHECK(nodes.call() == kOk);
  CHECK(nodes.connection().transport == "fast");
}

TEST_CASE("when the better one can be had again the calls move there: all answered, in order") {
  for (uint64_t seed = 1; seed < 30; ++seed) {
    CAPTURE(seed);
    MixedNodes nodes("fast slow", "fast slow", seed);
    nodes.begin();
    nodes.fast.refuse_connects = true;
    CHECK(nodes.call() == kOk);
    nodes.two->epochs.clear();
    nodes.results.clear();
    nodes.fast.refuse_connects = false;
    nodes.slow.sends_max = 3;
    std::vector<Epoch> expected;
    // For three seconds, some always on their way, and new ones while the calls move.
    Random& random = nodes.loop.runtime().random;
    for (Epoch epoch = 1; nodes.loop.monotonic_ns() < 3 * kSecond; ++epoch) {
      expected.push_back(epoch);
      nodes.start(epoch, kSecond);
      const uint64_t now_ns = nodes.loop.monotonic_ns();
      const bool soon = now_ns > 1950 * kMillisecond && now_ns < 2002 * kMillisecond;
      if (soon && now_ns > 1999 * kMillisecond)
        nodes.pass(random.below(kFakeDelayNs));
      else if (random.below(20) == 0)
        nodes.pass(soon ? kMillisecond : random.below(20 * kMillisecond));
    }
    nodes.pass(kSecond);
    CHECK(nodes.connection().transport == "fast");
    CHECK(nodes.connection().fallback.empty());
    CHECK(nodes.connection().fallback_count == 1);
    CHECK(nodes.one->peers->connection_number(NodeId{2}) == 2);
    CHECK(nodes.two->epochs == expected);
    CHECK(nodes.results == std::vector(expected.size(), kOk));
    CHECK(nodes.one->transports[1]->connection_count() == 0);
    CHECK(nodes.two->transports[1]->connection_count() == 0);
  }
}

TEST_CASE("the better one is tried less and less often while it cannot be had") {
  MixedNodes nodes;
  nodes.begin();
  nodes.fast.refuse_connects = true;
  CHECK(nodes.call() == kOk);
  CHECK(nodes.one->transports[0]->connect_count == 1);
  nodes.pass(63 * kSecond);  // after 2, 6, 14, 30, 62
  CHECK(nodes.one->transports[0]->connect_count == 6);
  nodes.pass(600 * kSecond);
  CHECK(nodes.one->transports[0]->connect_count == 16);
  CHECK(nodes.one->peers->connection_number(NodeId{2}) == 1);
  nodes.fast.refuse_connects = false;
  nodes.pass(60 * kSecond);
  CHECK(nodes.connection().transport == "fast");
}

TEST_CASE("calls that take long stay where they are, and the move is tried again later") {
  MixedNodes nodes;
  nodes.begin();
  nodes.fast.refuse_connects = true;
  CHECK(nodes.call() == kOk);
  nodes.results.clear();
  nodes.fast.refuse_connects = false;
  nodes.two->keep = true;
  nodes.start(1, 20 * kSecond);
  nodes.pass(2 * kSecond + kMillisecond);  // the move has begun
  nodes.start(2, 20 * kSecond);            // is held back
  nodes.pass(kMoveNs / 2);
  CHECK(nodes.two->kept.size() == 1);
  nodes.pass(kMoveNs);
  CHECK(nodes.two->kept.size() == 2);
  CHECK(nodes.connection().transport == "slow");
  CHECK(nodes.connection().fallback == "fast: too much was on its way to change over");
  nodes.two->answer_kept();
  nodes.pass(5 * kSecond);
  CHECK(nodes.results == std::vector(2, kOk));
  CHECK(nodes.connection().transport == "fast");
}

TEST_CASE("a better one that does not answer Hello, or late, costs no call and no time") {
  MixedNodes nodes;
  nodes.begin();
  nodes.fast.refuse_connects = true;
  CHECK(nodes.call() == kOk);
  nodes.fast.refuse_connects = false;
  nodes.fast.stalled = true;
  nodes.pass(2 * kSecond);
  // Hello has as long as it has when there is no other connection.
  for (int i = 0; i < 18; ++i) {
    CHECK(nodes.call(10 * kFakeDelayNs) == kOk);
    nodes.pass(kConnectNs / 20);
  }
  CHECK(nodes.connection().transport == "slow");
  SECTION("not at all") {
    nodes.pass(kConnectNs / 5);
    CHECK(nodes.connection().transport == "slow");
    CHECK(nodes.connection().fallback == "fast: no answer to Hello in time");
    nodes.fast.resume();
    CHECK(nodes.call(10 * kFakeDelayNs) == kOk);
    CHECK(nodes.one->transports[0]->connection_count() == 0);
  }
  SECTION("late") {
    nodes.fast.resume();
    nodes.pass(10 * kFakeDelayNs);
    CHECK(nodes.connection().transport == "fast");
    CHECK(nodes.call(10 * kFakeDelayNs) == kOk);
  }
  CHECK(nodes.two->seen.size() == 20);
}

TEST_CASE("when the connection is lost while a better one waits, that one is used") {
  MixedNodes nodes;
  nodes.begin();
  nodes.fast.refuse_connects = true;
  CHECK(nodes.call() == kOk);
  nodes.results.clear();
  nodes.fast.refuse_connects = false;
  nodes.two->keep = true;
  nodes.start(1, 20 * kSecond);
  nodes.pass(2 * kSecond + kMillisecond);  // the move has begun
  nodes.slow.refuse_connects = true;
  nodes.slow.cut_all();
  nodes.pass(kMillisecond);
  CHECK(nodes.results == std::vector{kClosed});
  CHECK(nodes.connection().transport == "fast");
  nodes.two->kept.clear();
  nodes.two->keep = false;
  CHECK(nodes.call(10 * kFakeDelayNs) == kOk);
  CHECK(nodes.one->transports[0]->connect_count == 2);
}

TEST_CASE("connections on both transports are lost again and again, and every call ends") {
  for (uint64_t seed = 1; seed < 30; ++seed) {
    CAPTURE(seed);
    MixedNodes nodes("fast slow", "fast slow", seed);
    nodes.begin();
    Random& random = nodes.loop.runtime().random;
    size_t count = 0;
    while (nodes.loop.monotonic_ns() < 30 * kSecond) {
      nodes.start(++count, 2 * kSecond);
      nodes.pass(random.below(100 * kMillisecond));
      FakeNetwork& network = random.below(2) == 0 ? nodes.fast : nodes.slow;
      if (random.below(10) == 0) network.cut_all();
      if (random.below(20) == 0) network.refuse_connects = !network.refuse_connects;
      if (random.below(20) == 0) network.lose_connects = !network.lose_connects;
      if (random.below(20) == 0) network.stalled = true;
      if (random.below(3) == 0) network.resume();
    }
    for (FakeNetwork* network : {&nodes.fast, &nodes.slow}) {
      network->refuse_connects = network->lose_connects = false;
      network->resume();
    }
    nodes.pass(70 * kSecond);
    CHECK(nodes.results.size() == count);
    CHECK(nodes.call(5 * kSecond) == kOk);
    nodes.pass(70 * kSecond);
    CHECK(nodes.connection().transport == "fast");
    for (const auto* node : {&*nodes.one, &*nodes.two})
      CHECK(node->transports[1]->connection_count() == 0);
  }
}

TEST_CASE("a cluster moves from one transport to the other node by node") {
  MixedNodes nodes("slow", "slow");
  nodes.begin();
  CHECK(nodes.call() == kOk);
  for (const char* names : {"fast slow", "fast"}) {
    nodes.replace_two(names);
    CAPTURE(names);
    if (std::string(names) == "fast") {
      // One has moved on meanwhile.
      nodes.one->stop();
      nodes.one.reset();
      nodes.one.emplace(nodes.networks("fast slow"), 1, 2);
      nodes.introduce();
    }
    CHECK(nodes.call(5 * kSecond) == kOk);
  }
  CHECK(nodes.connection().transport == "fast");
}

TEST_CASE("stop ends a move in each of its states") {
  for (uint64_t after_ns = 0; after_ns < 12 * kFakeDelayNs; after_ns += kFakeDelayNs / 2) {
    CAPTURE(after_ns);
    MixedNodes nodes;
    nodes.begin();
    nodes.fast.refuse_connects = true;
    CHECK(nodes.call() == kOk);
    nodes.fast.refuse_connects = false;
    nodes.two->keep = true;
    nodes.start(1, 10 * kSecond);
    nodes.pass(2 * kSecond - 6 * kFakeDelayNs + after_ns);
    nodes.one->stop_only();
    CHECK(nodes.results.back() == kClosed);
  }
}

}  // namespace varve
