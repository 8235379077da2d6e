// Distinct types for the numbers that name things.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace varve {

// Names a volume on one disk group. Never 0, never reused, even after the volume is deleted.
enum class VolumeId : uint32_t {};

// Order of operations: epoch in the upper 24 bits, counter in the lower 40. Higher wins, always.
using Sequence = uint64_t;

using Uuid = std::array<std::byte, 16>;

// A run of blocks of one volume.
struct BlockRange {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t end() const { return first + count; }
};

}  // namespace varve
