// The context's dealings with the connection manager: listeners, and connections until they are
// made.
#include <rdma/rdma_cma.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transports/rdma/context.h"

namespace varve {
namespace {

// An id's context is the number of its connection; that of a listener and its children is 0.
uint64_t number_of(const rdma_cm_id* id) {
  return reinterpret_cast<uintptr_t>(id->context);
}
void set_number(rdma_cm_id* id, uint64_t number) {
  id->context = reinterpret_cast<void*>(static_cast<uintptr_t>(number));
}

}  // namespace

std::string RdmaContext::listen(const std::string& text, std::string& bound) {
  RdmaAddress address;
  std::string wrong = parse_address(text, address);
  if (!wrong.empty()) return wrong;
  if (!options_.allow_plaintext)
    return join({"listen: \"", text,
                 "\": RDMA encrypts nothing: who is on its network can read what it carries, and "
                 "without [tls] be any node; allow_plaintext = true allows that"});
  rdma_cm_id* made = nullptr;
  if (rdma_create_id(channel_.get(), &made, nullptr, RDMA_PS_TCP) != 0)
    return join({"listen: ", std::strerror(errno)});
  CmId listener(made);
  if (rdma_bind_addr(made, address.generic()) != 0) {
    const bool absent = errno == ENODEV || errno == EADDRNOTAVAIL;
    return join(
        {"listen: \"", text, "\": ", std::strerror(errno),
         absent ? join({"; no RDMA device has this address. RDMA devices: ", describe_devices()})
                : std::string()});
  }
  if (!address.any_host && device_of(made, wrong) == nullptr)
    return join({"listen: \"", text, "\": ", wrong});
  if (rdma_listen(made, kBacklog) != 0)
    return join({"listen: \"", text, "\": ", std::strerror(errno)});
  bound = address_text(rdma_get_local_addr(made));
  if (!address.any_host) {
    has_source_ = parse_address(bound.substr(0, bound.rfind(':')) + ":0", source_).empty();
  }
  listeners_.push_back(std::move(listener));
  return {};
}

void RdmaContext::set_options(rdma_cm_id* id) const {
  uint8_t timeout = kAckTimeoutExponent;
  auto traffic_class = static_cast<uint8_t>(options_.traffic_class);
  // Older kernels have their own timeout only.
  rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &timeout, sizeof(timeout));
  if (traffic_class != 0)
    rdma_set_option(id, RDMA_OPTION_ID, RDMA_OPTION_ID_TOS, &traffic_class, sizeof(traffic_class));
}

int32_t RdmaContext::connect(const std::string& text, uint64_t op_id) {
  RdmaAddress address;
  std::string wrong = parse_address(text, address);
  if (wrong.empty() && address.any_port) wrong = join({"address \"", text, "\" has no port"});
  if (!wrong.empty()) {
    shard_.log.warn(wrong);
    return VARVE_E_INVALID;
  }
  if (connections_.size() >= kMaxConnections) return VARVE_E_AGAIN;
  rdma_cm_id* made = nullptr;
  if (rdma_create_id(channel_.get(), &made, nullptr, RDMA_PS_TCP) != 0) {
    shard_.events.connected(op_id, VARVE_E_IO, 0);
    return VARVE_OK;
  }
  const uint64_t number = ++last_number_;
  set_number(made, number);
  set_options(made);
  connections_.emplace(number, std::make_unique<RdmaConnection>(shard_, CmId(made), number, text));
  pending_[number] = {true, op_id, monotonic_ms() + options_.connect_timeout_ms};
  set_timer();
  const bool use_source = has_source_ && source_.socket.ss_family == address.socket.ss_family;
  sockaddr* const source = use_source ? source_.generic() : nullptr;
  // The kernel sleeps through a neighbour's answer that comes at once, and looks again only at the
  // end of this time: then there has to be some left.
  const auto timeout_ms = static_cast<int>(options_.connect_timeout_ms / 2);
  if (rdma_resolve_addr(made, source, address.generic(), timeout_ms) != 0)
    give_up(number, VARVE_E_NOT_FOUND, std::strerror(errno));
  return VARVE_OK;
}

// What is left keeps the channel readable: the host does not sleep over it.
void RdmaContext::take_news() {
  News news;
  uint32_t asked = 0;
  for (int i = 0; i < kNewsBatch && asked < kAcceptsPerTurn && next_news(news); ++i) {
    if (news.type == RDMA_CM_EVENT_CONNECT_REQUEST) ++asked;
    happened(news);
  }
}

bool RdmaContext::next_news(News& news) {
  rdma_cm_event* event = nullptr;
  if (rdma_get_cm_event(channel_.get(), &event) != 0) return false;
  const rdma_conn_param& conn = event->param.conn;
  news = {event->event, event->status, event->id, 0, 0, {}};
  if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST || event->event == RDMA_CM_EVENT_ESTABLISHED ||
      event->event == RDMA_CM_EVENT_REJECTED) {
    // The manager has put them the way they are seen from here.
    news.peer_asks_depth = conn.responder_resources;
    news.peer_asked_depth = conn.initiator_depth;
    const auto* const greeting = static_cast<const uint8_t*>(conn.private_data);
    if (greeting != nullptr) news.greeting.assign(greeting, greeting + conn.private_data_len);
  }
  rdma_ack_cm_event(event);
  return true;
}

void RdmaContext::happened(const News& news) {
  if (news.type == RDMA_CM_EVENT_CONNECT_REQUEST) return peer_asks(news);
  if (news.type == RDMA_CM_EVENT_DEVICE_REMOVAL) return device_gone(news.id);
  const uint64_t number = number_of(news.id);
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  RdmaConnection& connection = *found->second;
  switch (news.type) {
    case RDMA_CM_EVENT_ADDR_RESOLVED:
      return address_resolved(connection);
    case RDMA_CM_EVENT_ROUTE_RESOLVED:
      return route_resolved(connection);
    case RDMA_CM_EVENT_ESTABLISHED:
      return connected(connection, news);
    case RDMA_CM_EVENT_DISCONNECTED:
      if (!connection.begun()) return give_up(number, VARVE_E_NOT_FOUND, "it has hung up");
      connection.lose(VARVE_E_CLOSED, nullptr);
      return wake(connection);
    case RDMA_CM_EVENT_ADDR_ERROR:
    case RDMA_CM_EVENT_ROUTE_ERROR:
    case RDMA_CM_EVENT_CONNECT_ERROR:
    case RDMA_CM_EVENT_UNREACHABLE:
      if (!connection.begun()) give_up(number, VARVE_E_NOT_FOUND, "");
      return;
    case RDMA_CM_EVENT_REJECTED:
      return refused(connection, news);
    default:
      return;  // nothing that changes a connection
  }
}

void RdmaContext::peer_asks(const News& news) {
  const uint64_t number = ++last_number_;
  set_number(news.id, number);
  const std::string peer = address_text(rdma_get_peer_addr(news.id));
  auto connection = std::make_unique<RdmaConnection>(shard_, CmId(news.id), number, peer);
  bool full = false;
  const std::string wrong = admit(*connection, news, full);
  if (!wrong.empty()) {
    connection->reject();
    if (!full || !std::exchange(said_full_, true))
      shard_.refusals.warn(monotonic_ms(), shard_.log,
                           join({"peer ", peer, " is refused: ", wrong}));
    return;
  }
  pending_[number] = {false, 0, monotonic_ms() + options_.connect_timeout_ms};
  connections_.emplace(number, std::move(connection));
  set_timer();
}

// With TLS, those who have asked and proven nothing yet are few.
void RdmaContext::make_room() {
  if (shard_.tls == nullptr) return;
  size_t strangers = 0;
  uint64_t oldest = UINT64_MAX;
  for (const auto& [number, pending] : pending_) {
    if (pending.asked_by_us) continue;
    ++strangers;
    oldest = std::min(oldest, number);
  }
  if (strangers == 0 || (strangers < kMaxHandshakes && connections_.size() < kMaxConnections))
    return;
  shard_.silence.warn(monotonic_ms(), shard_.log,
                      join({"peer ", connections_.at(oldest)->peer(),
                            ": gives way, because there are too many TLS handshakes at a time"}));
  give_up(oldest, VARVE_E_CLOSED, "");
}

// What is wrong, or empty. Nobody gives way to one that is refused for what it says.
std::string RdmaContext::admit(RdmaConnection& connection, const News& news, bool& full) {
  const char* const wrong = connection.greeted(news.greeting);
  if (wrong != nullptr) return wrong;
  if (news.peer_asked_depth == 0) return "it lets nobody read what it sends";
  make_room();
  full = connections_.size() >= kMaxConnections;
  if (full) return join({"there are ", std::to_string(kMaxConnections), " connections already"});
  set_options(connection.id());
  std::string why;
  RdmaDevice* const device = device_of(connection.id(), why);
  if (device == nullptr) return why;
  why = connection.prepare(*device);
  if (why.empty() && connection.accept(news.peer_asks_depth, news.peer_asked_depth) != 0)
    why = std::strerror(errno);
  return why;
}

void RdmaContext::address_resolved(RdmaConnection& connection) {
  std::string why;
  if (device_of(connection.id(), why) == nullptr)
    return give_up(connection.number(), VARVE_E_IO, why);
  if (rdma_resolve_route(connection.id(), static_cast<int>(options_.connect_timeout_ms)) != 0)
    give_up(connection.number(), VARVE_E_NOT_FOUND, std::strerror(errno));
}

void RdmaContext::route_resolved(RdmaConnection& connection) {
  std::string why;
  RdmaDevice* const device = device_of(connection.id(), why);
  if (device != nullptr) why = connection.prepare(*device);
  if (!why.empty()) return give_up(connection.number(), VARVE_E_IO, why);
  if (connection.ask() != 0) give_up(connection.number(), VARVE_E_NOT_FOUND, std::strerror(errno));
}

void RdmaContext::connected(RdmaConnection& connection, const News& news) {
  const auto found = pending_.find(connection.number());
  if (found == pending_.end() || connection.begun()) return;
  const bool asked = found->second.asked_by_us;
  const char* const wrong = asked ? connection.greeted(news.greeting) : nullptr;
  if (wrong != nullptr) return give_up(connection.number(), VARVE_E_NOT_FOUND, wrong);
  std::shared_ptr<const TlsCredentials> credentials;
  if (shard_.tls != nullptr) {
    credentials = shard_.tls->current(monotonic_ms(), shard_.log);
    if (credentials == nullptr)
      return give_up(connection.number(), VARVE_E_IO, "there are no certificates to show");
  }
  connection.begin(std::move(credentials), asked);
  settle(connection);
  wake(connection);
}

// The host does not know it yet. Its peer may be reported now; or it is over, which the log knows.
void RdmaContext::settle(RdmaConnection& connection) {
  if (!connection.proven() && !connection.over()) return;
  const auto found = pending_.find(connection.number());
  const Pending pending = found->second;
  pending_.erase(found);
  if (connection.over()) {
    if (pending.asked_by_us) shard_.events.connected(pending.op_id, VARVE_E_NOT_FOUND, 0);
    return;
  }
  if (pending.asked_by_us)
    shard_.events.connected(pending.op_id, VARVE_OK, connection.number(), connection.peer_name());
  else
    shard_.events.accepted(connection.number(), connection.peer_name());
  connection.reported();
}

// A node says with it whether it has TLS.
void RdmaContext::refused(RdmaConnection& connection, const News& news) {
  if (connection.begun()) return;
  Greeting greeting;
  const char* const wrong = decode_greeting(news.greeting, greeting) == nullptr
                                ? tls_mismatch(greeting.tls, shard_.tls != nullptr)
                                : nullptr;
  give_up(connection.number(), VARVE_E_NOT_FOUND, wrong == nullptr ? "" : wrong);
}

void RdmaContext::give_up(uint64_t number, int32_t result, const std::string& what) {
  const auto found = pending_.find(number);
  if (found == pending_.end()) return;
  const auto connection = connections_.find(number);
  if (!what.empty())
    shard_.refusals.warn(monotonic_ms(), shard_.log,
                         join({"peer ", connection->second->peer(), ": no connection: ", what}));
  if (found->second.asked_by_us) shard_.events.connected(found->second.op_id, result, 0);
  pending_.erase(found);
  std::erase(awake_, connection->second.get());
  connections_.erase(connection);
}

// All that lives on it goes first; ids keep the device's context open.
void RdmaContext::device_gone(rdma_cm_id* id) {
  ibv_context* const verbs = id->verbs;
  std::vector<uint64_t> unmade;
  for (const auto& [number, connection] : connections_) {
    if (connection->id()->verbs != verbs) continue;
    if (connection->made()) {
      connection->end(VARVE_E_IO, "its device was removed");
    } else {
      unmade.push_back(number);
    }
  }
  for (const uint64_t number : unmade) give_up(number, VARVE_E_IO, "the device was removed");
  devices_.erase(verbs);
  forget_ended();
  const auto gone = [verbs](const CmId& listener) { return listener->verbs == verbs; };
  if (std::erase_if(listeners_, gone) > 0)
    shard_.log.warn("nobody can connect to this node any more: its RDMA device was removed");
}

}  // namespace varve
