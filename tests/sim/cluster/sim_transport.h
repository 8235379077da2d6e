// SimTransport: one life of a node on the simulated network. It also watches its user: posts and
// sends well formed, receive buffers inside registered memory, the memory of a send unchanged until
// sent(), receive buffers untouched while they are posted. The first offence is kept by the
// network.
//
// Thread rule: its shard's thread; the sink is called through the shard, never from inside a call.
// Ownership: network and shard are borrowed and outlive it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/net/transport.h"
#include "tests/sim/cluster/sim_network.h"

namespace varve {

class SimTransport final : public Transport {
 public:
  SimTransport(SimNetwork& network, uint32_t node, SimShard& shard);
  SimTransport(const SimTransport&) = delete;
  SimTransport& operator=(const SimTransport&) = delete;
  ~SimTransport() override;

  void set_sink(TransportSink& sink) override { sink_ = &sink; }
  Result<std::string> listen(const std::string& address) override;
  Status connect(const std::string& address, uint64_t op_id) override;
  void disconnect(ConnectionId connection) override;
  Status register_memory(std::span<std::byte> arena) override;
  Status post_receive(std::span<std::byte> buffer, uint64_t op_id) override;
  Status send(ConnectionId connection, std::span<const std::byte> header,
              std::span<const std::span<const std::byte>> slices, uint64_t op_id) override;

  // The node has died. Its user is told at once that everything has ended; the other nodes notice
  // soon, or (silent: the power was cut) when they miss it.
  void die(bool silent);
  uint32_t node() const { return node_; }

 private:
  friend class SimNetwork;
  struct Posted {
    std::span<std::byte> buffer;
    uint64_t op_id = 0;
  };

  // Something is to be told about that connection (0: about a failed connect).
  void wake(ConnectionId connection);
  void poll();
  // False: nothing can be told at present.
  bool tell_one(ConnectionId id);
  bool tell_notice(ConnectionId id, SimNetwork::End& end);
  bool tell_received(ConnectionId id, SimNetwork::End& end);
  bool tell_closed(ConnectionId id, SimNetwork::End& end);
  // The smallest posted buffer that holds the payload; posted_.size(): none does.
  size_t find_buffer(uint64_t bytes) const;
  bool registered(const std::byte* data, uint64_t bytes) const;
  std::string check_send(std::span<const std::byte> header,
                         std::span<const std::span<const std::byte>> slices) const;
  void check_poison(const Posted& posted);
  void check_memory(const SimNetwork::Send& send);

  SimNetwork& network_;
  const uint32_t node_;
  SimShard& shard_;
  TransportSink* sink_ = nullptr;
  bool alive_ = true;
  bool listening_ = false;
  bool poll_posted_ = false;
  std::vector<std::span<std::byte>> arenas_;
  std::vector<Posted> posted_;
  std::set<ConnectionId> waiting_;  // that have something to tell
  std::set<ConnectionId> starved_;  // that could tell it if there were a buffer
  std::deque<std::pair<uint64_t, ErrorCode>> failed_connects_;
};

}  // namespace varve
