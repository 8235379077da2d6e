// A batch: header block(s), then data blocks in the order of its entries, in one device write. It
// is the unit of group commit and of torn-write detection: valid only if its header and every data
// block's checksum hold, for this disk, this slot, this generation and this position.
//
// Header: BatchHeader | Entry x entry_count | crc32c u32 x data_blocks | zeroes | crc u32
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/format/entry.h"
#include "core/format/segment_header.h"

namespace varve {

inline constexpr uint32_t kBatchMagic = 0x42525656;  // "VVRB"
inline constexpr uint32_t kBatchEntriesMax = 256;
inline constexpr uint32_t kBatchDataBlocksMax = 256;

struct BatchHeader {
  uint32_t magic = kBatchMagic;
  uint32_t slot = 0;
  uint32_t generation = 0;
  uint32_t start_block = 0;  // within the slot
  uint32_t data_blocks = 0;
  uint16_t header_blocks = 0;
  uint16_t entry_count = 0;
  uint64_t wall_seconds = 0;  // a label; nothing rests on it
  OpenList open;
  uint32_t reserved = 0;
};
static_assert(sizeof(BatchHeader) == 232);

constexpr uint32_t batch_header_blocks(uint32_t entry_count, uint32_t data_blocks) {
  const uint32_t bytes = sizeof(BatchHeader) + entry_count * sizeof(Entry) +
                         data_blocks * sizeof(uint32_t) + sizeof(uint32_t);
  return (bytes + kBlockBytes - 1) / kBlockBytes;
}
inline constexpr uint32_t kBatchHeaderBlocksMax =
    batch_header_blocks(kBatchEntriesMax, kBatchDataBlocksMax);

// `out` is header.header_blocks blocks.
void encode_batch_header(const BatchHeader& header, std::span<const Entry> entries,
                         std::span<const uint32_t> crcs, uint32_t seed, std::span<std::byte> out);

struct DecodedBatch {
  BatchHeader header;
  std::vector<Entry> entries;
  std::vector<uint32_t> crcs;
  uint32_t total_blocks() const { return header.header_blocks + header.data_blocks; }
  uint32_t end_block() const { return header.start_block + total_blocks(); }
};

// The batch header at block `start_block` of `slot_bytes`, a whole slot's content, if there is a
// valid one for (slot, start_block). The generation is the caller's to judge.
std::optional<DecodedBatch> decode_batch_header(std::span<const std::byte> slot_bytes,
                                                uint32_t seed, uint32_t slot, uint32_t start_block);

}  // namespace varve
