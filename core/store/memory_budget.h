// How much memory a disk group may take: the map, the slot table, the read cache's index. Pure.
//
// The read cache gives up what it has before the map passes the write limit. With a budget that the
// operator has set, writes that may take the map beyond it find no room, as on a full store;
// without one they go on, and so do writes to a member of a group, which the other members take,
// too.
//
// It is no proof: what cleaning and sinking move, and what trims mark, may take wider rows than
// before, and is not refused; the last sixteenth is for that.
#pragma once

#include <cstdint>

#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

// What a live block takes at worst where most of its neighbours are there, too (memory_run): its
// row in a leaf is of 13 bytes when it was written and moved in no order, of a few more with
// snapshots or in a group, and a leaf has room for some more rows.
inline constexpr uint64_t kMapBlockBytesMax = 20;

constexpr uint64_t memory_write_limit(uint64_t max_bytes) {
  return max_bytes / 16 * 15;
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
