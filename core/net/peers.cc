#include "core/net/peers.h"

#include "core/net/peers_core.h"

namespace varve {

Peers::Peers(Runtime& runtime, Transport& transport, PeersOptions options)
    : runtime_(runtime), core_(std::make_unique<PeersCore>(runtime, transport, options)) {}

Peers::~Peers() = default;

Status Peers::start(PeerHandler& handler) {
  return core_->start(handler);
}

Result<std::string> Peers::listen(const std::string& address) {
  return core_->transport().listen(address);
}

void Peers::set_address(NodeId node, std::string address, std::string name) {
  core_->set_address(node, std::move(address), std::move(name));
}

Task<void> Peers::stop() {
  return core_->stop();
}

uint64_t Peers::connection_number(NodeId node) const {
  return core_->connection_number(node);
}

Task<Status> Peers::call_bytes(NodeId to, PeerCall& call, uint64_t deadline_ns) {
  return core_->call(to, call, deadline_ns);
}

Task<void> Peers::reply_bytes(const IncomingRequest& request, ErrorCode status,
                              std::span<const std::byte> body, Slices slices) {
  return core_->server().reply(request, status, body, slices);
}

}  // namespace varve
