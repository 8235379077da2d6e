// Nodes on a fake network, each with a handler that records what it is handed.
//
// Thread rule: one thread. What it returns belongs to the node.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/log.h"
#include "core/net/peers.h"
#include "core/wire/message_payload.h"
#include "tests/sim/sim_loop.h"
#include "tests/unit/net/fake_transport.h"

namespace varve {

inline constexpr Uuid kCluster = {std::byte{1}, std::byte{2}};
inline constexpr uint64_t kSecond = 1000 * kMillisecond;

struct TestNode final : PeerHandler {
  using Networks = std::vector<std::pair<std::string, FakeNetwork*>>;

  TestNode(FakeNetwork& network, uint32_t id, uint64_t boot = 1, Uuid cluster = kCluster)
      : TestNode(Networks{{"fake", &network}}, id, boot, cluster) {}
  // One transport on each network, most wanted first.
  TestNode(const Networks& networks, uint32_t id, uint64_t boot = 1, Uuid cluster = kCluster)
      : loop(networks.front().second->loop()), answers(loop.ready()) {
    log_set_level(LogLevel::kNone);
    std::vector<NamedTransport> named;
    for (const auto& [name, network] : networks) {
      transports.push_back(std::make_unique<FakeTransport>(*network));
      named.push_back({name, transports.back().get()});
    }
    transport = transports.front().get();
    const PeersOptions options{.cluster = cluster,
                               .node = NodeId{id},
                               .boot = boot,
                               .receive_buffers_small = 4,
                               .receive_buffers_large = 2};
    runtime.emplace(loop.runtime());
    peers = std::make_unique<Peers>(*runtime, named, options);
    REQUIRE(peers->start(*this).ok());
    for (size_t i = 0; i < named.size(); ++i) {
      const auto bound = peers->listen("node" + std::to_string(id), i);
      if (bound.ok()) address.push_back({named[i].name, *bound});
    }
  }
  ~TestNode() override { stop(); }

  // No more requests; the node is still there.
  void stop_only() {
    CHECK(loop.run(stop_all()));
    for (const auto& one : transports) CHECK(one->connection_count() == 0);
  }
  void stop() {
    if (peers == nullptr) return;
    kept.clear();
    stop_only();
    transports.clear();
    peers.reset();
  }
  Task<bool> stop_all() {
    co_await peers->stop();
    co_await answers.done();
    co_return true;
  }

  void handle(IncomingRequest request) override {
    seen.push_back(request.type);
    if (request.type == MessageType::kPrepare) epochs.push_back(request.as<PrepareRequest>().epoch);
    if (keep)
      kept.push_back(std::move(request));
    else
      answers.start(answer(std::move(request)));
  }

  // Prepare: its epoch comes back. Replicate: how it went. Io: blocks of 0x5a for a read.
  Task<void> answer(IncomingRequest request) {
    const Slices nothing;
    if (request.type == MessageType::kPrepare) {
      const PrepareReply reply{.epoch = request.as<PrepareRequest>().epoch};
      co_await peers->reply(request, status, reply, nothing);
    } else if (request.type == MessageType::kReplicate) {
      bytes_seen.assign(request.payload.bytes().begin(), request.payload.bytes().end());
      const EmptyReply reply;
      co_await peers->reply(request, status, reply, nothing);
    } else if (request.type == MessageType::kIo) {
      const uint32_t blocks = request.as<IoWireRequest>().block_count;
      std::vector<std::byte> data(blocks_payload_bytes(blocks), std::byte{0x5a});
      const std::span<const std::byte> slice = data;
      const Slices slices(&slice, 1);
      const IoWireReply reply{.office = 7};
      co_await peers->reply(request, status, reply, slices);
    }
  }
  void answer_kept() {
    for (IncomingRequest& request : kept) answers.start(answer(std::move(request)));
    kept.clear();
  }

  SimLoop& loop;
  std::optional<Runtime> runtime;
  std::vector<std::unique_ptr<FakeTransport>> transports;
  FakeTransport* transport;  // the first
  std::unique_ptr<Peers> peers;
  std::vector<PeerAddress> address;
  TaskGroup answers;
  bool keep = false;  // requests, unanswered
  std::vector<IncomingRequest> kept;
  ErrorCode status = ErrorCode::kOk;
  std::vector<MessageType> seen;
  std::vector<Epoch> epochs;
  std::vector<std::byte> bytes_seen;
};

struct TwoNodes {
  explicit TwoNodes(uint64_t seed = 1)
      : loop(seed), network(loop), one(network, 1), two(network, 2), calls(loop.ready()) {
    one.peers->set_address(NodeId{2}, two.address);
    two.peers->set_address(NodeId{1}, one.address);
  }
  ~TwoNodes() {
    one.stop();
    two.stop();
    loop.drain();
  }

  uint64_t in(uint64_t ns) const { return loop.monotonic_ns() + ns; }

  // One's call to two.
  Task<Status> prepare(Epoch epoch, uint64_t deadline_ns) {
    const PrepareRequest request{.epoch = epoch};
    const Slices nothing;
    auto reply = co_await one.peers->call<PrepareReply>(NodeId{2}, request, nothing, deadline_ns);
    if (!reply.ok()) co_return reply.status();
    CHECK(reply->body.epoch == epoch);
    co_return Status();
  }
  Task<void> prepare_from_two(Epoch epoch, uint64_t deadline_ns, std::vector<ErrorCode>* results) {
    const PrepareRequest request{.epoch = epoch};
    const Slices nothing;
    const auto reply =
        co_await two.peers->call<PrepareReply>(NodeId{1}, request, nothing, deadline_ns);
    results->push_back(reply.code());
  }
  Task<Status> replicate(uint32_t blocks, std::byte fill, uint64_t deadline_ns) {
    std::vector<std::byte> data(blocks_payload_bytes(blocks), fill);
    const std::span<const std::byte> slice = data;
    const ReplicateRequest request{.block_count = blocks};
    auto reply =
        co_await one.peers->call<EmptyReply>(NodeId{2}, request, Slices(&slice, 1), deadline_ns);
    std::fill(data.begin(), data.end(), std::byte{0xdd});  // who reads it now reads this
    co_return reply.status();
  }
  Task<Status> read(uint32_t blocks, uint64_t deadline_ns) {
    const IoWireRequest request{.block_count = blocks, .kind = IoKind::kRead};
    const Slices nothing;
    auto reply = co_await one.peers->call<IoWireReply>(NodeId{2}, request, nothing, deadline_ns);
    if (!reply.ok()) co_return reply.status();
    CHECK(reply->payload.bytes().size() == blocks_payload_bytes(blocks));
    CHECK(reply->payload.bytes()[0] == std::byte{0x5a});
    co_return Status();
  }
  // Runs beside the test; the result comes last.
  void start(Task<Status> call) { calls.start(record(std::move(call), &results)); }
  static Task<void> record(Task<Status> call, std::vector<ErrorCode>* results) {
    const Status status = co_await call;
    results->push_back(status.code());
  }
  ErrorCode run(Task<Status> call) {
    const std::optional<Status> status = loop.run(std::move(call));
    REQUIRE(status);
    return status->code();
  }
  // Runs on for so long.
  void pass(uint64_t ns) {
    bool over = false;
    loop.schedule(ns, [&over] { over = true; });
    while (!over) REQUIRE(loop.step());
  }

  SimLoop loop;
  FakeNetwork network;
  TestNode one;
  TestNode two;
  TaskGroup calls;
  std::vector<ErrorCode> results;
};

}  // namespace varve
