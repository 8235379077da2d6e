// Units that the whole project shares.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;

// A block is the unit of mapping, checksum and atomicity.
inline constexpr uint32_t kBlockBytes = 4096;

// 64 MiB of a volume's address space; 1 MiB of it is a leaf, the unit of the map.
inline constexpr uint32_t kExtentBlocks = 16384;
inline constexpr uint32_t kLeafBlocks = 256;
inline constexpr uint32_t kLeavesPerExtent = kExtentBlocks / kLeafBlocks;

constexpr uint64_t blocks_for(uint64_t bytes) {
  return (bytes + kBlockBytes - 1) / kBlockBytes;
}
constexpr uint64_t round_up(uint64_t value, uint64_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace varve
