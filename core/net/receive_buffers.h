// ReceiveBuffers: the memory that payloads arrive in: two size classes of one arena, which is
// registered once. A buffer is with the transport, or holds a Payload.
//
// Thread rule: one shard's thread. Ownership: the transport is borrowed and keeps buffers until it
// is destroyed: destroy it before this. The destructor requires that no Payload is left.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "core/base/aligned_buffer.h"
#include "core/base/error.h"
#include "core/net/transport.h"

namespace varve {

class ReceiveBuffers;

// A payload that has arrived, 4 KiB-aligned. Gives its receive buffer back when it is destroyed: do
// not keep it longer than needed.
class Payload {
 public:
  Payload() = default;
  Payload(ReceiveBuffers* owner, uint64_t buffer, std::span<std::byte> bytes)
      : owner_(owner), buffer_(buffer), bytes_(bytes) {}
  Payload(Payload&& other) noexcept { *this = std::move(other); }
  Payload& operator=(Payload&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(buffer_, other.buffer_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Payload();

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  ReceiveBuffers* owner_ = nullptr;
  uint64_t buffer_ = 0;
  std::span<std::byte> bytes_;
};

class ReceiveBuffers {
 public:
  ReceiveBuffers(Transport& transport, uint32_t small_count, uint32_t large_count);
  ~ReceiveBuffers();

  // Registers and posts all.
  Status start();
  // Nothing is posted any more.
  void stop() { stopped_ = true; }
  // The transport has filled `buffer`; 0 gives an empty payload.
  Payload take(uint64_t buffer, uint32_t payload_bytes);
  uint32_t taken_count() const { return taken_count_; }

 private:
  friend class Payload;
  void give_back(uint64_t buffer);
  std::span<std::byte> memory(uint64_t buffer);

  Transport& transport_;
  const uint32_t small_count_;
  const uint32_t large_count_;
  AlignedBuffer arena_;  // small ones first
  uint32_t taken_count_ = 0;
  bool stopped_ = false;
  bool refused_ = false;  // the transport takes no more; said once
};

}  // namespace varve
