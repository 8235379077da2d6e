// The end of a sealed segment: leader, footer, trailer, in one device write that ends with the
// slot.
//
// Footer: all entries of the segment's batches, then the crc32c of all their data blocks in the
// same order. Leader and trailer are equal blocks that describe the footer: the trailer is where
// recovery looks; the leader tells, where the trailer is unreadable, how far the segment had been
// durable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/format/entry.h"
#include "core/format/segment_header.h"

namespace varve {

inline constexpr uint64_t kTrailerMagic = 0x31525442'45565256;  // "VRVEBTR1"
// A bound for plausibility: a block of footer holds this many entries.
inline constexpr uint32_t kBatchEntriesPerBlockMax = kBlockBytes / sizeof(Entry);

struct Trailer {
  uint64_t magic = kTrailerMagic;
  uint32_t slot = 0;
  uint32_t generation = 0;
  Sequence data_sequence_min = 0;  // lowest of the volumes' data entries; all ones: none
  Sequence sequence_max = 0;
  uint32_t used_blocks = 0;  // end of the last batch, from the slot's start
  uint32_t entry_count = 0;
  uint32_t data_blocks = 0;
  uint32_t footer_blocks = 0;  // without leader and trailer
  uint32_t footer_crc = 0;
  uint32_t reserved = 0;
  OpenList open;
  uint32_t reserved2 = 0;
};
static_assert(sizeof(Trailer) == 256);

constexpr uint32_t footer_blocks_for(uint32_t entry_count, uint32_t data_blocks) {
  const uint64_t bytes = static_cast<uint64_t>(entry_count) * sizeof(Entry) +
                         static_cast<uint64_t>(data_blocks) * sizeof(uint32_t);
  return static_cast<uint32_t>((bytes + kBlockBytes - 1) / kBlockBytes);
}
// Leader, footer and trailer.
constexpr uint32_t seal_blocks_for(uint32_t entry_count, uint32_t data_blocks) {
  return footer_blocks_for(entry_count, data_blocks) + 2;
}

struct Footer {
  std::vector<Entry> entries;
  std::vector<uint32_t> crcs;  // one per data block, in the order of the entries
};

// Fills `out` (seal_blocks_for(...) blocks) and the trailer's counts and CRC.
void encode_footer(Trailer& trailer, const Footer& footer, uint32_t seed, std::span<std::byte> out);

// The trailer (or leader) in `block`, if it is valid for this slot and fits a slot of
// `slot_blocks`.
std::optional<Trailer> decode_trailer(std::span<const std::byte> block, uint32_t seed,
                                      uint32_t slot, uint32_t slot_blocks);
// The footer that `trailer` describes; `bytes` are its footer_blocks. Nothing when it is damaged.
std::optional<Footer> decode_footer(const Trailer& trailer, std::span<const std::byte> bytes,
                                    uint32_t seed, uint32_t slot_blocks);

}  // namespace varve
