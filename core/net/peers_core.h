// PeersCore: what Peers is made of: one link for each other node, the server for what others ask,
// and the transport's events, sorted to their owners.
//
// Thread rule: one shard's thread. Ownership: as Peers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "core/net/peer_link.h"
#include "core/net/peer_server.h"
#include "core/net/peers.h"
#include "core/net/send_table.h"
#include "core/runtime/task_group.h"

namespace varve {

class PeersCore final : public TransportSink {
 public:
  PeersCore(Runtime& runtime, std::vector<NamedTransport> transports, const PeersOptions& options);
  ~PeersCore() override;

  Status start(PeerHandler& handler);
  Task<void> stop();
  Task<Status> call(NodeId to, PeerCall& call, uint64_t deadline_ns);
  void set_address(NodeId node, const std::vector<PeerAddress>& addresses, std::string name);
  // Why the peer is not `node`, as far as the transport can tell who it is.
  Status check_name(ConnectionId connection, NodeId node) const;
  uint64_t connection_number(NodeId node) const;
  PeerConnection connection(NodeId node) const;

  // A call or a reply that is running: stop() waits for it.
  class Operation {
   public:
    explicit Operation(PeersCore& core);
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation();

   private:
    PeersCore& core_;
  };

  // For links and server.
  Runtime& runtime() { return runtime_; }
  TransportSet& transports() { return transports_; }
  const PeersOptions& options() const { return options_; }
  SendTable& sends() { return sends_; }
  TaskGroup& tasks() { return tasks_; }
  PeerServer& server() { return server_; }
  // Starts a connect whose end the link is told; returns its op_id.
  Result<uint64_t> connect(PeerLink& link, const Way& way);

 private:
  void connected(uint64_t op_id, ErrorCode result, ConnectionId connection) override;
  void accepted(ConnectionId connection) override;
  void received(ConnectionId connection, std::span<const std::byte> header, uint64_t buffer,
                uint32_t payload_bytes) override;
  void sent(uint64_t op_id, ErrorCode result) override;
  void closed(ConnectionId connection, ErrorCode why) override;
  void writable(ConnectionId connection) override;
  PeerEndpoint* find(ConnectionId connection) const;
  static Task<Status> no_such_node();

  Runtime& runtime_;
  const PeersOptions options_;
  TransportSet transports_;
  SendTable sends_;
  TaskGroup tasks_;
  PeerServer server_;
  std::map<NodeId, std::unique_ptr<PeerLink>> links_;
  std::unordered_map<ConnectionId, PeerEndpoint*> endpoints_;  // until closed()
  std::unordered_map<uint64_t, PeerLink*> connects_;           // until connected()
  uint64_t connect_op_ = 0;
  size_t operation_count_ = 0;
  bool stopped_ = false;
  WaitList quiet_;  // an operation has ended, or a connection is closed
};

}  // namespace varve
