// How a byte range of a volume is cut for the store.
//
// A piece is either a part of one block, or whole blocks that lie in one extent. Pure functions.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

inline constexpr uint64_t kExtentBytes = uint64_t{kExtentBlocks} * kBlockBytes;

struct Piece {
  uint64_t offset = 0;  // bytes
  uint64_t bytes = 0;

  bool partial() const { return offset % kBlockBytes != 0 || bytes % kBlockBytes != 0; }
  // The blocks that it touches.
  BlockRange blocks() const {
    return {offset / kBlockBytes, blocks_for(offset % kBlockBytes + bytes)};
  }
};

// The first piece of [offset, end), at most `bytes_max` long. REQUIRES offset < end and bytes_max a
// multiple of 4 KiB.
inline Piece first_piece(uint64_t offset, uint64_t end, uint64_t bytes_max) {
  const uint64_t in_block = offset % kBlockBytes;
  if (in_block != 0 || end - offset < kBlockBytes)
    return {offset, std::min(kBlockBytes - in_block, end - offset)};
  const uint64_t whole = (end - offset) / kBlockBytes * kBlockBytes;
  return {offset, std::min({whole, bytes_max, kExtentBytes - offset % kExtentBytes})};
}

}  // namespace varve
