#include "core/net/peer_link.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/net/peers_core.h"

namespace varve {

PeerLink::PeerLink(PeersCore& core, NodeId node)
    : core_(core), node_(node), changed_(core.runtime().ready) {}

PeerLink::~PeerLink() {
  VARVE_CHECK(pending_.empty() && !calls_wait() && !dialing_);
}

void PeerLink::set_address(std::string address) {
  if (address == address_) return;
  address_ = std::move(address);
  pause_ns_ = 0;
  retry_at_ns_ = 0;
  changed_.wake_all();
  start_dial();
}

bool PeerLink::calls_wait() const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [](const Lane& lane) { return !lane.queue.empty(); });
}

Task<Status> PeerLink::call(PeerCall& call, uint64_t deadline_ns) {
  if (stopped_ || (connection_ == 0 && address_.empty())) co_return ErrorCode::kClosed;
  const PeersCore::Operation operation(core_);
  call.request_id = ++request_id_;
  call.encode({.type = call.type, .request_id = call.request_id, .body = call.body},
              call.payload_slices);
  call.state = CallState::kQueued;
  lane(call.type).queue.push_back(call);
  if (state_ == State::kReady)
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
  while (state_ == State::kReady && !blocked_) {
    Lane* lane = next_lane();
    if (lane == nullptr) return;
    PeerCall& call = static_cast<PeerCall&>(lane->queue.front());
    const Status sent = core_.sends().send(connection_, call);
    if (sent.ok()) {
      lane->queue.pop_front();
      ++lane->unanswered;
      call.state = CallState::kSent;
      pending_.insert(call);
    } else if (sent.code() == ErrorCode::kBusy || sent.code() == ErrorCode::kClosed) {
      blocked_ = true;  // writable() or closed() follows
    } else {
      close("the transport refuses to send: " + std::string(sent.message()));
    }
  }
}

void PeerLink::end(PeerCall& call, Status status) {
  call.state = CallState::kEnded;
  call.status = std::move(status);
  call.changed.wake_all();
}

void PeerLink::end_all() {
  while (!pending_.empty()) {
    PeerCall& call = *pending_.begin();
    pending_.erase(pending_.begin());
    end(call, ErrorCode::kClosed);
  }
  for (Lane& lane : lanes_) {
    while (!lane.queue.empty()) {
      PeerCall& call = static_cast<PeerCall&>(lane.queue.front());
      lane.queue.pop_front();
      end(call, ErrorCode::kClosed);
    }
    lane.unanswered = 0;
  }
  abandoned_.clear();
}

// Its time is over. A reply to it still counts for the connection, but no more for the caller.
void PeerLink::abandon(PeerCall& call) {
  if (call.state == CallState::kSent) {
    pending_.erase(pending_.iterator_to(call));
    abandoned_.emplace(call.request_id, call.type);
  } else {
    lane(call.type).queue.erase(MessageQueue::s_iterator_to(call));
  }
  end(call, ErrorCode::kTimedOut);
}

bool PeerLink::connected(uint64_t op_id, ErrorCode result, ConnectionId connection) {
  if (op_id != connect_op_ || state_ != State::kConnecting) return false;
  connect_op_ = 0;
  if (result == ErrorCode::kOk) {
    connection_ = connection;
    state_ = State::kGreeting;
    blocked_ = false;
    proven_ = false;
    say_hello();
  } else {
    failed(error_name(result));
    state_ = State::kIdle;
  }
  changed_.wake_all();
  return true;
}

void PeerLink::say_hello() {
  const PeersOptions& options = core_.options();
  const HelloRequest hello{.cluster = options.cluster, .node = options.node, .boot = options.boot};
  OutgoingMessage message(core_.runtime().ready);
  message.encode({.type = MessageType::kHello, .body = body_bytes(hello)}, {});
  const Status sent = core_.sends().send(connection_, message);
  if (!sent.ok()) close("the transport refuses to send Hello: " + std::string(sent.message()));
}

void PeerLink::received(ConnectionId, std::span<const std::byte> header, uint32_t payload_bytes,
                        Payload payload) {
  if (state_ != State::kGreeting && state_ != State::kReady) return;
  const Result<Message> message = decode_message(header, payload_bytes);
  Status taken = message.status();
  if (message.ok() && state_ == State::kGreeting)
    taken = take_hello(*message);
  else if (message.ok())
    taken = take_reply(*message, payload);
  if (!taken.ok()) return close(taken.message());
  pump();
}

Status PeerLink::take_hello(const Message& message) {
  if (message.type != MessageType::kHello || !message.reply || message.request_id != 0)
    return {ErrorCode::kDamaged, "something else than the answer to Hello"};
  if (message.status != ErrorCode::kOk)
    return {message.status, "it refuses this node: " + std::string(error_name(message.status))};
  if (message.payload_bytes != 0) return {ErrorCode::kDamaged, "an answer to Hello with a payload"};
  const auto hello = load_body<HelloReply>(message.body);
  if (hello.node != node_)
    return {ErrorCode::kInvalidArgument,
            "there is node " + std::to_string(static_cast<uint32_t>(hello.node))};
  const Status named = core_.check_name(connection_, node_);
  if (!named.ok()) return {named.code(), "not " + std::string(named.message())};
  state_ = State::kReady;
  ++connection_number_;
  last_failure_.clear();
  changed_.wake_all();
  log_info("net",
           "connected to node " + std::to_string(static_cast<uint32_t>(node_)) + " at " + address_);
  return {};
}

// An error closes the connection.
Status PeerLink::take_reply(const Message& message, Payload& payload) {
  if (!message.reply) return {ErrorCode::kDamaged, "a request where replies belong"};
  const auto late = abandoned_.find(message.request_id);
  if (late != abandoned_.end() && late->second == message.type) {
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
  proven_ = true;
  pause_ns_ = 0;
  call.reply_body = MessageBody(message.body);
  call.payload = std::move(payload);
  end(call, message.status);
  return {};
}

// The connection is given up by this side; closed() follows.
void PeerLink::close(std::string_view why) {
  failed(why);
  if (state_ == State::kReady) end_all();
  state_ = State::kClosing;
  core_.transport().disconnect(connection_);
  changed_.wake_all();
}

void PeerLink::failed(std::string_view why) {
  if (stopped_) return;
  if (!proven_) {
    pause_ns_ =
        pause_ns_ == 0 ? kReconnectPauseMinNs : std::min(2 * pause_ns_, kReconnectPauseMaxNs);
    retry_at_ns_ = core_.runtime().clock.monotonic_ns() + pause_ns_;
  }
  if (why == last_failure_) return;
  last_failure_ = why;
  log_warn("net", "node " + std::to_string(static_cast<uint32_t>(node_)) + " at " + address_ +
                      ": " + last_failure_);
}

void PeerLink::closed(ConnectionId, ErrorCode why) {
  if (state_ != State::kClosing) failed("connection lost: " + std::string(error_name(why)));
  if (state_ == State::kReady) end_all();
  connection_ = 0;
  blocked_ = false;
  proven_ = false;
  state_ = State::kIdle;
  changed_.wake_all();
  start_dial();
}

void PeerLink::writable(ConnectionId) {
  blocked_ = false;
  pump();
}

void PeerLink::stop() {
  stopped_ = true;
  end_all();
  connect_op_ = 0;
  if (state_ == State::kConnecting) state_ = State::kIdle;
  if (connection_ != 0 && state_ != State::kClosing) {
    state_ = State::kClosing;
    core_.transport().disconnect(connection_);
  }
  changed_.wake_all();
}

void PeerLink::start_dial() {
  if (dialing_ || stopped_ || state_ == State::kReady || address_.empty() || !calls_wait()) return;
  dialing_ = true;
  core_.tasks().start(dial());
}

Task<void> PeerLink::dial() {
  while (!stopped_ && state_ != State::kReady && calls_wait()) {
    if (state_ == State::kClosing) {
      co_await changed_.wait();
    } else if (core_.runtime().clock.monotonic_ns() < retry_at_ns_) {
      co_await changed_.wait_until(core_.runtime().timers, retry_at_ns_);
    } else {
      co_await attempt();
    }
  }
  dialing_ = false;
}

// One connection, up to the answer to Hello.
Task<void> PeerLink::attempt() {
  const uint64_t deadline_ns = core_.runtime().clock.monotonic_ns() + kConnectNs;
  proven_ = false;
  state_ = State::kConnecting;
  const Result<uint64_t> op_id = core_.connect(*this, address_);
  if (!op_id.ok()) {
    failed(op_id.status().message());
    state_ = State::kIdle;
    co_return;
  }
  connect_op_ = *op_id;
  while (state_ == State::kConnecting || state_ == State::kGreeting) {
    const bool woken = co_await changed_.wait_until(core_.runtime().timers, deadline_ns);
    if (!woken) attempt_too_late();
  }
}

void PeerLink::attempt_too_late() {
  if (state_ == State::kGreeting) {
    close("no answer to Hello in time");
  } else if (state_ == State::kConnecting) {
    failed("no connection in time");
    connect_op_ = 0;
    state_ = State::kIdle;
  }
}

}  // namespace varve
