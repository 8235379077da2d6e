#include "tests/sim/damage.h"

#include <algorithm>
#include <cstring>

#include "core/base/text.h"
#include "core/format/cold_index.h"
#include "core/format/footer.h"

namespace varve {

namespace {

enum class Place : uint8_t {
  kOpenData,
  kOpenHeader,
  kSealedData,
  kSealedHeader,
  kFooter,
  kSegmentHeader,
  kElsewhere,
  kCount
};
constexpr const char* kPlaceNames[] = {"data of an open segment",
                                       "a batch header of an open segment",
                                       "data of a sealed segment",
                                       "a batch header of a sealed segment",
                                       "a footer",
                                       "a segment header",
                                       "a place of no use"};
constexpr uint32_t kPlaceWeights[] = {30, 12, 25, 6, 8, 8, 6};

struct Target {
  Place place = Place::kElsewhere;
  uint64_t device_block = 0;
  uint32_t slot = 0;
  uint32_t block = 0;                   // within the slot
  const DecodedBatch* batch = nullptr;  // that it belongs to
};

const std::byte* block_at(const DiskImage& image, uint64_t device_block) {
  return image.data() + device_block * kBlockBytes;
}

// What an entry of a batch stands for; `only` picks one data block by its position in the slot.
void add_entry(const DiskImage& image, const ImageLayout& layout, uint32_t slot, const Entry& entry,
               std::optional<uint32_t> only, Damage& damage) {
  if (entry.op == EntryOp::kCatalog || VolumeId{entry.volume} == kIndexVolume) {
    damage.may_refuse = true;
    return;
  }
  for (uint32_t i = 0; i < entry.count; ++i) {
    if (only && *only != entry.position + i) continue;
    DamagedBlock hit{static_cast<VolumeId>(entry.volume), entry.first_block() + i, kZeroValue};
    if (entry.op == EntryOp::kDamaged) hit.value = kDamagedValue;
    if (entry.op == EntryOp::kData) {
      const auto stamp = stamp_of(block_at(image, layout.device_block(slot, entry.position + i)));
      if (!stamp) continue;
      hit.value = stamp->value;
    }
    damage.blocks.push_back(hit);
  }
}

void add_batch(const DiskImage& image, const ImageLayout& layout, const DecodedBatch& batch,
               std::optional<uint32_t> only, Damage& damage) {
  for (const Entry& entry : batch.entries) {
    const bool hit = !only || (entry.has_data() && *only >= entry.position &&
                               *only < entry.position + entry.data_blocks());
    if (hit) add_entry(image, layout, batch.header.slot, entry, only, damage);
  }
}

// Every block of a slot that may be hit, by kind of place.
void add_slot_targets(const ImageLayout& layout, const SlotLayout& slot,
                      std::vector<std::vector<Target>>& targets) {
  std::vector<Target> blocks(layout.slot_blocks());
  const bool named = slot.named_end > 0;
  for (uint32_t block = 0; block < blocks.size(); ++block) {
    blocks[block] = {
        Place::kElsewhere, layout.device_block(slot.slot, block), slot.slot, block, {}};
  }
  blocks[0].place = named ? Place::kSegmentHeader : Place::kCount;
  for (const DecodedBatch& batch : slot.batches) {
    const uint32_t data_start = batch.header.start_block + batch.header.header_blocks;
    for (uint32_t block = batch.header.start_block; block < batch.end_block(); ++block) {
      const bool header = block < data_start;
      blocks[block].batch = &batch;
      blocks[block].place = slot.sealed ? (header ? Place::kSealedHeader : Place::kSealedData)
                                        : (header ? Place::kOpenHeader : Place::kOpenData);
      if (batch.end_block() > slot.named_end) blocks[block].place = Place::kCount;
    }
  }
  for (uint32_t block = slot.seal_start; slot.sealed && block < blocks.size(); ++block) {
    blocks[block].place = Place::kFooter;
  }
  for (const Target& target : blocks) {
    if (target.place != Place::kCount) targets[static_cast<size_t>(target.place)].push_back(target);
  }
}

std::optional<Target> draw_target(const ImageLayout& layout, Random& random) {
  std::vector<std::vector<Target>> targets(static_cast<size_t>(Place::kCount));
  for (const SlotLayout& slot : layout.slots) add_slot_targets(layout, slot, targets);
  for (uint64_t block = 0; block < layout.superblock.slots_offset / kBlockBytes; ++block) {
    targets[static_cast<size_t>(Place::kElsewhere)].push_back({Place::kElsewhere, block, 0, 0, {}});
  }
  uint32_t total = 0;
  for (size_t i = 0; i < targets.size(); ++i) total += targets[i].empty() ? 0 : kPlaceWeights[i];
  if (total == 0) return {};
  auto draw = static_cast<uint32_t>(random.below(total));
  for (size_t i = 0; i < targets.size(); ++i) {
    const uint32_t weight = targets[i].empty() ? 0 : kPlaceWeights[i];
    if (draw < weight) return targets[i][random.below(targets[i].size())];
    draw -= weight;
  }
  return {};
}

// One bit, one sector or the whole block; returns whether it was more than a bit.
bool spoil(std::byte* block, Random& random) {
  const uint64_t size = random.below(4);
  if (size < 2) {
    block[random.below(kBlockBytes)] ^= static_cast<std::byte>(1u << random.below(8));
    return false;
  }
  std::byte* from =
      size == 2 ? block + random.below(kBlockBytes / kSectorBytes) * kSectorBytes : block;
  const uint64_t bytes = size == 2 ? kSectorBytes : kBlockBytes;
  for (uint64_t i = 0; i < bytes; ++i) from[i] = static_cast<std::byte>(random.next());
  return true;
}

Damage flip_bits(DiskImage& image, const ImageLayout& layout, Random& random, FaultCounts& counts) {
  Damage damage;
  const std::optional<Target> target = draw_target(layout, random);
  if (!target) return damage;
  damage.done = true;
  damage.what = text("bytes changed in ", kPlaceNames[static_cast<size_t>(target->place)],
                     ", slot ", target->slot, " block ", target->block);
  switch (target->place) {
    case Place::kOpenData:
    case Place::kSealedData:
      add_batch(image, layout, *target->batch, target->block, damage);
      break;
    case Place::kOpenHeader:
      add_batch(image, layout, *target->batch, {}, damage);
      damage.may_refuse = true;
      break;
    case Place::kFooter: {
      // The slot is being reused, and the crash took its new header but left batches on top of the
      // former ones: the footer alone knew what had been there.
      const SlotLayout& slot = layout.slots[target->slot];
      damage.may_refuse = slot.valid_end < slot.named_end;
      break;
    }
    default:
      break;
  }
  const bool large = spoil(image.data() + target->device_block * kBlockBytes, random);
  if (target->place == Place::kSegmentHeader && large) damage.may_refuse = true;
  counts.add(Fault::kBitFlip);
  return damage;
}

// The batch that `write` wrote, if it is still what stands there and is named.
const DecodedBatch* named_batch(const ImageLayout& layout, const DurableWrite& write) {
  for (const SlotLayout& slot : layout.slots) {
    for (const DecodedBatch& batch : slot.batches) {
      if (batch.end_block() > slot.named_end) break;
      const uint64_t at = layout.device_block(slot.slot, batch.header.start_block) * kBlockBytes;
      const uint64_t bytes = uint64_t{batch.total_blocks()} * kBlockBytes;
      if (at == write.offset && bytes == write.before.size()) return &batch;
    }
  }
  return nullptr;
}

Damage drop_batch(DiskImage& image, const ImageLayout& layout,
                  const std::deque<DurableWrite>& history, Random& random, FaultCounts& counts) {
  Damage damage;
  std::vector<std::pair<const DurableWrite*, const DecodedBatch*>> choices;
  for (const DurableWrite& write : history) {
    if (const DecodedBatch* batch = named_batch(layout, write)) choices.emplace_back(&write, batch);
  }
  if (choices.empty()) return damage;
  const auto [write, batch] = choices[random.below(choices.size())];
  damage.done = true;
  damage.may_refuse = !layout.slots[batch->header.slot].sealed;
  damage.what = text("acknowledged batch dropped, slot ", batch->header.slot, " block ",
                     batch->header.start_block);
  add_batch(image, layout, *batch, {}, damage);
  std::memcpy(image.data() + write->offset, write->before.data(), write->before.size());
  counts.add(Fault::kDroppedDurableBatch);
  return damage;
}

}  // namespace

Damage inflict_damage(DiskImage& image, uint64_t ssd_bytes, const std::deque<DurableWrite>& history,
                      Random& random, FaultCounts& counts) {
  const std::optional<ImageLayout> layout = read_layout(std::span(image).first(ssd_bytes));
  if (!layout) return {};
  const auto stale = std::count_if(layout->slots.begin(), layout->slots.end(),
                                   [](const SlotLayout& slot) { return slot.stale_behind; });
  counts.add(Fault::kStaleSlot, stale > 0);
  if (random.chance(1, 2)) {
    Damage damage = drop_batch(image, *layout, history, random, counts);
    if (damage.done) return damage;
  }
  return flip_bits(image, *layout, random, counts);
}

}  // namespace varve
