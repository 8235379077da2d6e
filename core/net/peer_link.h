// PeerLink: the calls to one other node, and the connection that this node makes for them.
//
// A dial task runs while calls wait and there is no connection; it takes the best way that can be
// had. A connection is ready when the other side has answered Hello and is who it should be.
//
// While the ready connection is not on the most wanted way, a climb task tries the better ones from
// time to time, and the calls go on meanwhile. When one has answered Hello, new calls are held back
// until all on the old connection are answered; then they go on over the new one, whose first
// request ends the old one at the other side. So only one connection at a time carries calls.
//
// Thread rule: one shard's thread. Ownership: all that the constructor is given is borrowed.
// Before the destructor: stop(), no call is running and both tasks have ended.
#pragma once

#include <array>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/net/limits.h"
#include "core/net/peer_call.h"
#include "core/net/peer_endpoint.h"
#include "core/net/peer_ways.h"
#include "core/runtime/task_group.h"

namespace varve {

class PeersCore;
struct PeerConnection;

class PeerLink final : public PeerEndpoint {
 public:
  PeerLink(PeersCore& core, NodeId node);
  ~PeerLink() override;

  void set_addresses(const std::vector<PeerAddress>& addresses);
  void set_name(std::string name) { name_ = std::move(name); }
  const std::string& name() const { return name_; }
  Task<Status> call(PeerCall& call, uint64_t deadline_ns);
  // Everything ends with kClosed, the connections are being closed.
  void stop();
  uint64_t connection_number() const { return connection_number_; }
  PeerConnection connection() const;

  // The end of connect `op_id`; false when nobody waits for it any more.
  bool connected(uint64_t op_id, ErrorCode result, ConnectionId connection);
  void received(ConnectionId connection, std::span<const std::byte> header, uint32_t payload_bytes,
                Payload payload) override;
  void closed(ConnectionId connection, ErrorCode why) override;
  void writable(ConnectionId connection) override;

 private:
  // kReady: its Hello is answered.
  enum class State : uint8_t { kIdle, kConnecting, kGreeting, kReady, kClosing };
  // One connection, from connect() to closed().
  struct Leg {
    State state = State::kIdle;
    Way way;
    uint64_t connect_op = 0;
    ConnectionId connection = 0;
    bool blocked = false;         // until the transport says that the connection is writable
    bool proven = false;          // a call has been answered on it
    uint64_t heard_ns = 0;        // the last reply, or the first request since when some are due
    uint32_t asked_bytes = 0;     // the longest payload that was sent, or asked for,
    uint32_t answered_bytes = 0;  // and the longest of those that were answered
  };
  struct RequestIdOf {
    using type = uint64_t;
    type operator()(const PeerCall& call) const { return call.request_id; }
  };
  using PendingCalls = boost::intrusive::set<
      PeerCall,
      boost::intrusive::member_hook<PeerCall, boost::intrusive::set_member_hook<>,
                                    &PeerCall::pending_hook>,
      boost::intrusive::key_of_value<RequestIdOf>>;
  struct Abandoned {
    MessageType type;
    uint32_t payload_bytes;
  };
  struct Lane {  // of one type
    MessageQueue queue;
    uint32_t unanswered = 0;
  };

  Lane& lane(MessageType type) { return lanes_[static_cast<size_t>(type) - 1]; }
  bool calls_wait() const;
  Lane* next_lane();
  void pump();
  void end(PeerCall& call, Status status);
  void end_sent();
  void end_all();
  void abandon(PeerCall& call);
  bool replies_are_due() const { return !pending_.empty() || !abandoned_.empty(); }
  void close_if_silent(uint64_t given_ns);
  Leg* leg_of(ConnectionId connection);
  Status take_reply(const Message& message, Payload& payload);
  void carried(uint32_t payload_bytes);
  Status take_hello(Leg& leg, const Message& message);
  void ready();
  void close(Leg& leg, std::string_view why);
  void lost();
  void failed(const Leg& leg, std::string_view why);
  void log_failure(const Way& way, std::string_view why);
  void say_hello(Leg& leg);
  bool begin_connect(Leg& leg, const Way& way);
  void start_dial();
  Task<void> dial();
  Task<void> attempt(Way way);
  void attempt_too_late();
  bool can_climb() const;
  void start_climb();
  Task<void> climb();
  Task<bool> try_way(Way way);
  Task<void> move_over();
  void move();
  void drop_next(std::string_view why);

  PeersCore& core_;
  const NodeId node_;
  PeerWays ways_;
  std::string name_;  // as in the cluster's records
  bool stopped_ = false;
  bool dialing_ = false;
  bool climbing_ = false;
  bool holding_ = false;  // calls wait: the connection is about to be another one
  Leg leg_;               // that carries the calls
  Leg next_;              // the climb task's
  uint64_t connection_number_ = 0;
  uint64_t fallback_count_ = 0;
  uint64_t ready_at_ns_ = 0;  // since when the calls have this connection
  uint64_t better_pause_ns_ = kBetterPauseMinNs;
  uint64_t better_at_ns_ = 0;  // when the climb task tries again
  uint64_t request_id_ = 0;
  std::map<size_t, std::string> said_;  // by transport: failures are said once, not each time
  std::string said_none_;
  std::array<Lane, kMessageTypeCount> lanes_;
  PendingCalls pending_;
  std::map<uint64_t, Abandoned> abandoned_;  // timed out; their replies may still come
  WaitList changed_;                         // a leg, the ways, what is pending, or stopped
};

}  // namespace varve
