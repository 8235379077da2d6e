// ImageLayout: what stands where on a disk image, read with the store's own format but none of its
// logic. It tells which batches something durable names: those, and only those, a single store can
// tell from a torn write when their bytes are wrong.
//
// Thread rule: plain values. The image must outlive the layout's use of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/format/batch.h"
#include "core/format/superblock.h"
#include "tests/sim/sim_device.h"

namespace varve {

struct SlotLayout {
  uint32_t slot = 0;
  uint32_t generation = 0;  // 0: no readable segment header, or never used
  std::vector<DecodedBatch>
      batches;                // of this generation, from the front, valid by header and data
  uint32_t valid_end = 1;     // the block behind them
  bool sealed = false;        // trailer and footer are readable
  uint32_t seal_start = 0;    // first block of leader, footer, trailer
  uint32_t named_end = 0;     // something durable says: the slot was durable up to here
  bool stale_behind = false;  // batches of a former life follow
};

struct ImageLayout {
  Superblock superblock;
  std::vector<SlotLayout> slots;

  uint32_t slot_blocks() const { return superblock.segment_bytes / kBlockBytes; }
  // Block number on the device.
  uint64_t device_block(uint32_t slot, uint32_t block) const {
    return superblock.slots_offset / kBlockBytes + uint64_t{slot} * slot_blocks() + block;
  }
};

// Of an SSD. Nothing when no superblock is readable.
std::optional<ImageLayout> read_layout(std::span<const std::byte> image);

}  // namespace varve
