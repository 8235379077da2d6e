// BlockDevice: aligned asynchronous block I/O on one file, block device or simulated disk.
//
// Offsets and lengths are multiples of 4 KiB and buffers are 4 KiB-aligned (O_DIRECT). Completions
// arrive in any order. A durable write is on stable media when it completes (write + flush, FUA, or
// nothing extra where the device declares it). Memory of a request must stay valid until it
// completes; requests are never cancelled.
//
// Thread rule: one shard's thread. Completions go through the run queue.
#pragma once

#include <sys/uio.h>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/error.h"

namespace varve {

struct IoRequest {
  enum class Kind : uint8_t { kRead, kWrite, kDiscard, kFlush };

  Kind kind = Kind::kRead;
  bool durable = false;  // writes only
  uint64_t offset = 0;   // bytes
  uint64_t bytes = 0;    // total of the vectors; for a discard, the length
  const iovec* vectors = nullptr;
  uint32_t vector_count = 0;
  // Set by the device: kOk or kIoError (a short transfer is an error too).
  ErrorCode result = ErrorCode::kOk;
  std::coroutine_handle<> waiter;
};

class BlockDevice {
 public:
  virtual ~BlockDevice() = default;
  virtual uint64_t size_bytes() const = 0;
  // Starts `request`; on completion sets its result and queues its waiter. The request must not
  // move.
  virtual void submit(IoRequest& request) = 0;

  class [[nodiscard]] Operation {
   public:
    Operation(BlockDevice& device, IoRequest request) : device_(device), request_(request) {}
    Operation(BlockDevice& device, IoRequest request, iovec single)
        : device_(device), request_(request), single_(single) {}
    Operation(const Operation&) = delete;
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      if (request_.vectors == nullptr) {
        request_.vectors = &single_;
        request_.vector_count = 1;
      }
      request_.waiter = waiter;
      device_.submit(request_);
    }
    Status await_resume() noexcept { return request_.result; }

   private:
    BlockDevice& device_;
    IoRequest request_;
    iovec single_{};
  };

  Operation read(uint64_t offset, std::span<std::byte> into) {
    return {*this,
            {.kind = IoRequest::Kind::kRead, .offset = offset, .bytes = into.size()},
            iovec{into.data(), into.size()}};
  }
  Operation write(uint64_t offset, std::span<const std::byte> from, bool durable) {
    return {*this,
            {.kind = IoRequest::Kind::kWrite,
             .durable = durable,
             .offset = offset,
             .bytes = from.size()},
            iovec{const_cast<std::byte*>(from.data()), from.size()}};
  }
  // `vectors` must stay valid until completion.
  Operation write_vectors(uint64_t offset, std::span<const iovec> vectors, uint64_t bytes,
                          bool durable) {
    return {*this,
            {.kind = IoRequest::Kind::kWrite,
             .durable = durable,
             .offset = offset,
             .bytes = bytes,
             .vectors = vectors.data(),
             .vector_count = static_cast<uint32_t>(vectors.size())}};
  }
  // Everything that completed before is on stable media. Slow: not for the data path. Of joined
  // devices the one that `offset` lies on.
  Operation flush(uint64_t offset = 0) {
    return {*this, {.kind = IoRequest::Kind::kFlush, .offset = offset}, iovec{}};
  }
  // A hint: the range holds nothing of use. What a later read returns there is undefined.
  Operation discard(uint64_t offset, uint64_t bytes) {
    return {*this, {.kind = IoRequest::Kind::kDiscard, .offset = offset, .bytes = bytes}, iovec{}};
  }
};

}  // namespace varve
