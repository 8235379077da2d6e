#include "core/net/peers_core.h"

namespace varve {

PeersCore::PeersCore(Runtime& runtime, std::vector<NamedTransport> transports,
                     const PeersOptions& options)
    : runtime_(runtime),
      options_(options),
      transports_(std::move(transports), options.receive_buffers_small,
                  options.receive_buffers_large),
      sends_(runtime, transports_),
      tasks_(runtime.ready),
      server_(*this),
      quiet_(runtime.ready) {}

PeersCore::~PeersCore() = default;

Status PeersCore::start(PeerHandler& handler) {
  VARVE_TRY(transports_.start(*this));
  server_.start(handler);
  return {};
}

Task<void> PeersCore::stop() {
  stopped_ = true;
  for (const auto& [node, link] : links_) link->stop();
  server_.stop();
  while (operation_count_ > 0 || !endpoints_.empty()) co_await quiet_.wait();
  co_await tasks_.done();
  transports_.stop();
}

PeersCore::Operation::Operation(PeersCore& core) : core_(core) {
  ++core_.operation_count_;
}

PeersCore::Operation::~Operation() {
  --core_.operation_count_;
  if (core_.stopped_) core_.quiet_.wake_all();
}

Task<Status> PeersCore::no_such_node() {
  co_return ErrorCode::kClosed;
}

Task<Status> PeersCore::call(NodeId to, PeerCall& call, uint64_t deadline_ns) {
  const auto found = links_.find(to);
  if (found == links_.end()) return no_such_node();
  return found->second->call(call, deadline_ns);
}

void PeersCore::set_address(NodeId node, const std::vector<PeerAddress>& addresses,
                            std::string name) {
  std::unique_ptr<PeerLink>& link = links_[node];
  if (link == nullptr) link = std::make_unique<PeerLink>(*this, node);
  link->set_name(std::move(name));
  link->set_addresses(addresses);
}

Status PeersCore::check_name(ConnectionId connection, NodeId node) const {
  const std::string proven = transports_.peer_name(connection);
  if (proven.empty()) return {};
  const auto found = links_.find(node);
  const std::string known = found == links_.end() ? std::string() : found->second->name();
  if (known == proven) return {};
  const std::string who = "node " + std::to_string(static_cast<uint32_t>(node));
  // It may have been registered a moment ago.
  if (known.empty())
    return {ErrorCode::kUnavailable,
            who + ", which this node does not know; its certificate is that of " + proven};
  return {ErrorCode::kInvalidArgument,
          who + ", which is " + known + ", but its certificate is that of " + proven};
}

uint64_t PeersCore::connection_number(NodeId node) const {
  const auto found = links_.find(node);
  return found == links_.end() ? 0 : found->second->connection_number();
}

PeerConnection PeersCore::connection(NodeId node) const {
  const auto found = links_.find(node);
  return found == links_.end() ? PeerConnection() : found->second->connection();
}

Result<uint64_t> PeersCore::connect(PeerLink& link, const Way& way) {
  const uint64_t op_id = ++connect_op_;
  const Status begun = transports_.connect(way.transport, way.address, op_id);
  if (!begun.ok()) return begun;
  connects_[op_id] = &link;
  return op_id;
}

void PeersCore::connected(uint64_t op_id, ErrorCode result, ConnectionId connection) {
  const auto found = connects_.find(op_id);
  if (found == connects_.end()) return;
  PeerLink* link = found->second;
  connects_.erase(found);
  if (result == ErrorCode::kOk) endpoints_[connection] = link;
  if (link->connected(op_id, result, connection) || result != ErrorCode::kOk) return;
  transports_.disconnect(connection);  // it comes too late
}

void PeersCore::accepted(ConnectionId connection) {
  if (!server_.accept(connection)) return transports_.disconnect(connection);
  endpoints_[connection] = &server_;
}

PeerEndpoint* PeersCore::find(ConnectionId connection) const {
  const auto found = endpoints_.find(connection);
  return found == endpoints_.end() ? nullptr : found->second;
}

void PeersCore::received(ConnectionId connection, std::span<const std::byte> header,
                         uint64_t buffer, uint32_t payload_bytes) {
  Payload payload = transports_.take(connection, buffer, payload_bytes);
  PeerEndpoint* endpoint = find(connection);
  if (endpoint != nullptr)
    endpoint->received(connection, header, payload_bytes, std::move(payload));
}

void PeersCore::sent(uint64_t op_id, ErrorCode) {
  sends_.sent(op_id);
}

void PeersCore::closed(ConnectionId connection, ErrorCode why) {
  PeerEndpoint* endpoint = find(connection);
  if (endpoint == nullptr) return;
  endpoints_.erase(connection);
  endpoint->closed(connection, why);
  if (stopped_) quiet_.wake_all();
}

void PeersCore::writable(ConnectionId connection) {
  PeerEndpoint* endpoint = find(connection);
  if (endpoint != nullptr) endpoint->writable(connection);
}

}  // namespace varve
