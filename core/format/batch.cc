#include "core/format/batch.h"

#include <cstring>

#include "core/format/seal.h"

namespace varve {
namespace {

bool fields_plausible(const BatchHeader& header, uint32_t slot, uint32_t start_block,
                      uint32_t slot_blocks) {
  if (header.magic != kBatchMagic || header.slot != slot || header.start_block != start_block)
    return false;
  if (header.entry_count == 0 || header.entry_count > kBatchEntriesMax) return false;
  if (header.data_blocks > kBatchDataBlocksMax || header.open.count > kOpenSegmentsMax)
    return false;
  if (header.header_blocks != batch_header_blocks(header.entry_count, header.data_blocks))
    return false;
  return start_block + header.header_blocks + header.data_blocks <= slot_blocks;
}

// Entries must describe exactly the data blocks of the batch, in order.
bool entries_plausible(const DecodedBatch& batch, uint32_t slot_blocks) {
  uint32_t position = batch.header.start_block + batch.header.header_blocks;
  for (const Entry& entry : batch.entries) {
    if (!entry_plausible(entry, slot_blocks)) return false;
    if (entry.has_data() && entry.position != position) return false;
    position += entry.data_blocks();
  }
  return position == batch.end_block();
}

}  // namespace

void encode_batch_header(const BatchHeader& header, std::span<const Entry> entries,
                         std::span<const uint32_t> crcs, uint32_t seed, std::span<std::byte> out) {
  std::byte* at = out.data();
  std::memcpy(at, &header, sizeof header);
  at += sizeof header;
  std::memcpy(at, entries.data(), entries.size_bytes());
  at += entries.size_bytes();
  if (!crcs.empty()) std::memcpy(at, crcs.data(), crcs.size_bytes());
  at += crcs.size_bytes();
  std::memset(at, 0, static_cast<size_t>(out.data() + out.size() - at));
  seal(out, seed);
}

std::optional<DecodedBatch> decode_batch_header(std::span<const std::byte> slot_bytes,
                                                uint32_t seed, uint32_t slot,
                                                uint32_t start_block) {
  const uint32_t slot_blocks = static_cast<uint32_t>(slot_bytes.size() / kBlockBytes);
  const std::byte* from = slot_bytes.data() + static_cast<size_t>(start_block) * kBlockBytes;
  DecodedBatch batch{.header = load_struct<BatchHeader>(from)};
  const BatchHeader& header = batch.header;
  if (!fields_plausible(header, slot, start_block, slot_blocks)) return {};
  if (!sealed({from, static_cast<size_t>(header.header_blocks) * kBlockBytes}, seed)) return {};
  batch.entries.resize(header.entry_count);
  batch.crcs.resize(header.data_blocks);
  from += sizeof header;
  std::memcpy(batch.entries.data(), from, batch.entries.size() * sizeof(Entry));
  from += batch.entries.size() * sizeof(Entry);
  if (!batch.crcs.empty())
    std::memcpy(batch.crcs.data(), from, batch.crcs.size() * sizeof(uint32_t));
  if (!entries_plausible(batch, slot_blocks)) return {};
  return batch;
}

}  // namespace varve
