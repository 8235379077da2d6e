#include "tests/unit/net/fake_transport.h"

#include <cstring>

namespace varve {

void FakeNetwork::schedule(ConnectionId connection) {
  Pipe& pipe = pipes_.at(connection);
  if (stalled || pipe.scheduled || pipe.sent.empty()) return;
  pipe.scheduled = true;
  loop_.schedule(kFakeDelayNs, [this, connection] { deliver(connection); });
}

void FakeNetwork::deliver(ConnectionId connection) {
  const auto found = pipes_.find(connection);
  if (found == pipes_.end()) return;
  Pipe& pipe = found->second;
  pipe.scheduled = false;
  if (stalled || pipe.sent.empty()) return;
  Sent& sent = pipe.sent.front();
  size_t payload_bytes = 0;
  for (const auto slice : sent.slices) payload_bytes += slice.size();
  if (payload_bytes > payload_max) return;
  uint64_t buffer = 0;
  if (payload_bytes > 0) {
    const auto posted = pipe.to->posted_.lower_bound(payload_bytes);
    if (posted == pipe.to->posted_.end()) return;  // post_receive goes on
    std::byte* to = posted->second.first;
    buffer = posted->second.second;
    pipe.to->posted_.erase(posted);
    for (const auto slice : sent.slices) {
      std::memcpy(to, slice.data(), slice.size());
      to += slice.size();
    }
  }
  const Sent arrived = std::move(sent);
  pipe.sent.pop_front();
  const bool writable = std::exchange(pipe.want_writable, false);
  FakeTransport* from = pipe.from;
  const ConnectionId peer = pipe.peer;
  FakeTransport* to = pipe.to;
  schedule(connection);
  from->sink_->sent(arrived.op_id, ErrorCode::kOk);
  if (writable && pipes_.contains(connection)) from->sink_->writable(connection);
  if (pipes_.contains(connection))
    to->sink_->received(peer, arrived.header, buffer, static_cast<uint32_t>(payload_bytes));
  else if (buffer != 0)
    std::abort();  // the tests do not close from sent()
}

void FakeNetwork::resume() {
  stalled = false;
  for (auto& [connection, pipe] : pipes_) schedule(connection);
}

void FakeNetwork::resume_at_once() {
  stalled = false;
  std::vector<ConnectionId> connections;
  for (const auto& [connection, pipe] : pipes_) connections.push_back(connection);
  for (const ConnectionId connection : connections)
    while (pipes_.contains(connection) && !pipes_.at(connection).sent.empty()) deliver(connection);
}

// The end of one direction's sender: its sends come back, then it is told.
void FakeNetwork::end(ConnectionId connection, ErrorCode why) {
  const auto found = pipes_.find(connection);
  if (found == pipes_.end()) return;
  const Pipe pipe = std::move(found->second);
  pipes_.erase(found);
  for (const Sent& sent : pipe.sent) pipe.from->sink_->sent(sent.op_id, ErrorCode::kClosed);
  pipe.from->sink_->closed(connection, why);
}

void FakeNetwork::cut(ConnectionId connection) {
  loop_.schedule(0, [this, connection] {
    const auto found = pipes_.find(connection);
    if (found == pipes_.end()) return;
    const ConnectionId peer = found->second.peer;
    end(connection, ErrorCode::kClosed);
    end(peer, ErrorCode::kClosed);
  });
}

void FakeNetwork::cut_all() {
  for (const auto& [connection, pipe] : pipes_) cut(connection);
}

FakeTransport::~FakeTransport() {
  *alive_ = false;
  std::erase_if(network_.listeners_, [this](const auto& entry) { return entry.second == this; });
  std::erase_if(network_.pipes_, [this](const auto& entry) {
    return entry.second.from == this || entry.second.to == this;
  });
}

Result<std::string> FakeTransport::listen(const std::string& address) {
  if (network_.refuse_listen)
    return Status(ErrorCode::kInvalidArgument, "no device has the address " + address);
  network_.listeners_[address] = this;
  return address;
}

Status FakeTransport::connect(const std::string& address, uint64_t op_id) {
  ++connect_count;
  if (network_.lose_connects) return {};
  network_.loop_.schedule(network_.connect_ns, [this, alive = alive_, address, op_id] {
    if (*alive) arrived(address, op_id);
  });
  return {};
}

void FakeTransport::arrived(const std::string& address, uint64_t op_id) {
  const auto found = network_.listeners_.find(address);
  if (network_.refuse_connects || found == network_.listeners_.end())
    return sink_->connected(op_id, ErrorCode::kUnavailable, 0);
  const ConnectionId ours = ++network_.last_connection_;
  const ConnectionId theirs = ++network_.last_connection_;
  network_.pipes_[ours] = {this, found->second, theirs, {}};
  network_.pipes_[theirs] = {found->second, this, ours, {}};
  found->second->sink_->accepted(theirs);
  sink_->connected(op_id, ErrorCode::kOk, ours);
}

void FakeTransport::disconnect(ConnectionId connection) {
  network_.cut(connection);
}

Status FakeTransport::register_memory(std::span<std::byte> arena) {
  arena_ = arena;
  return {};
}

Status FakeTransport::post_receive(std::span<std::byte> buffer, uint64_t op_id) {
  VARVE_CHECK(op_id != 0 && buffer.data() >= arena_.data() &&
              buffer.data() + buffer.size() <= arena_.data() + arena_.size());
  if (refuse_posts) return ErrorCode::kClosed;
  posted_.emplace(buffer.size(), std::pair(buffer.data(), op_id));
  for (const auto& [connection, pipe] : network_.pipes_)
    if (pipe.to == this) network_.schedule(connection);
  return {};
}

Status FakeTransport::send(ConnectionId connection, std::span<const std::byte> header,
                           std::span<const std::span<const std::byte>> slices, uint64_t op_id) {
  VARVE_CHECK(!header.empty() && header.size() <= kHeaderBytesMax);
  VARVE_CHECK(slices.size() <= kMessageSlicesMax);
  const auto found = network_.pipes_.find(connection);
  if (found == network_.pipes_.end()) return ErrorCode::kClosed;
  FakeNetwork::Pipe& pipe = found->second;
  if (pipe.sent.size() >= network_.sends_max) {
    pipe.want_writable = true;
    return ErrorCode::kBusy;
  }
  pipe.sent.push_back({{header.begin(), header.end()}, {slices.begin(), slices.end()}, op_id});
  network_.schedule(connection);
  return {};
}

size_t FakeTransport::connection_count() const {
  size_t count = 0;
  for (const auto& [connection, pipe] : network_.pipes_) count += pipe.from == this;
  return count;
}

}  // namespace varve
