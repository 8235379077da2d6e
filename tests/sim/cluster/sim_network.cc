#include "tests/sim/cluster/sim_network.h"

#include <algorithm>

#include "core/base/text.h"
#include "tests/sim/cluster/sim_transport.h"

namespace varve {

namespace {
constexpr uint64_t kRetryNs = 5 * kMillisecond;
constexpr uint64_t kLateFactor = 200;
}  // namespace

SimNetwork::SimNetwork(SimLoop& loop, uint32_t node_count, SimNetworkOptions options, uint64_t seed,
                       ClusterFaultCounts& counts)
    : loop_(loop),
      node_count_(node_count),
      options_(options),
      random_(seed ^ 0x2f6b1d9ce4a87035),
      counts_(counts),
      links_(size_t{node_count} * node_count),
      transports_(node_count) {}

std::string SimNetwork::address_of(uint32_t node) {
  return text("sim:", node);
}

std::string SimNetwork::state_text() const {
  static constexpr const char* kStates[] = {"opening", "open", "closed"};
  std::string out;
  for (const auto& [number, connection] : connections_) {
    out += text("  connection ", number, ":");
    for (const End& end : connection.ends) {
      out += text(" node ", end.node, " ", kStates[static_cast<size_t>(end.state)], ", ",
                  end.coming.size(), " coming, ", end.notices.size(), " to be told, ",
                  end.sends.size(), " sends open", end.was_busy ? ", busy;" : ";");
    }
    out += "\n";
  }
  return out;
}

void SimNetwork::offend(std::string what) {
  if (offence_.empty()) offence_ = std::move(what);
}

SimNetwork::Connection* SimNetwork::find(uint64_t number) {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : &found->second;
}

SimNetwork::End* SimNetwork::open_end(ConnectionId id) {
  Connection* connection = find(id / 2);
  if (connection == nullptr) return nullptr;
  End& end = connection->ends[id % 2];
  return end.state == EndState::kOpen ? &end : nullptr;
}

uint64_t SimNetwork::draw_delay_ns() {
  uint64_t delay_ns = options_.delay_min_ns + random_.below(options_.delay_spread_ns + 1);
  if (random_.chance(options_.late_per_mille, 1000)) {
    counts_.add(ClusterFault::kMessageLate);
    delay_ns *= 1 + random_.below(kLateFactor);
  }
  return delay_ns;
}

void SimNetwork::attach(SimTransport& transport) {
  VARVE_CHECK(transports_[transport.node()] == nullptr);
  transports_[transport.node()] = &transport;
}

void SimNetwork::detach(SimTransport& transport, bool silent) {
  if (transports_[transport.node()] == &transport) transports_[transport.node()] = nullptr;
  std::vector<uint64_t> numbers;
  for (const auto& [number, connection] : connections_) numbers.push_back(number);
  for (const uint64_t number : numbers) {
    for (uint32_t side = 0; side < 2; ++side) {
      Connection* connection = find(number);
      if (connection == nullptr || connection->ends[side].transport != &transport) continue;
      End& end = connection->ends[side];
      if (end.state == EndState::kOpening) {
        end_connect(number, ErrorCode::kNotFound);
        continue;
      }
      std::erase_if(end.notices,
                    [](const Notice& notice) { return notice.kind == Notice::Kind::kReceived; });
      close_end(*connection, side, ErrorCode::kClosed,
                silent ? Farewell::kSilent : Farewell::kSoon);
      // An end may have been closed before, its last words behind what waited for a buffer.
      transport.wake(id_of(number, side));
    }
  }
}

// --- connecting

uint64_t SimNetwork::connect(SimTransport& from, uint32_t to, uint64_t op_id) {
  const uint64_t number = ++connection_count_;
  Connection& connection = connections_[number];
  connection.number = number;
  connection.connect_op = op_id;
  connection.connect_deadline_ns = loop_.monotonic_ns() + options_.connect_timeout_ns / 2 +
                                   random_.below(options_.connect_timeout_ns);
  connection.ends[0].node = from.node();
  connection.ends[0].transport = &from;
  connection.ends[1].node = to;
  loop_.schedule(draw_delay_ns(), [this, number] { reach_listener(number); });
  return number;
}

void SimNetwork::reach_listener(uint64_t number) {
  Connection* connection = find(number);
  if (connection == nullptr || connection->ends[0].state != EndState::kOpening) return;
  const uint32_t from = connection->ends[0].node;
  const uint32_t to = connection->ends[1].node;
  const bool reachable = link(from, to).unconnectable_until_ns <= loop_.monotonic_ns();
  if (is_cut(from, to) || is_cut(to, from) || !reachable) {
    if (loop_.monotonic_ns() < connection->connect_deadline_ns) {
      loop_.schedule(kRetryNs, [this, number] { reach_listener(number); });
      return;
    }
    counts_.add(ClusterFault::kConnectTimedOut);
    end_connect(number, ErrorCode::kNotFound);
    return;
  }
  SimTransport* listener = transports_[to];
  if (listener == nullptr || !listener->listening_ ||
      random_.chance(options_.connect_fail_per_mille, 1000)) {
    counts_.add(ClusterFault::kConnectRefused);
    loop_.schedule(draw_delay_ns(), [this, number] { end_connect(number, ErrorCode::kNotFound); });
    return;
  }
  End& end = connection->ends[1];
  end.transport = listener;
  end.state = EndState::kOpen;
  end.notices.push_back({.kind = Notice::Kind::kAccepted});
  listener->wake(id_of(number, 1));
  loop_.schedule(draw_delay_ns(), [this, number] { establish(number); });
}

void SimNetwork::establish(uint64_t number) {
  Connection* connection = find(number);
  if (connection == nullptr || connection->ends[0].state != EndState::kOpening) return;
  if (is_cut(connection->ends[1].node, connection->ends[0].node)) {
    if (loop_.monotonic_ns() < connection->connect_deadline_ns) {
      loop_.schedule(kRetryNs, [this, number] { establish(number); });
      return;
    }
    counts_.add(ClusterFault::kConnectTimedOut);
    end_connect(number, ErrorCode::kNotFound);
    return;
  }
  if (connection->ends[1].state != EndState::kOpen ||
      random_.chance(options_.connect_fail_per_mille, 1000)) {
    counts_.add(ClusterFault::kConnectRefused);
    end_connect(number, ErrorCode::kNotFound);
    return;
  }
  End& end = connection->ends[0];
  end.state = EndState::kOpen;
  end.notices.push_back({.kind = Notice::Kind::kConnected, .op_id = connection->connect_op});
  end.transport->wake(id_of(number, 0));
  if (!end.coming.empty()) schedule_pump(*connection, 0, end.coming.front().arrives_ns);
}

void SimNetwork::end_connect(uint64_t number, ErrorCode result) {
  Connection* connection = find(number);
  if (connection == nullptr || connection->ends[0].state != EndState::kOpening) return;
  End& end = connection->ends[0];
  end.state = EndState::kClosed;
  end.told_closed = true;
  if (end.transport != nullptr) {
    end.transport->failed_connects_.emplace_back(connection->connect_op, result);
    end.transport->wake(0);
  }
  if (connection->ends[1].state == EndState::kOpen) {
    say_farewell(*connection, 1, ErrorCode::kIoError, Farewell::kSoon);
  }
  forget_if_over(number);
}

// --- messages

void SimNetwork::send(Connection& connection, uint32_t side, Message message, Send send) {
  End& end = connection.ends[side];
  End& other = connection.ends[1 - side];
  Link& way = link(end.node, other.node);
  const uint64_t now_ns = loop_.monotonic_ns();
  send.number = ++send_count_;
  const uint64_t number = connection.number;
  const uint64_t transit_ns = draw_delay_ns();
  // The memory comes back at once, when the message may have arrived, or long after that.
  const uint64_t kept = random_.below(8);
  uint64_t memory_ns = kept < 4 ? 0 : transit_ns + draw_delay_ns();
  if (kept == 7) {
    memory_ns *= 10;
    counts_.add(ClusterFault::kSentLate);
  }
  loop_.schedule(memory_ns,
                 [this, number, send_number = send.number, packed = side * 2 + (kept >= 4)] {
                   end_send(number, packed / 2, send_number, packed % 2 != 0);
                 });
  end.sends.push_back(std::move(send));
  if (random_.chance(options_.stall_per_100k, 100'000)) {
    stall(end.node, other.node, random_.below(options_.stall_max_ns));
  }
  if (other.state != EndState::kClosed) {
    end.outgoing_bytes += message.bytes();
    message.arrives_ns = std::max(other.last_arrival_ns, now_ns + transit_ns);
    other.last_arrival_ns = message.arrives_ns;
    other.coming.push_back(std::move(message));
    if (!way.cut) schedule_pump(connection, 1 - side, other.coming.front().arrives_ns);
  }
  if (random_.chance(options_.break_per_100k, 100'000)) {
    break_somewhere(connection);
  }
}

// Too much is on its way, or so it says.
bool SimNetwork::refuse_as_busy(ConnectionId id) {
  End& end = *open_end(id);
  const bool full = end.outgoing_bytes >= options_.window_bytes;
  if (!full && !random_.chance(options_.busy_per_mille, 1000)) return false;
  counts_.add(ClusterFault::kSendBusy);
  end.was_busy = true;
  if (full) return true;
  loop_.schedule(draw_delay_ns(), [this, id] {
    End* busy = open_end(id);
    if (busy == nullptr || !busy->was_busy) return;
    busy->was_busy = false;
    busy->tell_writable = true;
    busy->transport->wake(id);
  });
  return true;
}

void SimNetwork::wake_later(ConnectionId id, uint64_t delay_ns) {
  loop_.schedule(delay_ns, [this, id] {
    const Connection* connection = find(id / 2);
    if (connection == nullptr || connection->ends[id % 2].transport == nullptr) return;
    connection->ends[id % 2].transport->wake(id);
  });
}

void SimNetwork::end_send(uint64_t number, uint32_t side, uint64_t send_number, bool acknowledged) {
  Connection* connection = find(number);
  if (connection == nullptr) return;
  End& end = connection->ends[side];
  const auto found = std::find_if(end.sends.begin(), end.sends.end(),
                                  [send_number](const Send& s) { return s.number == send_number; });
  if (found == end.sends.end() || end.state != EndState::kOpen) return;
  const uint32_t other = connection->ends[1 - side].node;
  if (acknowledged && (is_cut(end.node, other) || is_cut(other, end.node))) {
    loop_.schedule(
        kRetryNs, [this, number, side, send_number] { end_send(number, side, send_number, true); });
    return;
  }
  end.transport->check_memory(*found);
  end.ended_sends.emplace_back(found->op_id, ErrorCode::kOk);
  end.sends.erase(found);
  end.transport->wake(id_of(number, side));
}

void SimNetwork::schedule_pump(Connection& connection, uint32_t side, uint64_t time_ns) {
  End& end = connection.ends[side];
  const uint64_t now_ns = loop_.monotonic_ns();
  time_ns = std::max(time_ns, now_ns);
  if (end.pump_ns <= time_ns) return;
  end.pump_ns = time_ns;
  loop_.schedule(time_ns - now_ns,
                 [this, number = connection.number, side] { pump(number, side); });
}

void SimNetwork::pump(uint64_t number, uint32_t side) {
  Connection* connection = find(number);
  if (connection == nullptr) return;
  End& end = connection->ends[side];
  const uint64_t now_ns = loop_.monotonic_ns();
  if (end.pump_ns <= now_ns) end.pump_ns = kNever;
  if (end.state != EndState::kOpen) return;
  const End& other = connection->ends[1 - side];
  const Link& way = link(other.node, end.node);
  if (way.cut) return;
  if (way.stalled_until_ns > now_ns) return schedule_pump(*connection, side, way.stalled_until_ns);
  while (!end.coming.empty() && end.coming.front().arrives_ns <= now_ns) {
    Message message = std::move(end.coming.front());
    end.coming.pop_front();
    if (message.last) {
      end.state = EndState::kClosed;
      end.coming.clear();
      end.notices.push_back({.kind = Notice::Kind::kClosed, .result = message.why});
      break;
    }
    if (random_.chance(options_.buffers_missing_per_mille, 1000)) {
      end.no_buffer_until_ns = now_ns + random_.below(20 * kMillisecond);
    }
    end.notices.push_back({.kind = Notice::Kind::kReceived, .message = std::move(message)});
  }
  if (!end.coming.empty()) schedule_pump(*connection, side, end.coming.front().arrives_ns);
  if (!end.notices.empty()) end.transport->wake(id_of(number, side));
}

bool SimNetwork::newer_exists(const Connection& connection) const {
  for (auto newer = connections_.upper_bound(connection.number); newer != connections_.end();
       ++newer) {
    const Connection& other = newer->second;
    if (other.ends[0].node == connection.ends[0].node &&
        other.ends[1].node == connection.ends[1].node && other.ends[0].state == EndState::kOpen &&
        other.ends[1].state == EndState::kOpen)
      return true;
  }
  return false;
}

void SimNetwork::taken(uint64_t number, uint32_t side, uint64_t bytes) {
  ++messages_delivered_;
  loop_.note(number * 4 + side);
  loop_.note(bytes);
  Connection* connection = find(number);
  End& sender = connection->ends[1 - side];
  if (sender.state == EndState::kClosed && newer_exists(*connection)) {
    counts_.add(ClusterFault::kOldConnectionLate);
  }
  sender.outgoing_bytes -= std::min(sender.outgoing_bytes, bytes);
  if (!sender.was_busy || sender.outgoing_bytes > options_.window_bytes / 2) return;
  sender.was_busy = false;
  if (sender.state != EndState::kOpen) return;
  sender.tell_writable = true;
  sender.transport->wake(id_of(number, 1 - side));
}

// --- endings

// The other side learns of the end of the connection, after some of what was on its way.
void SimNetwork::say_farewell(Connection& connection, uint32_t to_side, ErrorCode why,
                              Farewell farewell) {
  End& end = connection.ends[to_side];
  const uint64_t number = connection.number;
  if (end.state == EndState::kClosed) return;
  if (end.state == EndState::kOpening) {
    if (to_side == 0) {
      loop_.schedule(draw_delay_ns(),
                     [this, number] { end_connect(number, ErrorCode::kNotFound); });
    }
    return;
  }
  const uint64_t now_ns = loop_.monotonic_ns();
  uint64_t hold_ns = 0;
  if (farewell == Farewell::kSilent) {
    hold_ns = options_.user_timeout_ns / 2 + random_.below(options_.user_timeout_ns);
  } else if (farewell == Farewell::kLate || random_.chance(options_.linger_per_mille, 1000)) {
    hold_ns = random_.below(options_.linger_max_ns);
  }
  if (farewell == Farewell::kLate)
    link(connection.ends[1 - to_side].node, end.node).unconnectable_until_ns = now_ns + hold_ns;
  const bool all_arrives = farewell == Farewell::kLate || random_.chance(1, 2);
  if (!all_arrives) end.coming.resize(random_.below(end.coming.size() + 1));
  if (farewell != Farewell::kSilent) {
    for (Message& message : end.coming) message.arrives_ns += hold_ns;
  }
  end.last_arrival_ns =
      std::max(end.coming.empty() ? 0 : end.coming.back().arrives_ns, now_ns + hold_ns) +
      draw_delay_ns();
  end.coming.push_back({.arrives_ns = end.last_arrival_ns, .last = true, .why = why});
  schedule_pump(connection, to_side, end.coming.front().arrives_ns);
}

// This side ends now. Of what has arrived but was not told yet, a part is lost.
void SimNetwork::close_end(Connection& connection, uint32_t side, ErrorCode why,
                           Farewell farewell) {
  End& end = connection.ends[side];
  if (end.state != EndState::kOpen) return;
  end.state = EndState::kClosed;
  end.coming.clear();
  size_t kept = random_.below(end.notices.size() + 1);
  while (end.notices.size() > kept && end.notices.back().kind == Notice::Kind::kReceived) {
    end.notices.pop_back();
  }
  end.notices.push_back({.kind = Notice::Kind::kClosed, .result = why});
  end.transport->wake(id_of(connection.number, side));
  const bool on_purpose = why == ErrorCode::kOk || why == ErrorCode::kClosed;
  say_farewell(connection, 1 - side, on_purpose ? ErrorCode::kClosed : ErrorCode::kIoError,
               farewell);
}

void SimNetwork::break_somewhere(Connection& connection) {
  counts_.add(ClusterFault::kConnectionBroken);
  close_end(connection, static_cast<uint32_t>(random_.below(2)), ErrorCode::kIoError,
            Farewell::kSoon);
}

void SimNetwork::forget_if_over(uint64_t number) {
  Connection* connection = find(number);
  if (connection == nullptr) return;
  for (const End& end : connection->ends) {
    if (end.state == EndState::kOpen || (end.transport != nullptr && !end.told_closed)) return;
  }
  connections_.erase(number);
}

void SimNetwork::break_connections(uint32_t a, uint32_t b) {
  for (auto& [number, connection] : connections_) {
    const uint32_t from = connection.ends[0].node;
    const uint32_t to = connection.ends[1].node;
    if (!((from == a && to == b) || (from == b && to == a))) continue;
    break_somewhere(connection);
  }
}

void SimNetwork::break_late(uint32_t from, uint32_t to) {
  for (auto& [number, connection] : connections_) {
    if (connection.ends[0].node != from || connection.ends[1].node != to) continue;
    counts_.add(ClusterFault::kConnectionBroken);
    close_end(connection, 0, ErrorCode::kIoError, Farewell::kLate);
  }
}

void SimNetwork::stall(uint32_t from, uint32_t to, uint64_t duration_ns) {
  counts_.add(ClusterFault::kDirectionStalled);
  Link& way = link(from, to);
  way.stalled_until_ns = std::max(way.stalled_until_ns, loop_.monotonic_ns() + duration_ns);
}

void SimNetwork::cut(uint32_t from, uint32_t to) {
  Link& way = link(from, to);
  if (way.cut) return;
  way.cut = true;
  ++way.cut_number;
  for (const auto& [number, connection] : connections_) {
    const uint32_t a = connection.ends[0].node;
    const uint32_t b = connection.ends[1].node;
    if (!((from == a && to == b) || (from == b && to == a))) continue;
    for (uint32_t side = 0; side < 2; ++side) {
      uint64_t timeout_ns = options_.user_timeout_ns / 2 + random_.below(options_.user_timeout_ns);
      // A side that has nothing to send has only its keepalive to tell it.
      if (random_.chance(1, 3)) timeout_ns *= 4;
      loop_.schedule(timeout_ns,
                     [this, number = number, side, from, to, cut_number = way.cut_number] {
                       time_out(number, side, from, to, cut_number);
                     });
    }
  }
}

void SimNetwork::time_out(uint64_t number, uint32_t side, uint32_t from, uint32_t to,
                          uint64_t cut_number) {
  Connection* connection = find(number);
  const Link& way = link(from, to);
  if (connection == nullptr || !way.cut || way.cut_number != cut_number) return;
  if (connection->ends[side].state != EndState::kOpen) return;
  counts_.add(ClusterFault::kPartitionTimedOut);
  close_end(*connection, side, ErrorCode::kIoError, Farewell::kSoon);
}

void SimNetwork::heal(uint32_t from, uint32_t to) {
  Link& way = link(from, to);
  if (!way.cut) return;
  way.cut = false;
  for (auto& [number, connection] : connections_) {
    const uint32_t a = connection.ends[0].node;
    const uint32_t b = connection.ends[1].node;
    if (!((from == a && to == b) || (from == b && to == a))) continue;
    if (random_.chance(1, 4)) break_somewhere(connection);
    for (uint32_t side = 0; side < 2; ++side) {
      const End& end = connection.ends[side];
      if (end.state != EndState::kOpen || end.coming.empty()) continue;
      schedule_pump(connection, side, end.coming.front().arrives_ns);
    }
  }
}

void SimNetwork::heal_all() {
  for (uint32_t from = 0; from < node_count_; ++from) {
    for (uint32_t to = 0; to < node_count_; ++to) {
      heal(from, to);
      link(from, to).stalled_until_ns = 0;
      link(from, to).unconnectable_until_ns = 0;
    }
  }
}

}  // namespace varve
