// The index of a cold segment: what lies in a slot of an HDD, which holds nothing but data. It is
// kept on the SSD, so that recovery need not seek on HDDs: as content of a volume that only the
// store sees (kIndexVolume), in which slot i has its blocks from i * stride on.
//
// Bytes: ColdIndexHeader | ColdRun, its ColdEntry x entry_count | ... | crc32c x block_count | seal
//
// Data blocks lie in the slot one behind the other, from its beginning, in the order of the
// entries. At the slot's end lies a second copy of the index, for the day when the first one is
// damaged.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/format/entry.h"
#include "core/format/footer.h"

namespace varve {

// Never given to a volume of users.
inline constexpr VolumeId kIndexVolume{UINT32_MAX};

inline constexpr uint64_t kColdIndexMagic = 0x3158444e'49444c43;  // "CLDINDX1"

struct ColdIndexHeader {
  uint64_t magic = kColdIndexMagic;
  uint32_t slot = 0;        // as the map counts: behind those of the SSD
  uint32_t generation = 0;  // of the slot's opening
  uint32_t bytes = 0;       // of all, header and seal included
  uint32_t run_count = 0;
  uint32_t block_count = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(ColdIndexHeader) == 32);

// Entries that have these in common.
struct ColdRun {
  uint32_t volume = 0;
  uint32_t generation = 0;
  uint32_t group = 0;
  uint32_t extent = 0;
  uint32_t entry_count = 0;
};
static_assert(sizeof(ColdRun) == 20);

struct ColdEntry {
  uint32_t sequence_low = 0;
  uint32_t sequence_high = 0;
  uint16_t offset = 0;
  uint16_t count = 0;
};
static_assert(sizeof(ColdEntry) == 12);

inline constexpr size_t kSealBytes = sizeof(uint32_t);

// Whether `entry` goes on in the run of `last`.
constexpr bool same_cold_run(const Entry& last, const Entry& entry) {
  return last.volume == entry.volume && last.generation == entry.generation &&
         last.group == entry.group && last.extent == entry.extent;
}

// Blocks that an index may take: enough for single blocks that each lie in an extent of their own.
constexpr uint32_t cold_index_blocks_max(uint32_t slot_blocks) {
  constexpr uint32_t kWorst = sizeof(ColdRun) + sizeof(ColdEntry) + sizeof(uint32_t);
  return (sizeof(ColdIndexHeader) + kSealBytes + kWorst * slot_blocks) / kBlockBytes + 1;
}
// Data blocks that a slot has room for, before the copy of its index.
constexpr uint32_t cold_data_blocks(uint32_t slot_blocks) {
  return slot_blocks - cold_index_blocks_max(slot_blocks);
}
// Between the indexes of two slots, so that none leaves an extent.
constexpr uint32_t cold_index_stride(uint32_t slot_blocks) {
  return std::bit_ceil(cold_index_blocks_max(slot_blocks));
}

// Collects the entries of a cold segment and knows how large their index is.
class ColdIndexBuilder {
 public:
  explicit ColdIndexBuilder(uint32_t slot_blocks);

  // Takes one block. False: the slot or its index is full. `block`'s count is 1; its position is
  // filled in.
  bool add(Entry block, uint32_t crc);
  const Footer& content() const { return content_; }
  uint32_t block_count() const { return static_cast<uint32_t>(content_.crcs.size()); }

 private:
  const uint32_t data_blocks_;
  size_t bytes_left_;
  Footer content_;
};

// The index as whole blocks, padded with zeroes.
std::vector<std::byte> encode_cold_index(uint32_t slot, uint32_t generation, const Footer& content,
                                         uint32_t seed);

struct ColdIndex {
  uint32_t generation = 0;
  Footer content;
};
// Length in blocks of the index that begins with `block`, as far as that can be told; nothing when
// it is none for this slot.
std::optional<uint32_t> cold_index_blocks(std::span<const std::byte> block, uint32_t slot,
                                          uint32_t slot_blocks);
// `bytes`: as many blocks as that. Nothing when they are damaged.
std::optional<ColdIndex> decode_cold_index(std::span<const std::byte> bytes, uint32_t seed,
                                           uint32_t slot, uint32_t slot_blocks);

}  // namespace varve
