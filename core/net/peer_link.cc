#include "core/net/peer_link.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/net/peers_core.h"
#include "core/wire/message_payload.h"

namespace varve {
namespace {

constexpr std::string_view kNoHello = "no answer to Hello in time";

// Of its own and its reply's, as far as the request tells.
uint32_t longest_payload(const PeerCall& call) {
  const std::array<std::byte, kBodyBytesMax> zeroes{};
  const std::span reply = std::span(zeroes).first(body_bytes_of(call.type, true));
  const Result<uint32_t> bytes = reply_payload_bytes(call.type, call.body, reply);
  return std::max(call.payload_bytes, bytes.ok() ? *bytes : 0);
}

}  // namespace

PeerLink::PeerLink(PeersCore& core, NodeId node)
    : core_(core), node_(node), ways_(core.transports()), changed_(core.runtime().ready) {}

PeerLink::~PeerLink() {
  VARVE_CHECK(pending_.empty() && !calls_wait() && !dialing_ && !climbing_);
}

void PeerLink::set_addresses(const std::vector<PeerAddress>& addresses) {
  const bool changed = ways_.set(addresses);
  const std::string none = ways_.why_none();
  if (!none.empty() && none != said_none_)
    log_error("net", "node " + std::to_string(static_cast<uint32_t>(node_)) + ": " + none);
  said_none_ = none;
  if (!changed) return;
  if (ways_.empty() && leg_.connection == 0) end_all();
  better_pause_ns_ = kBetterPauseMinNs;
  better_at_ns_ = 0;
  changed_.wake_all();
  start_dial();
  start_climb();
}

PeerConnection PeerLink::connection() const {
  PeerConnection now;
  now.fallback_count = fallback_count_;
  if (leg_.state == State::kReady) {
    now.transport = core_.transports().name(leg_.way.transport);
    now.address = leg_.way.address;
    now.fallback = ways_.why_not_better(leg_.way);
  } else {
    now.problem = said_none_;
  }
  return now;
}

bool PeerLink::calls_wait() const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return !lane.queue.empty(); });
}

Task<Status> PeerLink::call(PeerCall& call, uint64_t deadline_ns) {
  if (stopped_ || (leg_.connection == 0 && ways_.empty())) co_return ErrorCode::kClosed;
  const PeersCore::Operation operation(core_);
  call.request_id = ++request_id_;
  call.encode({.type = call.type, .request_id = call.request_id, .body = call.body},
              call.payload_slices);
  call.longest_bytes = longest_payload(call);
  const uint64_t now_ns = core_.runtime().clock.monotonic_ns();
  call.given_ns = deadline_ns - std::min(deadline_ns, now_ns);
  call.state = CallState::kQueued;
  lane(call.type).queue.push_back(call);
  if (leg_.state == State::kReady)
    pump();
  else
    start_dial();
  TimerQueue& timers = core_.runtime().timers;
  while (call.state != CallState::kEnded) {
    const bool woken = co_await call.changed.wait_until(timers, deadline_ns);
    if (!woken && call.state != CallState::kEnded) abandon(call);
  }
  if (call.with_transport) {
    const uint64_t grace_ns = core_.runtime().clock.monotonic_ns() + kSendGraceNs;
    co_await core_.sends().memory_back(call, grace_ns);
  }
  co_return call.status;
}

// The lane whose first call is the oldest, among those that may send.
PeerLink::Lane* PeerLink::next_lane() {
  Lane* next = nullptr;
  uint64_t oldest = 0;
  for (Lane& lane : lanes_) {
    if (lane.queue.empty() || lane.unanswered >= kRequestsOfTypeMax) continue;
    const uint64_t request_id = static_cast<PeerCall&>(lane.queue.front()).request_id;
    if (next != nullptr && request_id > oldest) continue;
    next = &lane;
    oldest = request_id;
  }
  return next;
}

void PeerLink::pump() {
  while (leg_.state == State::kReady && !leg_.blocked && !holding_) {
    Lane* lane = next_lane();
    if (lane == nullptr) return;
    PeerCall& call = static_cast<PeerCall&>(lane->queue.front());
    const Status sent = core_.sends().send(leg_.connection, call);
    if (sent.ok()) {
      lane->queue.pop_front();
      ++lane->unanswered;
      call.state = CallState::kSent;
      if (!replies_are_due()) leg_.heard_ns = core_.runtime().clock.monotonic_ns();
      leg_.asked_bytes = std::max(leg_.asked_bytes, call.longest_bytes);
      pending_.insert(call);
    } else if (sent.code() == ErrorCode::kBusy || sent.code() == ErrorCode::kClosed) {
      leg_.blocked = true;  // writable() or closed() follows
    } else {
      close(leg_, "the transport refuses to send: " + std::string(sent.message()));
    }
  }
}

void PeerLink::end(PeerCall& call, Status status) {
  call.state = CallState::kEnded;
  call.status = std::move(status);
  call.changed.wake_all();
  if (holding_ && pending_.empty()) changed_.wake_all();
}

void PeerLink::end_sent() {
  while (!pending_.empty()) {
    PeerCall& call = *pending_.begin();
    pending_.erase(pending_.begin());
    end(call, ErrorCode::kClosed);
  }
  for (Lane& lane : lanes_) lane.unanswered = 0;
  abandoned_.clear();
}

void PeerLink::end_all() {
  end_sent();
  for (Lane& lane : lanes_) {
    while (!lane.queue.empty()) {
      PeerCall& call = static_cast<PeerCall&>(lane.queue.front());
      lane.queue.pop_front();
      end(call, ErrorCode::kClosed);
    }
  }
}

// Its time is over. A reply to it still counts for the connection, but no more for the caller.
void PeerLink::abandon(PeerCall& call) {
  if (call.state == CallState::kSent) {
    pending_.erase(pending_.iterator_to(call));
    abandoned_[call.request_id] = {call.type, call.payload_bytes};
  } else {
    lane(call.type).queue.erase(MessageQueue::s_iterator_to(call));
  }
  const uint64_t given_ns = call.given_ns;
  end(call, ErrorCode::kTimedOut);
  close_if_silent(given_ns);
}

// The other side may have stopped without an end of the connection: its plugin, say, is not called
// any more. `given_ns`: what a call was given that has timed out.
void PeerLink::close_if_silent(uint64_t given_ns) {
  if (leg_.state != State::kReady || !replies_are_due()) return;
  const uint64_t silent_ns = core_.runtime().clock.monotonic_ns() - leg_.heard_ns;
  if (silent_ns < kSilentNs || silent_ns / kSilentCalls < given_ns) return;
  close(leg_, text("no reply for ", silent_ns / kMillisecond, " ms"));
}

bool PeerLink::connected(uint64_t op_id, ErrorCode result, ConnectionId connection) {
  Leg& leg = op_id == next_.connect_op ? next_ : leg_;
  if (op_id != leg.connect_op || leg.state != State::kConnecting) return false;
  leg.connect_op = 0;
  if (result == ErrorCode::kOk) {
    leg.connection = connection;
    say_hello(leg);
  } else {
    failed(leg, "no connection: " + std::string(error_name(result)));
    leg = {};
  }
  changed_.wake_all();
  return true;
}

void PeerLink::say_hello(Leg& leg) {
  const PeersOptions& options = core_.options();
  const HelloRequest hello{.cluster = options.cluster, .node = options.node, .boot = options.boot};
  OutgoingMessage message(core_.runtime().ready);
  message.encode({.type = MessageType::kHello, .body = body_bytes(hello)}, {});
  leg.state = State::kGreeting;
  const Status sent = core_.sends().send(leg.connection, message);
  if (!sent.ok()) close(leg, "the transport refuses to send Hello: " + std::string(sent.message()));
}

PeerLink::Leg* PeerLink::leg_of(ConnectionId connection) {
  if (connection == leg_.connection) return &leg_;
  return connection == next_.connection ? &next_ : nullptr;
}

void PeerLink::received(ConnectionId connection, std::span<const std::byte> header,
                        uint32_t payload_bytes, Payload payload) {
  Leg* leg = leg_of(connection);
  if (leg == nullptr || (leg->state != State::kGreeting && leg->state != State::kReady)) return;
  const Result<Message> message = decode_message(header, payload_bytes);
  Status taken = message.status();
  if (message.ok() && leg->state == State::kGreeting)
    taken = take_hello(*leg, *message);
  else if (message.ok() && leg == &leg_)
    taken = take_reply(*message, payload);
  else if (message.ok())
    taken = {ErrorCode::kDamaged, "a reply to nothing"};
  if (!taken.ok()) return close(*leg, taken.message());
  pump();
}

Status PeerLink::take_hello(Leg& leg, const Message& message) {
  if (message.type != MessageType::kHello || !message.reply || message.request_id != 0)
    return {ErrorCode::kDamaged, "something else than the answer to Hello"};
  if (message.status != ErrorCode::kOk)
    return {message.status, "it refuses this node: " + std::string(error_name(message.status))};
  if (message.payload_bytes != 0) return {ErrorCode::kDamaged, "an answer to Hello with a payload"};
  const auto hello = load_body<HelloReply>(message.body);
  if (hello.node != node_)
    return {ErrorCode::kInvalidArgument,
            "there is node " + std::to_string(static_cast<uint32_t>(hello.node))};
  const Status named = core_.check_name(leg.connection, node_);
  if (!named.ok()) return {named.code(), "not " + std::string(named.message())};
  leg.state = State::kReady;
  if (&leg == &leg_) ready();
  changed_.wake_all();
  return {};
}

// Calls have another connection from now on.
void PeerLink::ready() {
  ready_at_ns_ = core_.runtime().clock.monotonic_ns();
  ++connection_number_;
  ways_.made(leg_.way);
  said_.erase(leg_.way.transport);
  const std::string over = core_.transports().name(leg_.way.transport);
  const std::string who = "connected to node " + std::to_string(static_cast<uint32_t>(node_)) +
                          " at " + leg_.way.address + " over " + over;
  if (ways_.rank(leg_.way) == 0) return log_info("net", who);
  ++fallback_count_;
  log_warn("net", who + "; fallback: " + ways_.why_not_better(leg_.way));
  start_climb();
}

// An error closes the connection.
Status PeerLink::take_reply(const Message& message, Payload& payload) {
  if (!message.reply) return {ErrorCode::kDamaged, "a request where replies belong"};
  leg_.heard_ns = core_.runtime().clock.monotonic_ns();
  const auto late = abandoned_.find(message.request_id);
  if (late != abandoned_.end() && late->second.type == message.type) {
    carried(std::max(late->second.payload_bytes, message.payload_bytes));
    abandoned_.erase(late);
    --lane(message.type).unanswered;
    return {};
  }
  const auto found = pending_.find(message.request_id);
  if (found == pending_.end() || found->type != message.type)
    return {ErrorCode::kDamaged, "a reply to nothing"};
  PeerCall& call = *found;
  uint32_t expected_bytes = 0;
  if (message.status == ErrorCode::kOk) {
    const Result<uint32_t> bytes = reply_payload_bytes(message.type, call.body, message.body);
    if (!bytes.ok()) return bytes.status();
    expected_bytes = *bytes;
  }
  if (message.payload_bytes != expected_bytes)
    return {ErrorCode::kDamaged, "a reply whose payload has another size than its body says"};
  pending_.erase(found);
  --lane(message.type).unanswered;
  if (!leg_.proven) ways_.worked(leg_.way);
  leg_.proven = true;
  carried(std::max(call.payload_bytes, message.payload_bytes));
  call.reply_body = MessageBody(message.body);
  call.payload = std::move(payload);
  end(call, message.status);
  return {};
}

// There and back.
void PeerLink::carried(uint32_t payload_bytes) {
  if (payload_bytes <= leg_.answered_bytes) return;
  leg_.answered_bytes = payload_bytes;
  ways_.carried(leg_.way, payload_bytes);
}

// The connection is given up by this side; closed() follows.
void PeerLink::close(Leg& leg, std::string_view why) {
  if (&leg == &next_) return drop_next(why);
  failed(leg, why);
  if (leg.state == State::kReady) end_all();
  leg.state = State::kClosing;
  core_.transports().disconnect(leg.connection);
  changed_.wake_all();
}

void PeerLink::failed(const Leg& leg, std::string_view why) {
  if (stopped_) return;
  const uint64_t now_ns = core_.runtime().clock.monotonic_ns();
  if (!leg.proven) {
    ways_.failed(leg.way, why, now_ns);
  } else if (leg.asked_bytes > leg.answered_bytes &&
             ways_.lost_long(leg.way, leg.asked_bytes, now_ns)) {
    why = "it carries short messages and loses long ones";
    ways_.failed(leg.way, why, now_ns);
  }
  std::string& said = said_[leg.way.transport];
  if (why == said) return;
  said = why;
  log_warn("net", "node " + std::to_string(static_cast<uint32_t>(node_)) + " at " +
                      leg.way.address + " over " + core_.transports().name(leg.way.transport) +
                      ": " + said);
}

void PeerLink::closed(ConnectionId connection, ErrorCode why) {
  Leg* leg = leg_of(connection);
  if (leg == nullptr) return;
  if (leg == &next_) {
    // The transport has closed it: there is nothing to disconnect.
    failed(next_, "connection lost: " + std::string(error_name(why)));
    next_ = {};
    return changed_.wake_all();
  }
  if (leg_.state != State::kClosing)
    failed(leg_, "connection lost: " + std::string(error_name(why)));
  if (leg_.state == State::kReady) lost();
  leg_ = {};
  if (next_.state == State::kReady) move();
  changed_.wake_all();
  start_dial();
}

// A connection that lasted for a while makes the next fallback a short one.
void PeerLink::lost() {
  if (core_.runtime().clock.monotonic_ns() - ready_at_ns_ >= kSteadyNs)
    better_pause_ns_ = kBetterPauseMinNs;
  end_all();
}

void PeerLink::writable(ConnectionId connection) {
  Leg* leg = leg_of(connection);
  if (leg == nullptr) return;
  leg->blocked = false;
  pump();
}

void PeerLink::stop() {
  stopped_ = true;
  end_all();
  for (Leg* leg : {&leg_, &next_}) {
    leg->connect_op = 0;
    if (leg->state == State::kConnecting) leg->state = State::kIdle;
    if (leg->connection == 0 || leg->state == State::kClosing) continue;
    leg->state = State::kClosing;
    core_.transports().disconnect(leg->connection);
  }
  changed_.wake_all();
}

bool PeerLink::begin_connect(Leg& leg, const Way& way) {
  leg = {.state = State::kConnecting, .way = way};
  const Result<uint64_t> op_id = core_.connect(*this, way);
  if (op_id.ok()) {
    leg.connect_op = *op_id;
    return true;
  }
  failed(leg, op_id.status().message());
  leg = {};
  return false;
}

void PeerLink::start_dial() {
  if (dialing_ || stopped_ || leg_.state == State::kReady || ways_.empty() || !calls_wait()) return;
  dialing_ = true;
  core_.tasks().start(dial());
}

Task<void> PeerLink::dial() {
  while (!stopped_ && leg_.state != State::kReady && !ways_.empty() && calls_wait()) {
    uint64_t next_ns = 0;
    const Way* way = ways_.due(core_.runtime().clock.monotonic_ns(), &next_ns);
    if (leg_.state == State::kClosing) {
      co_await changed_.wait();
    } else if (way == nullptr) {
      co_await changed_.wait_until(core_.runtime().timers, next_ns);
    } else {
      const Way wanted = *way;
      co_await attempt(wanted);
    }
  }
  dialing_ = false;
}

// One connection, up to the answer to Hello.
Task<void> PeerLink::attempt(Way way) {
  const uint64_t deadline_ns = core_.runtime().clock.monotonic_ns() + kConnectNs;
  if (!begin_connect(leg_, way)) co_return;
  while (leg_.state == State::kConnecting || leg_.state == State::kGreeting) {
    const bool woken = co_await changed_.wait_until(core_.runtime().timers, deadline_ns);
    if (!woken) attempt_too_late();
  }
}

void PeerLink::attempt_too_late() {
  if (leg_.state == State::kGreeting) {
    close(leg_, kNoHello);
  } else if (leg_.state == State::kConnecting) {
    failed(leg_, "no connection in time");
    leg_ = {};
  }
}

bool PeerLink::can_climb() const {
  return !stopped_ && leg_.state == State::kReady && ways_.rank(leg_.way) > 0 && !ways_.empty();
}

void PeerLink::start_climb() {
  if (climbing_ || !can_climb()) return;
  climbing_ = true;
  core_.tasks().start(climb());
}

Task<void> PeerLink::climb() {
  better_at_ns_ = core_.runtime().clock.monotonic_ns() + better_pause_ns_;
  while (can_climb()) {
    if (core_.runtime().clock.monotonic_ns() < better_at_ns_) {
      co_await changed_.wait_until(core_.runtime().timers, better_at_ns_);
      continue;
    }
    better_pause_ns_ = std::min(2 * better_pause_ns_, kBetterPauseMaxNs);
    bool go_on = true;
    for (size_t i = 0; go_on && can_climb() && i < ways_.rank(leg_.way); ++i) {
      const Way way = ways_.at(i);
      if (ways_.is_left_alone(i, core_.runtime().clock.monotonic_ns())) continue;
      go_on = co_await try_way(way);
    }
    better_at_ns_ = core_.runtime().clock.monotonic_ns() + better_pause_ns_;
  }
  climbing_ = false;
}

// One connection, up to the answer to Hello, while the calls go on where they are; then the move.
// False: no other way is worth a try now.
Task<bool> PeerLink::try_way(Way way) {
  const uint64_t deadline_ns = core_.runtime().clock.monotonic_ns() + kConnectNs;
  if (!begin_connect(next_, way)) co_return true;
  bool in_time = true;
  while (in_time && can_climb() &&
         (next_.state == State::kConnecting || next_.state == State::kGreeting))
    in_time = co_await changed_.wait_until(core_.runtime().timers, deadline_ns);
  if (can_climb() && next_.state == State::kReady) {
    co_await move_over();
    co_return false;
  }
  if (in_time)
    drop_next("");
  else
    drop_next(next_.state == State::kGreeting ? kNoHello : "no connection in time");
  co_return true;
}

// Nothing new is sent while it waits for what is on its way.
Task<void> PeerLink::move_over() {
  const uint64_t deadline_ns = core_.runtime().clock.monotonic_ns() + kMoveNs;
  holding_ = true;
  bool in_time = true;
  while (in_time && !pending_.empty() && can_climb() && next_.state == State::kReady)
    in_time = co_await changed_.wait_until(core_.runtime().timers, deadline_ns);
  holding_ = false;
  if (pending_.empty() && can_climb() && next_.state == State::kReady)
    move();
  else
    drop_next(in_time ? "" : "too much was on its way to change over");
  pump();
}

// The next connection is the one now; nothing is on its way on the old one, if there is one.
void PeerLink::move() {
  end_sent();
  if (leg_.connection != 0 && leg_.state != State::kClosing)
    core_.transports().disconnect(leg_.connection);
  leg_ = std::exchange(next_, {});
  ready();
}

// The climb task's connection is not to be had; nothing when it is there no more.
void PeerLink::drop_next(std::string_view why) {
  if (next_.state == State::kIdle) return;
  if (!why.empty()) failed(next_, why);
  const Leg dropped = std::exchange(next_, {});
  if (dropped.connection != 0 && dropped.state != State::kClosing)
    core_.transports().disconnect(dropped.connection);
  changed_.wake_all();
  start_dial();
}

}  // namespace varve
