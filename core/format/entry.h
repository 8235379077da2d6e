// Entry: one run of blocks in a batch. The same 32 bytes stand in the batch header, where group
// commit puts them, and in the footer of the sealed segment, from which the map is rebuilt.
#pragma once

#include <cstdint>

#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

enum class EntryOp : uint8_t {
  kData = 1,  // `count` data blocks follow in the batch
  kZero = 2,  // trimmed or zeroed: no data blocks; must outlive every older version of the blocks
  kDamaged = 3,  // the blocks' bytes are lost: no data blocks; reads answer kDamaged
  kCatalog = 4,  // `count` data blocks of catalog records; no volume
};

struct Entry {
  Sequence sequence = 0;
  uint32_t volume = 0;
  uint32_t generation = 0;  // of the volume (snapshots); 0 today
  uint32_t group = 0;       // replication group; 0 on a single node
  uint32_t extent = 0;      // of the volume: blocks / 16384
  uint16_t offset = 0;      // first block within the extent
  uint16_t count = 0;       // blocks; a run never leaves its extent
  uint16_t position = 0;    // first data block within the slot (data and catalog)
  EntryOp op = EntryOp::kData;
  uint8_t flags = 0;

  uint64_t first_block() const { return static_cast<uint64_t>(extent) * kExtentBlocks + offset; }
  bool has_data() const { return op == EntryOp::kData || op == EntryOp::kCatalog; }
  uint32_t data_blocks() const { return has_data() ? count : 0; }
};
static_assert(sizeof(Entry) == 32);

// Whether the fields of an entry read from disk make sense in a slot of `slot_blocks`.
constexpr bool entry_plausible(const Entry& entry, uint32_t slot_blocks) {
  if (entry.op < EntryOp::kData || entry.op > EntryOp::kCatalog || entry.count == 0) return false;
  if (entry.has_data() &&
      (entry.position == 0 || static_cast<uint32_t>(entry.position) + entry.count > slot_blocks))
    return false;
  return entry.op == EntryOp::kCatalog ||
         static_cast<uint32_t>(entry.offset) + entry.count <= kExtentBlocks;
}

}  // namespace varve
