// TransportEvents: what a transport's context has to tell its host, in order.
//
// A poll is begin() .. take(). The headers of messages stay where take() named them until the next
// begin(), as the contract demands; so a message may be queued only while room() says that this
// poll will hand it out. Everything else may be queued at any time.
//
// Thread rule: that of its context. Ownership: a plain object.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/abi/transport.h"

namespace varve {

class TransportEvents {
 public:
  // At most this many events leave in one poll.
  static constexpr uint32_t kBatch = 64;

  void begin(uint32_t capacity) {
    capacity_ = std::min(capacity, kBatch);
    header_count_ = 0;
    if (empty()) names_.clear();
  }
  bool room() const { return waiting() < capacity_; }
  bool empty() const { return waiting() == 0; }

  // `name`: what the peer has proven; empty: nothing.
  void connected(uint64_t op_id, int32_t result, uint64_t connection, std::string_view name = {}) {
    const std::string_view kept = keep(name);
    add({.kind = VARVE_EVENT_CONNECTED,
         .result = result,
         .op_id = op_id,
         .connection = connection,
         .header = kept.data(),
         .header_bytes = static_cast<uint32_t>(kept.size())});
  }
  void accepted(uint64_t connection, std::string_view name = {}) {
    const std::string_view kept = keep(name);
    add({.kind = VARVE_EVENT_ACCEPTED,
         .connection = connection,
         .header = kept.data(),
         .header_bytes = static_cast<uint32_t>(kept.size())});
  }
  // Only when room(). `header` is copied.
  void received(uint64_t connection, std::span<const uint8_t> header, uint64_t buffer_op_id,
                uint32_t payload_bytes) {
    uint8_t* const copy = headers_[header_count_++].data();
    std::memcpy(copy, header.data(), header.size());
    add({.kind = VARVE_EVENT_RECEIVED,
         .op_id = buffer_op_id,
         .connection = connection,
         .header = copy,
         .header_bytes = static_cast<uint32_t>(header.size()),
         .payload_bytes = payload_bytes});
  }
  void done(uint64_t connection, uint64_t op_id, int32_t result) {
    add({.kind = VARVE_EVENT_OP_DONE, .result = result, .op_id = op_id, .connection = connection});
  }
  void closed(uint64_t connection, int32_t why) {
    add({.kind = VARVE_EVENT_CLOSED, .result = why, .connection = connection});
  }
  void writable(uint64_t connection) {
    add({.kind = VARVE_EVENT_WRITABLE, .connection = connection});
  }

  // Hands the oldest events out; at most what begin() was told.
  int32_t take(varve_transport_event* into) {
    const size_t count = std::min<size_t>(waiting(), capacity_);
    std::copy_n(queue_.begin() + static_cast<ptrdiff_t>(taken_), count, into);
    taken_ += count;
    if (taken_ == queue_.size()) {
      queue_.clear();
      taken_ = 0;
    }
    return static_cast<int32_t>(count);
  }

 private:
  size_t waiting() const { return queue_.size() - taken_; }
  void add(const varve_transport_event& event) { queue_.push_back(event); }
  std::string_view keep(std::string_view name) {
    if (name.empty()) return {};
    return names_.emplace_back(name.substr(0, VARVE_HEADER_BYTES_MAX));
  }

  std::vector<varve_transport_event> queue_;
  size_t taken_ = 0;
  std::deque<std::string> names_;  // of peers in queue_
  uint32_t capacity_ = 0;
  std::array<std::array<uint8_t, VARVE_HEADER_BYTES_MAX>, kBatch> headers_;
  uint32_t header_count_ = 0;
};

}  // namespace varve
