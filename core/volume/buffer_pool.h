// BufferPool: 4 KiB-aligned memory for a service's requests, reused, within a budget.
//
// Sizes are powers of two from 4 KiB to 32 MiB. Small ones are reused most, so they stay in the
// pool until it holds its share of unused memory; then what comes back is freed.
//
// Thread rule: one shard's thread. Ownership: a buffer belongs to who acquired it until released; a
// released one must not be touched. The destructor frees what lies in the pool; what is still out
// is lost. A release of nothing, or of more than is out, is ignored.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/units.h"
#include "core/volume/limits.h"

namespace varve {

class BufferPool {
 public:
  // `bytes_max`: handed out and unused together. `unused_bytes_max`: of these, unused.
  BufferPool(uint64_t bytes_max, uint64_t unused_bytes_max)
      : bytes_max_(bytes_max), unused_bytes_max_(unused_bytes_max) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Null when `bytes` is 0 or above 32 MiB, when the budget is used up, or without memory.
  std::byte* acquire(uint64_t bytes);
  // `bytes` as given to acquire().
  void release(std::byte* buffer, uint64_t bytes);

  uint64_t used_bytes() const { return used_bytes_; }
  uint64_t unused_bytes() const { return unused_bytes_; }

 private:
  static constexpr size_t kClassCount = std::bit_width(kOperationBytesMax / kBlockBytes);
  static size_t class_of(uint64_t bytes);
  static uint64_t class_bytes(size_t size_class) { return uint64_t{kBlockBytes} << size_class; }
  void free_unused(uint64_t down_to_bytes);

  const uint64_t bytes_max_;
  const uint64_t unused_bytes_max_;
  uint64_t used_bytes_ = 0;
  uint64_t unused_bytes_ = 0;
  std::array<std::vector<std::byte*>, kClassCount> unused_;
};

}  // namespace varve
