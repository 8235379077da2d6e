#include "core/net/peers.h"

#include "core/net/peers_core.h"

namespace varve {

Peers::Peers(Runtime& runtime, std::vector<NamedTransport> transports, PeersOptions options)
    : runtime_(runtime),
      core_(std::make_unique<PeersCore>(runtime, std::move(transports), options)) {}

Peers::~Peers() = default;

Status Peers::start(PeerHandler& handler) {
  return core_->start(handler);
}

Result<std::string> Peers::listen(const std::string& address, size_t transport) {
  return core_->transports().listen(transport, address);
}

void Peers::set_address(NodeId node, const std::vector<PeerAddress>& addresses, std::string name) {
  core_->set_address(node, addresses, std::move(name));
}

Task<void> Peers::stop() {
  return core_->stop();
}

uint64_t Peers::connection_number(NodeId node) const {
  return core_->connection_number(node);
}

const std::string& Peers::transport_problem(size_t transport) const {
  return core_->transports().problem(transport);
}

PeerConnection Peers::connection(NodeId node) const {
  return core_->connection(node);
}

Task<Status> Peers::call_bytes(NodeId to, PeerCall& call, uint64_t deadline_ns) {
  return core_->call(to, call, deadline_ns);
}

Task<void> Peers::reply_bytes(const IncomingRequest& request, ErrorCode status,
                              std::span<const std::byte> body, Slices slices) {
  return core_->server().reply(request, status, body, slices);
}

}  // namespace varve
