#include "core/net/transport_set.h"

#include "core/base/check.h"

namespace varve {
namespace {

// A connection's number: its transport's index above, what the transport calls it below.
constexpr int kIndexShift = kConnectionIdBits;
static_assert(kTransportsMax <= size_t{1} << (64 - kIndexShift));

ConnectionId inner(ConnectionId connection) {
  return connection & ((ConnectionId{1} << kIndexShift) - 1);
}

}  // namespace

class TransportSet::Member final : public TransportSink {
 public:
  Member(size_t index, NamedTransport given, uint32_t small_buffers, uint32_t large_buffers)
      : name(std::move(given.name)),
        transport(*given.transport),
        buffers(transport, small_buffers, large_buffers),
        base_(ConnectionId{index} << kIndexShift) {}

  void start(TransportSink& sink) {
    sink_ = &sink;
    transport.set_sink(*this);
    const Status started = buffers.start();
    if (!started.ok()) problem = "no memory for what arrives: " + std::string(started.message());
  }

  const std::string name;
  Transport& transport;
  ReceiveBuffers buffers;
  std::string problem;

 private:
  ConnectionId outer(ConnectionId connection) const {
    VARVE_CHECK(connection == inner(connection));
    return connection | base_;
  }
  void connected(uint64_t op_id, ErrorCode result, ConnectionId connection) override {
    sink_->connected(op_id, result, result == ErrorCode::kOk ? outer(connection) : 0);
  }
  void accepted(ConnectionId connection) override { sink_->accepted(outer(connection)); }
  void received(ConnectionId connection, std::span<const std::byte> header, uint64_t buffer,
                uint32_t payload_bytes) override {
    sink_->received(outer(connection), header, buffer, payload_bytes);
  }
  void sent(uint64_t op_id, ErrorCode result) override { sink_->sent(op_id, result); }
  void closed(ConnectionId connection, ErrorCode why) override {
    sink_->closed(outer(connection), why);
  }
  void writable(ConnectionId connection) override { sink_->writable(outer(connection)); }

  const ConnectionId base_;
  TransportSink* sink_ = nullptr;
};

TransportSet::TransportSet(std::vector<NamedTransport> transports, uint32_t small_buffers,
                           uint32_t large_buffers) {
  VARVE_CHECK(!transports.empty() && transports.size() <= kTransportsMax);
  for (NamedTransport& given : transports)
    members_.push_back(
        std::make_unique<Member>(members_.size(), std::move(given), small_buffers, large_buffers));
}

TransportSet::~TransportSet() = default;

Status TransportSet::start(TransportSink& sink) {
  bool any = false;
  for (const auto& member : members_) {
    member->start(sink);
    any = any || member->problem.empty();
  }
  if (any) return {};
  return {ErrorCode::kIoError, members_.front()->problem};
}

void TransportSet::stop() {
  for (const auto& member : members_) member->buffers.stop();
}

const std::string& TransportSet::name(size_t index) const {
  return members_[index]->name;
}

const std::string& TransportSet::problem(size_t index) const {
  return members_[index]->problem;
}

Result<std::string> TransportSet::listen(size_t index, const std::string& address) {
  Member& member = *members_[index];
  if (!member.problem.empty()) return Status(ErrorCode::kIoError, member.problem);
  Result<std::string> bound = member.transport.listen(address);
  if (!bound.ok()) member.problem = bound.status().message();
  return bound;
}

Status TransportSet::connect(size_t index, const std::string& address, uint64_t op_id) {
  return members_[index]->transport.connect(address, op_id);
}

TransportSet::Member& TransportSet::member_of(ConnectionId connection) const {
  return *members_[connection >> kIndexShift];
}

void TransportSet::disconnect(ConnectionId connection) {
  member_of(connection).transport.disconnect(inner(connection));
}

std::string TransportSet::peer_name(ConnectionId connection) const {
  return member_of(connection).transport.peer_name(inner(connection));
}

Status TransportSet::send(ConnectionId connection, std::span<const std::byte> header,
                          std::span<const std::span<const std::byte>> slices, uint64_t op_id) {
  return member_of(connection).transport.send(inner(connection), header, slices, op_id);
}

Payload TransportSet::take(ConnectionId connection, uint64_t buffer, uint32_t payload_bytes) {
  return member_of(connection).buffers.take(buffer, payload_bytes);
}

}  // namespace varve
