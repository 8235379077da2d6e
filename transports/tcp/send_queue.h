// SendQueue: the messages of one connection that the kernel has not taken whole yet, in order.
//
// A ring that grows to what is needed and keeps its memory: no allocation per message.
//
// Thread rule: that of its connection. Ownership: headers are copied; payloads are the host's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "plugins/abi/transport.h"
#include "transports/tcp/frame.h"

namespace varve {

struct QueuedSend {
  uint64_t op_id = 0;
  uint32_t head_bytes = 0;  // frame and header
  uint32_t payload_bytes = 0;
  uint32_t slice_count = 0;
  std::array<varve_slice, VARVE_MESSAGE_SLICES_MAX> slices;
  std::array<uint8_t, kFrameBytes + VARVE_HEADER_BYTES_MAX> head;

  uint64_t bytes() const { return uint64_t{head_bytes} + payload_bytes; }
};

class SendQueue {
 public:
  bool empty() const { return count_ == 0; }
  size_t count() const { return count_; }
  uint64_t bytes() const { return bytes_; }

  // The caller fills it in, then calls push().
  QueuedSend& next() {
    if (count_ == ring_.size()) grow();
    return at(count_);
  }
  void push() {
    bytes_ += at(count_).bytes();
    ++count_;
  }
  // From the oldest.
  QueuedSend& at(size_t index) { return ring_[(first_ + index) & (ring_.size() - 1)]; }
  void pop() {
    bytes_ -= at(0).bytes();
    first_ = (first_ + 1) & (ring_.size() - 1);
    --count_;
  }

 private:
  void grow() {
    std::vector<QueuedSend> larger(ring_.empty() ? 8 : 2 * ring_.size());
    for (size_t i = 0; i < count_; ++i) larger[i] = at(i);
    ring_ = std::move(larger);
    first_ = 0;
  }

  std::vector<QueuedSend> ring_;  // a power of two
  size_t first_ = 0;
  size_t count_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace varve
