#include "tests/sim/cluster/sim_transport.h"

#include <algorithm>
#include <cstring>

#include "core/base/text.h"
#include "core/base/units.h"
#include "tests/sim/cluster/sim_shard.h"

namespace varve {

namespace {

constexpr uint64_t kPoison = 0xdeadfeedbadc0ffe;
constexpr size_t kPoisonStride = 512;

std::string what_node(uint32_t node, std::string_view what) {
  return text("node ", node, ": ", what);
}

}  // namespace

SimTransport::SimTransport(SimNetwork& network, uint32_t node, SimShard& shard)
    : network_(network), node_(node), shard_(shard) {
  network_.attach(*this);
}

SimTransport::~SimTransport() {
  if (alive_) die(true);
  std::vector<uint64_t> numbers;
  for (auto& [number, connection] : network_.connections_) {
    for (SimNetwork::End& end : connection.ends) {
      if (end.transport != this) continue;
      end.transport = nullptr;
      numbers.push_back(number);
    }
  }
  for (const uint64_t number : numbers) network_.forget_if_over(number);
}

void SimTransport::die(bool silent) {
  alive_ = false;
  network_.detach(*this, silent);
}

Result<std::string> SimTransport::listen(const std::string& address) {
  if (!alive_) return ErrorCode::kUnavailable;
  if (!address.starts_with("sim:")) return ErrorCode::kInvalidArgument;
  listening_ = true;
  return SimNetwork::address_of(node_);
}

Status SimTransport::connect(const std::string& address, uint64_t op_id) {
  if (sink_ == nullptr) network_.offend(what_node(node_, "connect() before set_sink()"));
  if (!address.starts_with("sim:")) return ErrorCode::kInvalidArgument;
  const auto to = static_cast<uint32_t>(std::strtoul(address.c_str() + 4, nullptr, 10));
  if (to >= network_.node_count()) return ErrorCode::kInvalidArgument;
  if (alive_) {
    network_.connect(*this, to, op_id);
  } else {
    failed_connects_.emplace_back(op_id, ErrorCode::kIoError);
    wake(0);
  }
  return {};
}

void SimTransport::disconnect(ConnectionId id) {
  if (network_.open_end(id) == nullptr) return;
  network_.close_end(*network_.find(id / 2), static_cast<uint32_t>(id % 2), ErrorCode::kOk,
                     SimNetwork::Farewell::kSoon);
}

Status SimTransport::register_memory(std::span<std::byte> arena) {
  arenas_.push_back(arena);
  return {};
}

bool SimTransport::registered(const std::byte* data, uint64_t bytes) const {
  return std::any_of(arenas_.begin(), arenas_.end(), [&](std::span<std::byte> arena) {
    return data >= arena.data() && data + bytes <= arena.data() + arena.size();
  });
}

Status SimTransport::post_receive(std::span<std::byte> buffer, uint64_t op_id) {
  if (op_id == 0 || buffer.empty() ||
      reinterpret_cast<uintptr_t>(buffer.data()) % kBlockBytes != 0 ||
      !registered(buffer.data(), buffer.size())) {
    network_.offend(what_node(node_, "a receive buffer is not well formed"));
    return ErrorCode::kInvalidArgument;
  }
  for (const Posted& posted : posted_) {
    if (posted.op_id == op_id || (buffer.data() < posted.buffer.data() + posted.buffer.size() &&
                                  posted.buffer.data() < buffer.data() + buffer.size())) {
      network_.offend(what_node(node_, "a receive buffer is posted twice"));
      return ErrorCode::kInvalidArgument;
    }
  }
  for (size_t at = 0; at + sizeof kPoison <= buffer.size(); at += kPoisonStride) {
    std::memcpy(buffer.data() + at, &kPoison, sizeof kPoison);
  }
  posted_.push_back({buffer, op_id});
  const std::set<ConnectionId> starved = std::exchange(starved_, {});
  for (const ConnectionId id : starved) wake(id);
  return {};
}

void SimTransport::check_poison(const Posted& posted) {
  for (size_t at = 0; at + sizeof kPoison <= posted.buffer.size(); at += kPoisonStride) {
    if (std::memcmp(posted.buffer.data() + at, &kPoison, sizeof kPoison) == 0) continue;
    network_.offend(what_node(node_, "a receive buffer was written while it was posted"));
    return;
  }
}

std::string SimTransport::check_send(std::span<const std::byte> header,
                                     std::span<const std::span<const std::byte>> slices) const {
  if (header.empty() || header.size() > kHeaderBytesMax) return "a header has a wrong length";
  if (slices.size() > kMessageSlicesMax) return "a message has too many slices";
  uint64_t bytes = 0;
  for (const std::span<const std::byte> slice : slices) {
    if (slice.empty()) return "a slice is empty";
    bytes += slice.size();
  }
  if (bytes > kPayloadBytesMax) return "a payload is too long";
  return {};
}

Status SimTransport::send(ConnectionId id, std::span<const std::byte> header,
                          std::span<const std::span<const std::byte>> slices, uint64_t op_id) {
  const std::string wrong = check_send(header, slices);
  if (!wrong.empty()) {
    network_.offend(what_node(node_, wrong));
    return ErrorCode::kInvalidArgument;
  }
  SimNetwork::End* end = network_.open_end(id);
  if (end == nullptr) return ErrorCode::kClosed;
  if (end->transport != this) {
    network_.offend(what_node(node_, "a send on somebody else's connection"));
    return ErrorCode::kInvalidArgument;
  }
  if (network_.refuse_as_busy(id)) return ErrorCode::kBusy;
  SimNetwork::Message message;
  message.header.assign(header.begin(), header.end());
  SimNetwork::Send kept{.op_id = op_id, .slices = {slices.begin(), slices.end()}};
  auto payload = std::make_shared<std::vector<std::byte>>();
  for (const std::span<const std::byte> slice : slices) {
    payload->insert(payload->end(), slice.begin(), slice.end());
  }
  if (!payload->empty()) {
    message.payload = payload;
    kept.payload = payload;
  }
  network_.send(*network_.find(id / 2), static_cast<uint32_t>(id % 2), std::move(message),
                std::move(kept));
  return {};
}

void SimTransport::check_memory(const SimNetwork::Send& send) {
  if (!send.payload) return;
  uint64_t at = 0;
  for (const std::span<const std::byte> slice : send.slices) {
    if (std::memcmp(send.payload->data() + at, slice.data(), slice.size()) != 0) {
      network_.offend(what_node(node_, "the memory of a send changed before sent()"));
      return;
    }
    at += slice.size();
  }
}

void SimTransport::wake(ConnectionId connection) {
  starved_.erase(connection);
  if (connection != 0) waiting_.insert(connection);
  if (poll_posted_) return;
  poll_posted_ = true;
  shard_.post([this] { poll(); });
}

void SimTransport::poll() {
  poll_posted_ = false;
  for (uint64_t budget = 1 + network_.random_.below(8); budget > 0; --budget) {
    if (!failed_connects_.empty() && (waiting_.empty() || network_.random_.chance(1, 2))) {
      const auto [op_id, result] = failed_connects_.front();
      failed_connects_.pop_front();
      network_.loop_.note(op_id * 8 + 6);
      sink_->connected(op_id, result, 0);
      continue;
    }
    if (waiting_.empty()) break;
    auto chosen = waiting_.begin();
    std::advance(chosen, network_.random_.below(waiting_.size()));
    const ConnectionId id = *chosen;
    if (!tell_one(id)) waiting_.erase(id);
  }
  if (!waiting_.empty() || !failed_connects_.empty()) wake(0);
}

bool SimTransport::tell_one(ConnectionId id) {
  SimNetwork::Connection* connection = network_.find(id / 2);
  if (connection == nullptr) return false;
  SimNetwork::End& end = connection->ends[id % 2];
  if (end.transport != this || end.told_closed) return false;
  using Kind = SimNetwork::Notice::Kind;
  const bool fresh = !end.notices.empty() && (end.notices.front().kind == Kind::kConnected ||
                                              end.notices.front().kind == Kind::kAccepted);
  if (fresh || (!end.notices.empty() && network_.random_.chance(1, 2))) {
    if (tell_notice(id, end)) return true;
  }
  if (!end.ended_sends.empty()) {
    const auto [op_id, result] = end.ended_sends.front();
    end.ended_sends.pop_front();
    network_.loop_.note(op_id * 8 + 5);
    sink_->sent(op_id, result);
    return true;
  }
  if (end.tell_writable) {
    end.tell_writable = false;
    if (end.state == SimNetwork::EndState::kOpen) {
      sink_->writable(id);
      return true;
    }
  }
  return !end.notices.empty() && tell_notice(id, end);
}

bool SimTransport::tell_notice(ConnectionId id, SimNetwork::End& end) {
  using Kind = SimNetwork::Notice::Kind;
  const Kind kind = end.notices.front().kind;
  if (kind == Kind::kReceived) return tell_received(id, end);
  if (kind == Kind::kClosed) return tell_closed(id, end);
  const uint64_t op_id = end.notices.front().op_id;
  end.notices.pop_front();
  network_.loop_.note(id * 8 + 4);
  if (kind == Kind::kConnected) {
    sink_->connected(op_id, ErrorCode::kOk, id);
  } else {
    sink_->accepted(id);
  }
  return true;
}

size_t SimTransport::find_buffer(uint64_t bytes) const {
  size_t best = posted_.size();
  for (size_t i = 0; i < posted_.size(); ++i) {
    const uint64_t size = posted_[i].buffer.size();
    if (size < bytes || (best < posted_.size() && posted_[best].buffer.size() <= size)) continue;
    best = i;
  }
  return best;
}

bool SimTransport::tell_received(ConnectionId id, SimNetwork::End& end) {
  const auto& payload = end.notices.front().message.payload;
  uint64_t buffer_op = 0;
  uint32_t payload_bytes = 0;
  if (payload) {
    const size_t at = find_buffer(payload->size());
    const uint64_t now_ns = network_.loop_.monotonic_ns();
    const bool held = now_ns < end.no_buffer_until_ns;
    if (at == posted_.size() || held) {
      network_.counts_.add(ClusterFault::kBuffersMissing);
      starved_.insert(id);
      if (held) network_.wake_later(id, end.no_buffer_until_ns - now_ns);
      return false;
    }
    check_poison(posted_[at]);
    std::memcpy(posted_[at].buffer.data(), payload->data(), payload->size());
    buffer_op = posted_[at].op_id;
    payload_bytes = static_cast<uint32_t>(payload->size());
    posted_[at] = posted_.back();
    posted_.pop_back();
  }
  SimNetwork::Message message = std::move(end.notices.front().message);
  end.notices.pop_front();
  network_.taken(id / 2, static_cast<uint32_t>(id % 2), message.bytes());
  sink_->received(id, message.header, buffer_op, payload_bytes);
  return true;
}

bool SimTransport::tell_closed(ConnectionId id, SimNetwork::End& end) {
  if (end.ended_sends.empty() && !end.sends.empty()) {
    for (const SimNetwork::Send& send : end.sends) {
      check_memory(send);
      end.ended_sends.emplace_back(
          send.op_id, network_.random_.chance(1, 4) ? ErrorCode::kOk : ErrorCode::kClosed);
    }
    end.sends.clear();
  }
  if (!end.ended_sends.empty()) {
    const auto [op_id, result] = end.ended_sends.front();
    end.ended_sends.pop_front();
    network_.loop_.note(op_id * 8 + 5);
    sink_->sent(op_id, result);
    return true;
  }
  const ErrorCode why = end.notices.front().result;
  end.notices.clear();
  end.told_closed = true;
  network_.forget_if_over(id / 2);
  network_.loop_.note(id * 8 + 7);
  sink_->closed(id, why);
  return true;
}

}  // namespace varve
