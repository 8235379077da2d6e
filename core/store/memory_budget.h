// How much memory a disk group may take: the map, the slot table, the read cache's index. Pure.
//
// The budget is held by what writers are let do: a write of blocks that may take the map beyond
// kMemoryWriteLimit of it finds no room, as on a full store, after the read cache has given up what
// it has. What nobody can refuse, cleaning, sinking and the marks of trims, has the rest: it moves
// versions and replaces them, and makes none.
#pragma once

#include <cstdint>

#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

// What a live block takes at worst where its neighbours are there, too (memory_run): its row in a
// leaf is of 13 bytes when it was written and moved in no order, and of a few more with snapshots.
inline constexpr uint64_t kMapBlockBytesMax = 15;

// Up to here clients write; settlement, repair and catch-up up to a little more.
constexpr uint64_t memory_write_limit(uint64_t max_bytes, bool reserved) {
  return max_bytes / 32 * (reserved ? 31 : 30);
}

// A budget that holds every load of so many blocks, unless they are few and far between.
constexpr uint64_t memory_for(uint64_t blocks) {
  constexpr uint64_t kSmallDisks = 64 * kMiB;
  return kSmallDisks + blocks * kMapBlockBytesMax * 16 / 15;
}

// By how much a write of this range may make the map grow: of each of its leaves every row may
// become wider, and a leaf that is alone in its extent brings that along.
constexpr uint64_t memory_growth(BlockRange range) {
  constexpr uint64_t kLeafGrowth = 3 * kKiB;
  if (range.count == 0) return 0;
  const uint64_t leaves = (range.end() - 1) / kLeafBlocks - range.first / kLeafBlocks + 1;
  return leaves * kLeafGrowth + range.count * kMapBlockBytesMax;
}

}  // namespace varve
