// SimNetwork: the network between simulated nodes. It keeps the promises of plugins/abi/transport.h
// and does everything that these allow: messages take long, a direction stalls, a connection breaks
// and what was on its way is lost from some point on, one side notices long after the other (so
// that messages of an old connection arrive after a newer one is in use), nodes are parted in one
// or both directions, a node dies with or without a word.
//
// Addresses are "sim:<node>". The node's side is SimTransport (sim_transport.h).
//
// Thread rule: the loop's thread. Ownership: loop and counts are borrowed; the network outlives its
// transports. Units: nanoseconds of the loop's time, bytes.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/net/transport.h"
#include "tests/sim/cluster/cluster_faults.h"
#include "tests/sim/sim_loop.h"

namespace varve {

class SimShard;
class SimTransport;

struct SimNetworkOptions {
  uint64_t delay_min_ns = 20'000;
  uint64_t delay_spread_ns = 180'000;
  uint32_t late_per_mille = 0;  // messages that take up to 200 times as long
  uint32_t break_per_100k = 0;  // messages whose sending breaks the connection
  uint32_t stall_per_100k = 0;  // messages that stall their direction, for up to stall_max_ns
  uint64_t stall_max_ns = 400'000'000;
  uint32_t busy_per_mille = 0;             // sends told to wait though there is room
  uint32_t buffers_missing_per_mille = 0;  // arrivals that find no buffer for a while
  uint32_t linger_per_mille = 100;         // ends of connections that reach the other side late
  uint64_t linger_max_ns = 3'000'000'000;
  uint32_t connect_fail_per_mille = 0;
  uint64_t window_bytes = 8 * 1024 * 1024;   // on its way in one direction
  uint64_t user_timeout_ns = 4'000'000'000;  // half of it to one and a half
  uint64_t connect_timeout_ns = 2'000'000'000;
};

class SimNetwork {
 public:
  SimNetwork(SimLoop& loop, uint32_t node_count, SimNetworkOptions options, uint64_t seed,
             ClusterFaultCounts& counts);
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  static std::string address_of(uint32_t node);
  uint32_t node_count() const { return node_count_; }
  void set_options(SimNetworkOptions options) { options_ = options; }

  // Nothing sent from `from` reaches `to` until healed. Connections between them end after a while
  // on either side, or at the healing, or live on.
  void cut(uint32_t from, uint32_t to);
  void heal(uint32_t from, uint32_t to);
  void heal_all();
  bool is_cut(uint32_t from, uint32_t to) const { return links_[link_index(from, to)].cut; }
  // Nothing arrives from `from` at `to` for that long; what was sent comes afterwards.
  void stall(uint32_t from, uint32_t to, uint64_t duration_ns);
  // Breaks every connection between the two.
  void break_connections(uint32_t a, uint32_t b);
  // The same for those that `from` made: it notices at once, and cannot make new ones for a while,
  // at the end of which `to` still gets all that was on its way.
  void break_late(uint32_t from, uint32_t to);

  // Its connections, one line each, for a failure's report.
  std::string state_text() const;
  uint64_t messages_delivered() const { return messages_delivered_; }
  // The first time that somebody used a transport against its rules; empty when nobody did.
  const std::string& offence() const { return offence_; }

 private:
  friend class SimTransport;

  struct Message {
    std::vector<std::byte> header;
    std::shared_ptr<const std::vector<std::byte>> payload;  // null: none
    uint64_t arrives_ns = 0;
    bool last = false;  // no message: the other side has closed
    ErrorCode why = ErrorCode::kOk;
    uint64_t bytes() const { return header.size() + (payload ? payload->size() : 0); }
  };
  // A send whose memory is not yet the sender's again.
  struct Send {
    uint64_t number = 0;
    uint64_t op_id = 0;
    std::vector<std::span<const std::byte>> slices;
    std::shared_ptr<const std::vector<std::byte>> payload;  // as it was
  };
  enum class EndState : uint8_t { kOpening, kOpen, kClosed };
  // What the transport tells its user about one connection, in order.
  struct Notice {
    enum class Kind : uint8_t { kConnected, kAccepted, kReceived, kClosed } kind{};
    ErrorCode result = ErrorCode::kOk;
    uint64_t op_id = 0;
    Message message;
  };
  struct End {
    uint32_t node = 0;
    SimTransport* transport = nullptr;  // null: that life is over
    EndState state = EndState::kOpening;
    std::deque<Message> coming;  // in the network, in order
    uint64_t last_arrival_ns = 0;
    uint64_t pump_ns = kNever;  // when the next pump() is scheduled
    std::deque<Notice> notices;
    std::deque<std::pair<uint64_t, ErrorCode>> ended_sends;  // op_id, result: to be told
    std::vector<Send> sends;
    uint64_t outgoing_bytes = 0;  // sent by this end, not yet taken by the other side's user
    bool was_busy = false;        // owes a writable()
    bool tell_writable = false;
    uint64_t no_buffer_until_ns = 0;
    bool told_closed = false;
  };
  struct Connection {
    uint64_t number = 0;
    uint64_t connect_op = 0;
    uint64_t connect_deadline_ns = 0;
    End ends[2];  // 0: who connected
  };
  struct Link {
    bool cut = false;
    uint64_t cut_number = 0;
    uint64_t stalled_until_ns = 0;
    uint64_t unconnectable_until_ns = 0;
  };

  static ConnectionId id_of(uint64_t number, uint32_t side) { return number * 2 + side; }
  size_t link_index(uint32_t from, uint32_t to) const { return from * node_count_ + to; }
  Link& link(uint32_t from, uint32_t to) { return links_[link_index(from, to)]; }
  Connection* find(uint64_t number);
  End* open_end(ConnectionId id);

  void attach(SimTransport& transport);
  void detach(SimTransport& transport, bool silent);
  uint64_t connect(SimTransport& from, uint32_t to, uint64_t op_id);
  void reach_listener(uint64_t number);
  void end_connect(uint64_t number, ErrorCode result);
  void establish(uint64_t number);
  void send(Connection& connection, uint32_t side, Message message, Send send);
  bool refuse_as_busy(ConnectionId id);
  void wake_later(ConnectionId id, uint64_t delay_ns);
  void end_send(uint64_t number, uint32_t side, uint64_t send_number, bool acknowledged);
  // Moves what has arrived at that end to its user.
  void pump(uint64_t number, uint32_t side);
  void taken(uint64_t number, uint32_t side, uint64_t bytes);
  enum class Farewell : uint8_t { kSoon, kSilent, kLate };
  void close_end(Connection& connection, uint32_t side, ErrorCode why, Farewell farewell);
  void break_somewhere(Connection& connection);
  void say_farewell(Connection& connection, uint32_t to_side, ErrorCode why, Farewell farewell);
  void time_out(uint64_t number, uint32_t side, uint32_t from, uint32_t to, uint64_t cut_number);
  void forget_if_over(uint64_t number);
  bool newer_exists(const Connection& connection) const;

  uint64_t draw_delay_ns();
  void schedule_pump(Connection& connection, uint32_t side, uint64_t time_ns);
  void offend(std::string what);

  SimLoop& loop_;
  const uint32_t node_count_;
  SimNetworkOptions options_;
  Random random_;
  ClusterFaultCounts& counts_;
  std::vector<Link> links_;
  std::vector<SimTransport*> transports_;  // by node: the current life's, or null
  std::map<uint64_t, Connection> connections_;
  uint64_t connection_count_ = 0;
  uint64_t send_count_ = 0;
  uint64_t messages_delivered_ = 0;
  std::string offence_;
};

}  // namespace varve
