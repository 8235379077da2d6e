// The simulated network keeps the promises of transports under every fault, and watches its users.
#include "tests/sim/cluster/sim_transport.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/units.h"
#include "tests/sim/cluster/sim_shard.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1000 * kMillisecond;
constexpr uint32_t kBuffers = 8;
constexpr uint64_t kBufferBytes = 16 * kKiB;

struct Text {
  uint64_t connection_tag = 0;  // drawn by the sender for this connection
  uint64_t number = 0;          // within the connection
  uint64_t payload_bytes = 0;
};

// Sends numbered messages on every connection it has, and checks what it is told.
class Talker final : public TransportSink {
 public:
  Talker(SimNetwork& network, SimShard& shard, uint32_t node)
      : shard_(shard), transport_(network, node, shard) {
    transport_.set_sink(*this);
    CHECK(transport_.register_memory({receive_.data(), kBuffers * kBufferBytes}).ok());
    CHECK(transport_.register_memory({send_.data(), 16 * kBlockBytes}).ok());
    CHECK(transport_.listen("sim:any").ok());
    for (uint32_t i = 0; i < kBuffers; ++i) post(i);
  }
  SimTransport& transport() { return transport_; }
  void connect(uint32_t to) {
    ++connects;
    if (!transport_.connect(SimNetwork::address_of(to), ++ops_).ok()) return;
    connecting_[ops_] = to;
  }
  void post(uint32_t buffer) {
    CHECK(
        transport_.post_receive({receive_.data() + buffer * kBufferBytes, kBufferBytes}, buffer + 1)
            .ok());
  }
  // As many as go, of all connections.
  void talk(uint32_t count) {
    for (auto& [id, peer] : open_) {
      for (uint32_t i = 0; i < count && !peer.busy; ++i) say(id, peer);
    }
  }
  void hang_up() {
    if (!open_.empty()) transport_.disconnect(open_.begin()->first);
  }

  void connected(uint64_t op_id, ErrorCode result, ConnectionId connection) override {
    CHECK(connecting_.erase(op_id) == 1);
    ++connects_ended;
    if (result == ErrorCode::kOk) open(connection);
  }
  void accepted(ConnectionId connection) override { open(connection); }
  void received(ConnectionId connection, std::span<const std::byte> header, uint64_t buffer,
                uint32_t payload_bytes) override {
    REQUIRE(open_.contains(connection));
    Peer& peer = open_[connection];
    Text said;
    REQUIRE(header.size() == sizeof said);
    std::memcpy(&said, header.data(), sizeof said);
    if (peer.heard == 0) peer.heard_tag = said.connection_tag;
    CHECK(said.connection_tag == peer.heard_tag);
    CHECK(said.number == ++peer.heard);
    CHECK(said.payload_bytes == payload_bytes);
    CHECK((buffer != 0) == (payload_bytes != 0));
    if (buffer != 0) {
      const std::byte* data = receive_.data() + (buffer - 1) * kBufferBytes;
      bool right = true;
      for (uint32_t at = 0; at < payload_bytes; at += 512) {
        right = right && data[at] == std::byte(said.payload_bytes / 512);
      }
      CHECK(right);
      if (keep_buffers) {
        kept_buffers.push_back(static_cast<uint32_t>(buffer - 1));
      } else {
        post(static_cast<uint32_t>(buffer - 1));
      }
    }
    ++heard;
  }
  void sent(uint64_t op_id, ErrorCode result) override {
    CHECK(sending_.erase(op_id) == 1);
    if (result != ErrorCode::kOk) ++sends_lost;
  }
  void closed(ConnectionId connection, ErrorCode why) override {
    REQUIRE(open_.contains(connection));
    last_why = why;
    CHECK(std::none_of(sending_.begin(), sending_.end(),
                       [connection](const auto& send) { return send.second == connection; }));
    open_.erase(connection);
    ++closes;
  }
  void writable(ConnectionId connection) override {
    REQUIRE(open_.contains(connection));
    CHECK(open_[connection].busy);
    open_[connection].busy = false;
    ++writables;
  }

  size_t open_count() const { return open_.size(); }
  bool at_rest() const { return sending_.empty() && connecting_.empty(); }

  bool keep_buffers = false;
  std::vector<uint32_t> kept_buffers;
  uint64_t connects = 0;
  uint64_t connects_ended = 0;
  uint64_t heard = 0;
  uint64_t said = 0;
  uint64_t closes = 0;
  uint64_t busies = 0;
  uint64_t writables = 0;
  uint64_t sends_lost = 0;
  ErrorCode last_why = ErrorCode::kOk;

 private:
  struct Peer {
    uint64_t tag = 0;
    uint64_t said = 0;
    uint64_t heard = 0;
    uint64_t heard_tag = 0;
    bool busy = false;
  };
  void open(ConnectionId connection) {
    CHECK(connection != 0);
    CHECK(seen_.insert(connection).second);
    open_[connection].tag = shard_.runtime().random.next();
  }
  void say(ConnectionId id, Peer& peer) {
    const uint64_t blocks = shard_.runtime().random.below(5);
    std::byte* data = send_.data() + blocks * (blocks - (blocks > 0)) / 2 * kBlockBytes;
    std::memset(data, static_cast<int>(blocks * kBlockBytes / 512), blocks * kBlockBytes);
    const Text words{peer.tag, peer.said + 1, blocks * kBlockBytes};
    std::byte header[sizeof words];
    std::memcpy(header, &words, sizeof words);
    std::vector<std::span<const std::byte>> slices;
    if (blocks > 0) slices.push_back({data, kBlockBytes});
    if (blocks > 1) slices.push_back({data + kBlockBytes, (blocks - 1) * kBlockBytes});
    const uint64_t op = ++ops_;
    const Status status = transport_.send(id, header, slices, op);
    if (status.code() == ErrorCode::kBusy) {
      peer.busy = true;
      ++busies;
    }
    if (!status.ok()) return;
    sending_[op] = id;
    ++peer.said;
    ++said;
  }

  SimShard& shard_;
  AlignedBuffer receive_{kBuffers * kBufferBytes};
  AlignedBuffer send_{16 * kBlockBytes};
  SimTransport transport_;
  uint64_t ops_ = 100;
  std::map<uint64_t, uint32_t> connecting_;
  std::map<uint64_t, ConnectionId> sending_;
  std::map<ConnectionId, Peer> open_;
  std::set<ConnectionId> seen_;
};

struct World {
  SimLoop loop;
  ClusterFaultCounts counts;
  SimNetwork network;
  SimShard shard_a;
  SimShard shard_b;
  std::unique_ptr<Talker> a;
  std::unique_ptr<Talker> b;

  explicit World(uint64_t seed, SimNetworkOptions options = {})
      : loop(seed),
        network(loop, 2, options, seed, counts),
        shard_a(loop, {}, seed + 1),
        shard_b(loop, {}, seed + 2),
        a(std::make_unique<Talker>(network, shard_a, 0)),
        b(std::make_unique<Talker>(network, shard_b, 1)) {}
  void run_for(uint64_t duration_ns) {
    bool over = false;
    loop.schedule(duration_ns, [&over] { over = true; });
    while (!over) loop.step();
  }
  void connect() {
    a->connect(1);
    REQUIRE(loop.drain());
    REQUIRE(a->open_count() == 1);
    REQUIRE(b->open_count() == 1);
  }
};

TEST_CASE("messages arrive whole, once and in order") {
  World world(1);
  world.connect();
  for (int i = 0; i < 50; ++i) {
    world.a->talk(4);
    world.b->talk(4);
    world.run_for(kMillisecond);
  }
  REQUIRE(world.loop.drain());
  CHECK(world.b->heard == world.a->said);
  CHECK(world.a->heard == world.b->said);
  CHECK(world.a->said >= 100);
  CHECK(world.a->at_rest());
  CHECK(world.network.offence().empty());
}

TEST_CASE("a full connection says busy, and later writable") {
  World world(2, {.window_bytes = 64 * kKiB});
  world.connect();
  world.a->talk(100);
  CHECK(world.a->busies == 1);
  REQUIRE(world.loop.drain());
  CHECK(world.a->writables == 1);
  CHECK(world.b->heard == world.a->said);
}

TEST_CASE("without a receive buffer a connection waits, and loses nothing") {
  World world(3);
  world.b->keep_buffers = true;
  world.connect();
  world.a->talk(40);
  REQUIRE(world.loop.drain());
  CHECK(world.b->kept_buffers.size() == kBuffers);
  CHECK(world.b->heard < world.a->said);
  world.b->keep_buffers = false;
  for (const uint32_t buffer : world.b->kept_buffers) world.b->post(buffer);
  REQUIRE(world.loop.drain());
  CHECK(world.b->heard == world.a->said);
  CHECK(world.counts.of(ClusterFault::kBuffersMissing) > 0);
}

TEST_CASE("after disconnect both sides are told once, and every send has ended") {
  for (uint64_t seed = 1; seed < 50; ++seed) {
    World world(seed);
    world.connect();
    world.a->talk(10);
    world.b->talk(10);
    world.run_for(world.loop.monotonic_ns() % 150'000);
    world.a->hang_up();
    REQUIRE(world.loop.drain());
    CHECK(world.a->closes == 1);
    CHECK(world.a->last_why == ErrorCode::kOk);
    CHECK(world.b->closes == 1);
    CHECK(world.b->last_why == ErrorCode::kClosed);
    CHECK(world.a->at_rest());
    CHECK(world.b->at_rest());
  }
}

TEST_CASE("nobody listens: connect ends with an error") {
  World world(5);
  world.b.reset();
  world.a->connect(1);
  REQUIRE(world.loop.drain());
  CHECK(world.a->connects_ended == 1);
  CHECK(world.a->open_count() == 0);
}

TEST_CASE("a cut direction delivers nothing, times out, or flows again after the healing") {
  uint64_t timed_out = 0;
  uint64_t flowed = 0;
  for (uint64_t seed = 1; seed < 40; ++seed) {
    World world(seed);
    world.connect();
    world.network.cut(0, 1);
    world.a->talk(5);
    world.b->talk(5);
    world.run_for((1 + seed % 8) * kSecond);
    CHECK(world.b->heard == 0);
    if (world.b->closes == 0 && world.a->closes == 0) CHECK(world.a->heard == world.b->said);
    timed_out += world.a->closes + world.b->closes;
    world.network.heal_all();
    REQUIRE(world.loop.drain());
    if (world.a->closes == 0) {
      CHECK(world.b->heard == world.a->said);
      ++flowed;
    }
    CHECK(world.a->closes == world.b->closes);
    CHECK(world.a->at_rest());
  }
  CHECK(timed_out > 0);
  CHECK(flowed > 0);
}

TEST_CASE("connecting through a cut times out") {
  World world(7);
  world.network.cut(1, 0);
  world.a->connect(1);
  REQUIRE(world.loop.drain());
  CHECK(world.a->connects_ended == 1);
  CHECK(world.a->open_count() == 0);
}

TEST_CASE("a node that dies with a word or without: the other side is told") {
  for (const bool silent : {false, true}) {
    World world(8, {.linger_per_mille = 0});
    world.connect();
    world.a->talk(5);
    world.b->talk(5);
    world.b->transport().die(silent);
    world.run_for(kSecond);
    CHECK(world.a->closes == (silent ? 0 : 1));
    CHECK(world.b->closes == 1);
    CHECK(world.b->at_rest());
    const uint64_t heard = world.b->heard;
    world.a->talk(5);
    REQUIRE(world.loop.drain());
    CHECK(world.a->closes == 1);
    CHECK(world.a->at_rest());
    CHECK(world.b->heard == heard);
    world.b->connect(0);
    REQUIRE(world.loop.drain());
    CHECK(world.b->connects_ended == world.b->connects);
    CHECK(world.b->open_count() == 0);
  }
}

TEST_CASE("an old connection's messages can arrive after a newer one is up") {
  uint64_t late = 0;
  for (uint64_t seed = 1; seed < 60; ++seed) {
    World world(seed, {.linger_per_mille = 1000});
    world.connect();
    world.a->talk(10);
    world.a->hang_up();
    world.a->connect(1);
    world.run_for(2 * kMillisecond);
    world.a->talk(2);
    REQUIRE(world.loop.drain());
    late += world.counts.of(ClusterFault::kOldConnectionLate);
  }
  CHECK(late > 0);
}

TEST_CASE("a paused node hears everything when it goes on") {
  World world(9);
  world.connect();
  world.shard_b.pause();
  world.a->talk(3);
  REQUIRE(world.loop.drain());
  CHECK(world.b->heard == 0);
  world.shard_b.resume();
  REQUIRE(world.loop.drain());
  CHECK(world.b->heard == world.a->said);
}

uint64_t storm(uint64_t seed, ClusterFaultCounts& counts) {
  World world(seed, {.late_per_mille = 50,
                     .break_per_100k = 500,
                     .stall_per_100k = 500,
                     .busy_per_mille = 50,
                     .buffers_missing_per_mille = 50,
                     .connect_fail_per_mille = 50,
                     .user_timeout_ns = 60 * kMillisecond,
                     .connect_timeout_ns = 100 * kMillisecond});
  Random random(seed);
  for (int i = 0; i < 400; ++i) {
    if (world.a->open_count() < 2) world.a->connect(1);
    if (world.b->open_count() < 2) world.b->connect(0);
    world.a->talk(2);
    world.b->talk(2);
    if (random.chance(1, 60)) world.network.cut(0, 1);
    if (random.chance(1, 60)) world.network.cut(1, 0);
    if (random.chance(1, 30)) world.network.heal_all();
    if (random.chance(1, 90)) world.network.break_connections(0, 1);
    if (random.chance(1, 50)) world.shard_a.pause();
    if (random.chance(1, 10)) world.shard_a.resume();
    world.run_for(random.below(3 * kMillisecond));
  }
  world.shard_a.resume();
  world.network.heal_all();
  REQUIRE(world.loop.drain());
  CHECK(world.a->at_rest());
  CHECK(world.b->at_rest());
  CHECK(world.a->connects_ended == world.a->connects);
  CHECK(world.a->open_count() == world.b->open_count());
  CHECK(world.network.offence().empty());
  counts.add(world.counts);
  return world.loop.hash();
}

TEST_CASE("all faults together break no promise, and one seed is one run") {
  ClusterFaultCounts counts;
  for (uint64_t seed = 1; seed < 20; ++seed) storm(seed, counts);
  CHECK(storm(3, counts) == storm(3, counts));
  CHECK(storm(3, counts) != storm(4, counts));
  for (const ClusterFault fault : {ClusterFault::kMessageLate, ClusterFault::kDirectionStalled,
                                   ClusterFault::kConnectionBroken, ClusterFault::kConnectRefused,
                                   ClusterFault::kConnectTimedOut, ClusterFault::kPartitionTimedOut,
                                   ClusterFault::kOldConnectionLate, ClusterFault::kSendBusy,
                                   ClusterFault::kBuffersMissing, ClusterFault::kSentLate}) {
    INFO(cluster_fault_name(fault));
    CHECK(counts.of(fault) > 0);
  }
}

// --- a user that does wrong

class Silent final : public TransportSink {
 public:
  void connected(uint64_t, ErrorCode, ConnectionId connection) override { id = connection; }
  void accepted(ConnectionId) override {}
  void received(ConnectionId, std::span<const std::byte>, uint64_t, uint32_t) override {}
  void sent(uint64_t, ErrorCode) override {}
  void closed(ConnectionId, ErrorCode) override {}
  void writable(ConnectionId) override {}
  ConnectionId id = 0;
};

struct Wrong {
  SimLoop loop{1};
  ClusterFaultCounts counts;
  SimNetwork network{loop, 2, {}, 1, counts};
  SimShard shard_a{loop, {}, 1};
  SimShard shard_b{loop, {}, 2};
  AlignedBuffer memory{8 * kBlockBytes};
  Silent sink_a;
  Silent sink_b;
  SimTransport a{network, 0, shard_a};
  SimTransport b{network, 1, shard_b};
  std::byte header[4] = {};

  Wrong() {
    a.set_sink(sink_a);
    b.set_sink(sink_b);
    CHECK(b.listen("sim:1").ok());
    CHECK(a.register_memory({memory.data(), 4 * kBlockBytes}).ok());
    CHECK(b.register_memory({memory.data() + 4 * kBlockBytes, 4 * kBlockBytes}).ok());
    CHECK(a.connect("sim:1", 1).ok());
    REQUIRE(loop.drain());
  }
  Status send(std::span<const std::byte> slice) {
    const std::vector<std::span<const std::byte>> slices{slice};
    return a.send(sink_a.id, header, slices, 5);
  }
};

TEST_CASE("memory that changes before sent() is noticed") {
  Wrong wrong;
  CHECK(wrong.send({wrong.memory.data(), kBlockBytes}).ok());
  wrong.memory.data()[7] ^= std::byte{1};
  REQUIRE(wrong.loop.drain());
  CHECK(wrong.network.offence() == "node 0: the memory of a send changed before sent()");
}

TEST_CASE("a posted receive buffer that is written is noticed") {
  Wrong wrong;
  std::byte* buffer = wrong.memory.data() + 4 * kBlockBytes;
  CHECK(wrong.b.post_receive({buffer, kBlockBytes}, 9).ok());
  buffer[512] ^= std::byte{1};
  CHECK(wrong.send({wrong.memory.data(), kBlockBytes}).ok());
  REQUIRE(wrong.loop.drain());
  CHECK(wrong.network.offence() == "node 1: a receive buffer was written while it was posted");
}

TEST_CASE("malformed posts and sends are noticed") {
  SECTION("an empty slice") {
    Wrong wrong;
    CHECK_FALSE(wrong.send({}).ok());
    CHECK_FALSE(wrong.network.offence().empty());
  }
  SECTION("a receive buffer in unregistered memory") {
    Wrong wrong;
    CHECK_FALSE(wrong.b.post_receive({wrong.memory.data(), kBlockBytes}, 1).ok());
    CHECK_FALSE(wrong.network.offence().empty());
  }
  SECTION("an unaligned receive buffer") {
    Wrong wrong;
    CHECK_FALSE(
        wrong.b.post_receive({wrong.memory.data() + 4 * kBlockBytes + 8, kBlockBytes}, 1).ok());
    CHECK_FALSE(wrong.network.offence().empty());
  }
  SECTION("one buffer posted twice") {
    Wrong wrong;
    std::byte* buffer = wrong.memory.data() + 4 * kBlockBytes;
    CHECK(wrong.b.post_receive({buffer, kBlockBytes}, 1).ok());
    CHECK_FALSE(wrong.b.post_receive({buffer, kBlockBytes}, 2).ok());
    CHECK_FALSE(wrong.network.offence().empty());
  }
  SECTION("a header that is too long") {
    Wrong wrong;
    const std::vector<std::byte> header(kHeaderBytesMax + 1);
    CHECK_FALSE(wrong.a.send(wrong.sink_a.id, header, {}, 5).ok());
    CHECK_FALSE(wrong.network.offence().empty());
  }
}

}  // namespace
}  // namespace varve
