// AlignedBuffer: memory on 4 KiB boundaries, as direct I/O demands. Owns; moves; starts zeroed.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <utility>

#include "core/base/check.h"
#include "core/base/units.h"

namespace varve {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // `bytes` is rounded up to 4 KiB.
  explicit AlignedBuffer(size_t bytes) : bytes_(round_up(bytes, kBlockBytes)) {
    data_ = static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, bytes_));
    VARVE_CHECK(data_ != nullptr);
    std::memset(data_, 0, bytes_);
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~AlignedBuffer() { std::free(data_); }

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return bytes_; }
  std::span<std::byte> span() { return {data_, bytes_}; }
  std::span<const std::byte> span() const { return {data_, bytes_}; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace varve
