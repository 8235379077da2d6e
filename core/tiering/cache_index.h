// CacheIndex: which blocks of HDDs the read cache holds, and where. In memory only, for ever.
//
// Blocks are known by their place on the HDD and the generation of the slot there, never by their
// address: what is overwritten leads elsewhere by the map, so that nothing needs to be told, and
// all views and clones share what they share. What was filled from an earlier generation of a slot
// is never found again.
//
// Memory: 12 bytes for each block of a slot that was added, used or not, and 4 to 16 for each that
// is used.
//
// Thread rule: one shard's thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace varve {

// A block in a slot of an HDD.
struct ColdPlace {
  uint32_t slot = 0;
  uint32_t generation = 0;  // of the slot
  uint32_t position = 0;

  ColdPlace operator+(uint32_t blocks) const { return {slot, generation, position + blocks}; }
};

// A block in a slot of the SSD.
struct CachePlace {
  uint32_t slot = 0;
  uint32_t position = 0;
};

class CacheIndex {
 public:
  // Slots of the SSD have numbers below `hot_count` and `slot_blocks` blocks.
  CacheIndex(uint32_t hot_count, uint32_t slot_blocks);

  // Slots of the SSD from this number on cannot be added.
  uint32_t slots_end() const { return slots_end_; }
  void add_slot(uint32_t slot);
  // Nothing that it holds is found any more. Returns the places of what was found since it was
  // inserted.
  std::vector<ColdPlace> drop_slot(uint32_t slot);

  // Nothing: not held.
  std::optional<CachePlace> find(const ColdPlace& place);
  // REQUIRES it not to be held, and `where` to be in a slot that was added, and unused.
  void insert(const ColdPlace& place, const CachePlace& where);
  void erase(const ColdPlace& place);

  uint64_t block_count() const { return block_count_; }
  uint64_t room_blocks() const { return uint64_t{slot_count_} * slot_blocks_; }
  uint64_t memory_bytes() const {
    return table_bytes() + room_blocks() * sizeof(Frame) + bucket_count_ * sizeof(uint32_t);
  }
  // What it takes without any slot.
  uint64_t table_bytes() const {
    return frames_.capacity() * sizeof(std::vector<Frame>) + tables_.capacity() * sizeof(Table);
  }
  // What one more slot may take when it is full.
  uint64_t slot_bytes_max() const { return slot_blocks_ * (sizeof(Frame) + 2 * sizeof(uint32_t)); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kBucketsMin = 8;

  // What a block of an added slot holds.
  struct Frame {
    uint32_t cold_slot = kNone;  // kNone: nothing
    uint32_t next = kNone;       // the next frame with a place of the same bucket
    uint16_t position = 0;
    uint16_t found = 0;
  };
  static_assert(sizeof(Frame) == 12);
  // The frames of one slot of an HDD, by position. No more buckets than four times the frames, or
  // kBucketsMin.
  struct Table {
    uint32_t generation = 0;
    uint32_t count = 0;
    std::vector<uint32_t> buckets;

    uint32_t& bucket(uint32_t position) { return buckets[position & (buckets.size() - 1)]; }
  };

  Frame& frame(uint32_t number) { return frames_[number / slot_blocks_][number % slot_blocks_]; }
  Table& table(uint32_t cold_slot);
  uint32_t find_frame(const ColdPlace& place);
  void unlink(Table& table, uint32_t number);
  // Gives it so many buckets.
  void spread(Table& table, size_t buckets);
  // What it held is of an earlier generation.
  void clear(Table& table);

  const uint32_t hot_count_;
  const uint32_t slot_blocks_;
  const uint32_t slots_end_;
  std::vector<std::vector<Frame>> frames_;  // by slot of the SSD
  std::vector<Table> tables_;               // by slot of the HDDs
  uint32_t slot_count_ = 0;                 // that were added
  uint64_t block_count_ = 0;
  uint64_t bucket_count_ = 0;  // of all tables
};

}  // namespace varve
