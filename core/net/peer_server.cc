#include "core/net/peer_server.h"

#include <algorithm>
#include <string>

#include "core/base/log.h"
#include "core/net/peers_core.h"

namespace varve {
namespace {

size_t index_of(MessageType type) {
  return static_cast<size_t>(type) - 1;
}

Status damaged(const char* what) {
  return {ErrorCode::kDamaged, what};
}

}  // namespace

AnswerDuty::~AnswerDuty() {
  if (server_ != nullptr) server_->dropped(*this);
}

PeerServer::PeerServer(PeersCore& core)
    : core_(core), changed_(core.runtime().ready), stop_wanted_(core.runtime().ready) {}

PeerServer::~PeerServer() = default;

void PeerServer::start(PeerHandler& handler) {
  handler_ = &handler;
  core_.tasks().start(hand_over());
}

void PeerServer::stop() {
  stopped_ = true;
  for (auto& [connection, client] : clients_) {
    drop_replies(client);
    client.state = State::kClosing;
    core_.transports().disconnect(connection);
  }
  changed_.wake_all();
  stop_wanted_.wake_all();
}

bool PeerServer::accept(ConnectionId connection) {
  if (stopped_) return false;
  if (clients_.size() >= kAcceptedMax || strangers_.size() >= kStrangersMax) {
    log_warn("net", "a connection is refused: too many are open");
    return false;
  }
  clients_[connection];
  strangers_.emplace_back(core_.runtime().clock.monotonic_ns() + kHelloNs, connection);
  if (!watching_) {
    watching_ = true;
    core_.tasks().start(watch_strangers());
  }
  return true;
}

// Ends when every connection has said Hello, or was closed.
Task<void> PeerServer::watch_strangers() {
  while (!stopped_ && !strangers_.empty()) {
    const auto [deadline_ns, connection] = strangers_.front();
    if (core_.runtime().clock.monotonic_ns() < deadline_ns) {
      co_await stop_wanted_.wait_until(core_.runtime().timers, deadline_ns);
      continue;
    }
    strangers_.pop_front();
    Client* client = find(connection);
    if (client != nullptr) close(connection, *client, "it has said no Hello in time");
  }
  watching_ = false;
}

PeerServer::Client* PeerServer::find(ConnectionId connection) {
  const auto found = clients_.find(connection);
  return found == clients_.end() ? nullptr : &found->second;
}

void PeerServer::received(ConnectionId connection, std::span<const std::byte> header,
                          uint32_t payload_bytes, Payload payload) {
  Client* client = find(connection);
  if (client == nullptr || client->state > State::kReady) return;
  const Result<Message> message = decode_message(header, payload_bytes);
  if (!message.ok()) {
    // The other side reads this node's version in the refusal.
    if (message.code() == ErrorCode::kUnsupported && client->state == State::kStranger)
      return refuse(connection, *client, message.status());
    return close(connection, *client, message.status().message());
  }
  const Status taken = client->state == State::kStranger
                           ? greet(connection, *client, *message)
                           : take_request(connection, *client, *message, payload);
  if (!taken.ok()) close(connection, *client, taken.message());
}

Status PeerServer::check_hello(ConnectionId connection, const HelloRequest& hello) const {
  const PeersOptions& options = core_.options();
  if (hello.cluster != options.cluster)
    return {ErrorCode::kInvalidArgument, "a node of another cluster"};
  if (hello.node == options.node || hello.node == NodeId{})
    return {ErrorCode::kInvalidArgument, "a node that calls itself " +
                                             std::to_string(static_cast<uint32_t>(hello.node)) +
                                             ", as this one does, or 0"};
  return core_.check_name(connection, hello.node);
}

Status PeerServer::greet(ConnectionId connection, Client& client, const Message& message) {
  if (message.type != MessageType::kHello || message.reply)
    return damaged("something else before Hello");
  if (message.payload_bytes != 0) return damaged("Hello with a payload");
  const auto hello = load_body<HelloRequest>(message.body);
  const Status checked = check_hello(connection, hello);
  if (!checked.ok()) {
    refuse(connection, client, checked);
    return {};
  }
  answer_hello(connection, ErrorCode::kOk);
  std::erase_if(strangers_, [&](const auto& stranger) { return stranger.second == connection; });
  client.state = State::kReady;
  client.node = hello.node;
  client.boot = hello.boot;
  client.greeted = ++greeting_count_;
  limit_connections(hello.node);
  return {};
}

// The oldest goes of those that carry no requests, if there is one.
void PeerServer::limit_connections(NodeId node) {
  size_t count = 0;
  std::pair<const ConnectionId, Client>* oldest = nullptr;
  for (auto& entry : clients_) {
    const Client& client = entry.second;
    if (client.state != State::kReady || client.node != node) continue;
    ++count;
    const auto age = [](const Client& one) { return std::pair(one.used, one.greeted); };
    if (oldest == nullptr || age(client) < age(oldest->second)) oldest = &entry;
  }
  if (count > kConnectionsOfNodeMax) close(oldest->first, oldest->second, "it has newer ones");
}

void PeerServer::take_place(const Client& newer) {
  for (auto& [connection, client] : clients_) {
    if (client.state == State::kReady && client.node == newer.node &&
        client.greeted < newer.greeted)
      close(connection, client, "a newer connection takes its place");
  }
}

// The other side closes when it has read the answer; the watch over strangers does it at last.
void PeerServer::refuse(ConnectionId connection, Client& client, const Status& why) {
  log_warn("net", "a connection is refused: " + std::string(why.message()));
  client.state = State::kRefused;
  answer_hello(connection, why.code());
}

void PeerServer::answer_hello(ConnectionId connection, ErrorCode status) {
  const PeersOptions& options = core_.options();
  const HelloReply reply{.node = options.node, .boot = options.boot};
  OutgoingMessage message(core_.runtime().ready);
  message.encode(
      {.type = MessageType::kHello, .reply = true, .status = status, .body = body_bytes(reply)},
      {});
  const Status sent = core_.sends().send(connection, message);
  if (!sent.ok()) log_warn("net", "Hello cannot be answered: " + std::string(sent.message()));
}

Status PeerServer::take_request(ConnectionId connection, Client& client, const Message& message,
                                Payload& payload) {
  if (message.reply) return damaged("a reply where requests belong");
  if (message.type == MessageType::kHello) return damaged("a second Hello");
  const Result<uint32_t> expected_bytes = request_payload_bytes(message.type, message.body);
  if (!expected_bytes.ok()) return expected_bytes.status();
  if (*expected_bytes != message.payload_bytes)
    return damaged("a request whose payload has another size than its body says");
  uint32_t& unanswered = client.unanswered[index_of(message.type)];
  if (unanswered == kRequestsOfTypeMax) return damaged("more requests at a time than allowed");
  ++unanswered;
  if (!std::exchange(client.used, true)) take_place(client);
  arrived_.push_back({.from = client.node,
                      .boot = client.boot,
                      .connection = connection,
                      .type = message.type,
                      .body = MessageBody(message.body),
                      .payload = std::move(payload),
                      .request_id = message.request_id,
                      .duty = AnswerDuty(this, connection, message.type, message.request_id)});
  changed_.wake_all();
  return {};
}

Task<void> PeerServer::hand_over() {
  while (!stopped_ || !arrived_.empty()) {
    if (arrived_.empty()) {
      co_await changed_.wait();
      continue;
    }
    handed_over_.swap(arrived_);
    for (IncomingRequest& request : handed_over_) {
      const Client* client = find(request.connection);
      if (client != nullptr && client->state == State::kReady) handler_->handle(std::move(request));
    }
    handed_over_.clear();
  }
}

Task<void> PeerServer::reply(const IncomingRequest& request, ErrorCode status,
                             std::span<const std::byte> body, Slices slices) {
  VARVE_CHECK(request.duty.server_ == this);  // else it is answered twice
  request.duty.server_ = nullptr;
  const Message message{.type = request.type,
                        .reply = true,
                        .status = status,
                        .request_id = request.request_id,
                        .body = body};
  size_t payload_bytes = 0;
  for (const std::span<const std::byte> slice : slices) payload_bytes += slice.size();
  if (status == ErrorCode::kOk) {
    const Result<uint32_t> expected = reply_payload_bytes(request.type, request.body.bytes(), body);
    VARVE_CHECK(expected.ok() && *expected == payload_bytes);
  } else {
    VARVE_CHECK(payload_bytes == 0);
  }
  return send_reply(request.connection, message, slices);
}

Task<void> PeerServer::send_reply(ConnectionId connection, Message message, Slices slices) {
  Client* client = find(connection);
  if (client == nullptr || client->state != State::kReady) co_return;
  const PeersCore::Operation operation(core_);
  OutgoingMessage reply(core_.runtime().ready);
  reply.encode(message, slices);
  client->replies.push_back(reply);
  flush(connection, *client);
  const uint64_t deadline_ns = core_.runtime().clock.monotonic_ns() + kReplySendNs;
  while (reply.queue_hook.is_linked()) {
    const bool woken = co_await reply.changed.wait_until(core_.runtime().timers, deadline_ns);
    if (!woken && reply.queue_hook.is_linked())
      close(connection, *find(connection), "it takes no replies");
  }
  if (reply.with_transport) co_await core_.sends().memory_back(reply, deadline_ns);
}

// From a destructor, so it starts a task of its own.
void PeerServer::dropped(const AnswerDuty& duty) {
  const Client* client = find(duty.connection_);
  if (client == nullptr || client->state != State::kReady) return;
  core_.tasks().start(answer_dropped(duty.connection_, duty.type_, duty.request_id_));
}

Task<void> PeerServer::answer_dropped(ConnectionId connection, MessageType type,
                                      uint64_t request_id) {
  const std::array<std::byte, kBodyBytesMax> zeroes{};
  const Message message{.type = type,
                        .reply = true,
                        .status = ErrorCode::kUnknown,
                        .request_id = request_id,
                        .body = std::span(zeroes).first(body_bytes_of(type, true))};
  co_await send_reply(connection, message, {});
}

void PeerServer::flush(ConnectionId connection, Client& client) {
  while (client.state == State::kReady && !client.blocked && !client.replies.empty()) {
    OutgoingMessage& reply = client.replies.front();
    const Status sent = core_.sends().send(connection, reply);
    if (sent.ok()) {
      --client.unanswered[index_of(reply.type)];
      client.replies.pop_front();
      reply.changed.wake_all();
    } else if (sent.code() == ErrorCode::kBusy || sent.code() == ErrorCode::kClosed) {
      client.blocked = true;  // writable() or closed() follows
    } else {
      close(connection, client, "the transport refuses to send: " + std::string(sent.message()));
    }
  }
}

void PeerServer::drop_replies(Client& client) {
  while (!client.replies.empty()) {
    OutgoingMessage& reply = client.replies.front();
    client.replies.pop_front();
    reply.changed.wake_all();
  }
}

// The connection is given up by this side; closed() follows.
void PeerServer::close(ConnectionId connection, Client& client, std::string_view why) {
  if (client.state == State::kClosing) return;
  if (client.state == State::kRefused) {  // that was in the log
    client.state = State::kClosing;
    return core_.transports().disconnect(connection);
  }
  const std::string who = client.state == State::kReady
                              ? "node " + std::to_string(static_cast<uint32_t>(client.node))
                              : "somebody";
  log_warn("net", "the connection that " + who + " has made is closed: " + std::string(why));
  client.state = State::kClosing;
  drop_replies(client);
  core_.transports().disconnect(connection);
}

void PeerServer::closed(ConnectionId connection, ErrorCode) {
  Client* client = find(connection);
  if (client == nullptr) return;
  drop_replies(*client);
  std::erase_if(strangers_, [&](const auto& stranger) { return stranger.second == connection; });
  clients_.erase(connection);
}

void PeerServer::writable(ConnectionId connection) {
  Client* client = find(connection);
  if (client == nullptr) return;
  client->blocked = false;
  flush(connection, *client);
}

}  // namespace varve
