// PeerLink: the calls to one other node, and the connection that this node makes for them.
//
// A dial task runs while calls wait and there is no connection. A connection is ready when the
// other side has answered Hello and is who it should be.
//
// Thread rule: one shard's thread. Ownership: all that the constructor is given is borrowed.
// Before the destructor: stop(), no call is running and the dial task has ended.
#pragma once

#include <array>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "core/net/limits.h"
#include "core/net/peer_call.h"
#include "core/net/peer_endpoint.h"
#include "core/runtime/task_group.h"

namespace varve {

class PeersCore;

class PeerLink final : public PeerEndpoint {
 public:
  PeerLink(PeersCore& core, NodeId node);
  ~PeerLink() override;

  void set_address(std::string address);
  void set_name(std::string name) { name_ = std::move(name); }
  const std::string& name() const { return name_; }
  Task<Status> call(PeerCall& call, uint64_t deadline_ns);
  // Everything ends with kClosed, the connection is being closed.
  void stop();
  bool has_connection() const { return connection_ != 0; }
  uint64_t connection_number() const { return connection_number_; }

  // The end of connect `op_id`; false when nobody waits for it any more.
  bool connected(uint64_t op_id, ErrorCode result, ConnectionId connection);
  void received(ConnectionId connection, std::span<const std::byte> header, uint32_t payload_bytes,
                Payload payload) override;
  void closed(ConnectionId connection, ErrorCode why) override;
  void writable(ConnectionId connection) override;

 private:
  enum class State : uint8_t { kIdle, kConnecting, kGreeting, kReady, kClosing };
  struct RequestIdOf {
    using type = uint64_t;
    type operator()(const PeerCall& call) const { return call.request_id; }
  };
  using PendingCalls = boost::intrusive::set<
      PeerCall,
      boost::intrusive::member_hook<PeerCall, boost::intrusive::set_member_hook<>,
                                    &PeerCall::pending_hook>,
      boost::intrusive::key_of_value<RequestIdOf>>;
  struct Lane {  // of one type
    MessageQueue queue;
    uint32_t unanswered = 0;
  };

  Lane& lane(MessageType type) { return lanes_[static_cast<size_t>(type) - 1]; }
  bool calls_wait() const;
  Lane* next_lane();
  void pump();
  bool send(PeerCall& call);
  void end(PeerCall& call, Status status);
  void end_all();
  void abandon(PeerCall& call);
  Status take_reply(const Message& message, Payload& payload);
  Status take_hello(const Message& message);
  void close(std::string_view why);
  void failed(std::string_view why);
  void say_hello();
  void start_dial();
  Task<void> dial();
  Task<void> attempt();
  void attempt_too_late();

  PeersCore& core_;
  const NodeId node_;
  std::string address_;
  std::string name_;  // as in the cluster's records
  State state_ = State::kIdle;
  bool stopped_ = false;
  bool dialing_ = false;
  bool blocked_ = false;  // until the transport says that the connection is writable
  bool proven_ = false;   // a call has been answered on this connection
  uint64_t connect_op_ = 0;
  ConnectionId connection_ = 0;
  uint64_t connection_number_ = 0;
  uint64_t pause_ns_ = 0;
  uint64_t retry_at_ns_ = 0;
  uint64_t request_id_ = 0;
  std::string last_failure_;  // said once, not with every attempt
  std::array<Lane, kMessageTypeCount> lanes_;
  PendingCalls pending_;
  std::map<uint64_t, MessageType> abandoned_;  // timed out; their replies may still come
  WaitList changed_;                           // the state, the address, or stopped
};

}  // namespace varve
