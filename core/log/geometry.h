// Geometry: where the slots of a device lie and how much each can hold.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/device/joined_device.h"
#include "core/format/batch.h"
#include "core/format/cold_index.h"
#include "core/format/footer.h"
#include "core/format/seal.h"
#include "core/format/superblock.h"

namespace varve {

// Slots that user data never takes: room to finish cleaning, also after crashes that each left a
// relocated segment half full, and to change the catalog.
inline constexpr uint32_t kRelocationReserveSlots = 3;
inline constexpr uint32_t kCatalogReserveSlots = 1;
inline constexpr uint32_t kSlotCountMin = 11;
// Where kFeatureMoves is worth the open segments that it takes; and where it is possible.
inline constexpr uint32_t kMovesSlotCountDefault = 128;
inline constexpr uint32_t kMovesSlotCountMin = kSlotCountMin + kMovesMax - 1;

// Slots of HDDs that hold no sellable data: one to pack into, and one that is being filled.
inline constexpr uint32_t kColdReserveSlots = 2;
inline constexpr uint32_t kColdSlotCountMin = 4;  // of one HDD
// A slot of an HDD is as large as this many of the SSD, up to 256 MiB.
inline constexpr uint32_t kColdSegmentFactor = 4;

// The slots of one HDD: as many of the disk group's as `count`, from `first` on. They hold data
// from their first block to their last.
struct ColdSlots {
  uint32_t first = 0;
  uint32_t count = 0;
  uint64_t offset = 0;  // of the first one, in the joined address space
};

struct Geometry {
  explicit Geometry(const Superblock& superblock)
      : slots_offset(superblock.slots_offset),
        segment_bytes(superblock.segment_bytes),
        slot_count(superblock.slot_count),
        seed(seal_seed(superblock.disk)),
        relocated_streams((superblock.incompatible_features & kFeatureMoves) != 0 ? kMovesMax : 1),
        dense_blocks_(count_dense_blocks(segment_bytes / kBlockBytes)) {}

  uint64_t slots_offset;
  uint32_t segment_bytes;
  uint32_t slot_count;  // of the SSD; those of the HDDs come behind
  uint32_t seed;        // of every checksum on this disk
  uint8_t relocated_streams;
  uint32_t cold_segment_bytes = 0;  // of all HDDs; 0: there is none
  std::vector<ColdSlots> cold;      // ascending

  bool is_cold(uint32_t slot) const { return slot >= slot_count; }
  uint32_t cold_slot_count() const {
    return cold.empty() ? 0 : cold.back().first + cold.back().count - slot_count;
  }
  // What can be sold of the HDDs: packing slots that are almost full of live blocks is dear.
  uint64_t cold_capacity_blocks() const {
    if (cold.empty()) return 0;
    return uint64_t{cold_slot_count() - kColdReserveSlots} * cold_data_blocks() * 9 / 10;
  }
  uint32_t cold_slot_blocks() const { return cold_segment_bytes / kBlockBytes; }
  uint32_t cold_data_blocks() const { return varve::cold_data_blocks(cold_slot_blocks()); }
  const ColdSlots& cold_slots_of(uint32_t slot) const {
    return *(std::upper_bound(
                 cold.begin(), cold.end(), slot,
                 [](uint32_t wanted, const ColdSlots& held) { return wanted < held.first; }) -
             1);
  }
  // First block of the slot's index in kIndexVolume.
  uint64_t index_block(uint32_t slot) const {
    return uint64_t{slot - slot_count} * cold_index_stride(cold_slot_blocks());
  }

  // Room, in slots beside those that users leave to others, above which they write as fast as they
  // can and below which cleaning begins; small devices make do with less.
  uint32_t runway_slots() const {
    const uint32_t most = std::max(2u, slot_count / (cold.empty() ? 16 : 8));
    return std::min(moving_slots() + free_runway_slots(), most);
  }
  // Of these, what is left when users write no more than is won back.
  uint32_t held_back_slots() const {
    return runway_slots() * moving_slots() / (moving_slots() + free_runway_slots());
  }
  // Slots that count as room though users cannot write there yet: the open ones of blocks that are
  // moved, one that is being cleaned, those that sink to an HDD together.
  uint32_t moving_slots() const {
    return relocated_streams + 1 + (cold.empty() ? 0 : cold_segment_bytes / segment_bytes + 1);
  }
  uint32_t free_runway_slots() const { return std::clamp(slot_count / 100, 3u, 64u); }

  uint32_t stream_count() const { return relocated_streams + 2; }  // of user and catalog one each
  // Slots that hold no sellable data: the reserves, the open segment of each stream, and one more
  // that is being sealed.
  uint32_t unsellable_slots() const {
    return kRelocationReserveSlots + kCatalogReserveSlots + stream_count() + 1;
  }
  uint32_t slot_blocks() const { return segment_bytes / kBlockBytes; }
  uint64_t offset(uint32_t slot, uint32_t block) const {
    if (is_cold(slot)) {
      const ColdSlots& slots = cold_slots_of(slot);
      return slots.offset + static_cast<uint64_t>(slot - slots.first) * cold_segment_bytes +
             static_cast<uint64_t>(block) * kBlockBytes;
    }
    return slots_offset + static_cast<uint64_t>(slot) * segment_bytes +
           static_cast<uint64_t>(block) * kBlockBytes;
  }
  // The longest run that one append may carry. Small slots get short runs, so that little room is
  // left over at the end of a segment.
  uint32_t append_blocks_max() const { return std::min(kBatchDataBlocksMax, slot_blocks() / 4); }
  // Runs that the cleaner moves are short: what it packs must waste nothing.
  uint32_t relocate_blocks_max() const { return std::clamp(slot_blocks() / 64, 1u, 16u); }
  // Data blocks that a slot holds when the cleaner packs it, in the worst case of single blocks:
  // two batch headers, then one more for each 64 blocks.
  uint32_t dense_blocks() const { return dense_blocks_; }

 private:
  static uint32_t count_dense_blocks(uint32_t slot_blocks) {
    uint32_t blocks = slot_blocks - 1;
    while (blocks + 2 + blocks / 64 + 1 + seal_blocks_for(blocks, blocks) > slot_blocks) --blocks;
    return blocks;
  }

  uint32_t dense_blocks_;
};

}  // namespace varve
