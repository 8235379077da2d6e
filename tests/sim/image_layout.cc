#include "tests/sim/image_layout.h"

#include <algorithm>
#include <span>

#include "core/base/crc32c.h"
#include "core/format/footer.h"
#include "core/format/seal.h"

namespace varve {

namespace {

using SlotBytes = std::span<const std::byte>;

bool data_valid(const DecodedBatch& batch, SlotBytes bytes) {
  const uint64_t first = batch.header.start_block + batch.header.header_blocks;
  for (uint32_t i = 0; i < batch.header.data_blocks; ++i) {
    if (crc32c(bytes.subspan((first + i) * kBlockBytes, kBlockBytes)) != batch.crcs[i])
      return false;
  }
  return true;
}

void read_batches(SlotLayout& layout, SlotBytes bytes, uint32_t seed) {
  const auto slot_blocks = static_cast<uint32_t>(bytes.size() / kBlockBytes);
  while (layout.valid_end < slot_blocks) {
    auto batch = decode_batch_header(bytes, seed, layout.slot, layout.valid_end);
    if (!batch || batch->header.generation != layout.generation || !data_valid(*batch, bytes))
      break;
    layout.valid_end = batch->end_block();
    layout.batches.push_back(std::move(*batch));
  }
  for (uint32_t block = layout.valid_end; block < slot_blocks; ++block) {
    const auto batch = decode_batch_header(bytes, seed, layout.slot, block);
    if (batch && batch->header.generation < layout.generation) layout.stale_behind = true;
  }
}

std::optional<Trailer> read_trailer(SlotLayout& layout, SlotBytes bytes, uint32_t seed) {
  const auto slot_blocks = static_cast<uint32_t>(bytes.size() / kBlockBytes);
  const auto trailer = decode_trailer(bytes.last(kBlockBytes), seed, layout.slot, slot_blocks);
  if (!trailer || trailer->generation != layout.generation) return {};
  const uint32_t footer_start = slot_blocks - 1 - trailer->footer_blocks;
  const auto footer = bytes.subspan(uint64_t{footer_start} * kBlockBytes,
                                    uint64_t{trailer->footer_blocks} * kBlockBytes);
  if (!decode_footer(*trailer, footer, seed, slot_blocks)) return {};
  layout.sealed = true;
  layout.seal_start = footer_start - 1;
  layout.named_end = trailer->used_blocks;
  return trailer;
}

void apply_names(ImageLayout& layout, const OpenList& list) {
  for (uint32_t i = 0; i < list.count; ++i) {
    const OpenSegment& named = list.segments[i];
    if (named.slot >= layout.slots.size()) continue;
    SlotLayout& slot = layout.slots[named.slot];
    if (slot.generation != named.generation) continue;
    slot.named_end = std::max(slot.named_end, named.durable_blocks);
  }
}

std::optional<Superblock> read_superblock(SlotBytes image) {
  for (const uint64_t offset : superblock_offsets(image.size())) {
    const auto found = decode_superblock(image.subspan(offset, kBlockBytes), image.size());
    if (found.ok()) return *found;
  }
  return {};
}

}  // namespace

std::optional<ImageLayout> read_layout(std::span<const std::byte> image) {
  const auto superblock = read_superblock(image);
  if (!superblock) return {};
  ImageLayout layout{.superblock = *superblock};
  const uint32_t seed = seal_seed(superblock->disk);
  std::vector<OpenList> lists;
  for (uint32_t slot = 0; slot < superblock->slot_count; ++slot) {
    SlotLayout found{.slot = slot};
    const SlotBytes bytes =
        image.subspan(superblock->slots_offset + uint64_t{slot} * superblock->segment_bytes,
                      superblock->segment_bytes);
    const auto header = decode_segment_header(bytes.first(kBlockBytes), seed, slot);
    if (header && header->stream != StreamKind::kFree) {
      found.generation = header->generation;
      lists.push_back(header->open);
      read_batches(found, bytes, seed);
      for (const DecodedBatch& batch : found.batches) lists.push_back(batch.header.open);
      if (const auto trailer = read_trailer(found, bytes, seed)) lists.push_back(trailer->open);
    }
    layout.slots.push_back(std::move(found));
  }
  for (const OpenList& list : lists) apply_names(layout, list);
  return layout;
}

}  // namespace varve
