// Secret: key bytes in pages of their own: locked, left out of core dumps and children, zeroed when
// they go.
//
// Nothing prints one, and nothing copies one by accident: it only moves, and its bytes must be
// asked for by name.
//
// Thread rule: plain value. Ownership: owns the pages.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "core/base/error.h"

namespace varve {

class Secret {
 public:
  // Zeroed. kUnavailable: the memory cannot be locked; the message says what to raise.
  static Result<Secret> make(size_t bytes);
  Secret(Secret&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  size_t size() const { return bytes_; }
  // For ciphers and parsers only: what they return must not hold these bytes.
  std::span<std::byte> reveal() { return {data_, bytes_}; }
  std::span<const std::byte> reveal() const { return {data_, bytes_}; }

 private:
  Secret(std::byte* data, size_t bytes) : data_(data), bytes_(bytes) {}

  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace varve
