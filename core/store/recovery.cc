// How a store comes back: from its own device, nothing else. Nothing is written before everything
// has been read and found to make sense.
#include <algorithm>

#include "core/base/text.h"
#include "core/log/log_reader.h"
#include "core/log/log_stream.h"
#include "core/store/store_core.h"

namespace varve {
namespace {

// New operations begin this far above everything seen: numbers that were given out before the
// crash, and that only an unreadable torn batch carries, are not given out again.
constexpr Sequence kSequenceGap = 1 << 20;
// The same for openings: a crash may have kept a batch and lost the segment header that went with
// it. More openings than this are never on the way. The catalog segment that every recovery begins
// makes the new numbers durable before anything else uses them.
constexpr uint32_t kGenerationGap = 64;
static_assert(kGenerationGap > kOpenSegmentsMax);
constexpr Sequence kSequenceMax = Sequence{1} << 62;

bool footer_fits(const SegmentContent& content, const Geometry& geometry) {
  const uint32_t blocks = seal_blocks_for(static_cast<uint32_t>(content.footer.entries.size()),
                                          static_cast<uint32_t>(content.footer.crcs.size()));
  return content.used_blocks + blocks <= geometry.slot_blocks();
}

}  // namespace

Task<Status> StoreCore::recover(const StoreOptions& options) {
  LogReader reader(runtime_, device_, geometry_, options.progress);
  VARVE_CO_TRY(co_await reader.load());
  if (!catalog_.load(reader.catalog_payloads()))
    co_return Status(ErrorCode::kDamaged, "the catalog's records contradict each other");
  VARVE_CO_TRY(co_await find_cold_devices(options.cold_devices));
  for (const auto& [id, record] : catalog_.volumes())
    map_.add_volume(record.id, record.blocks, record.groups);
  for (const auto& [id, record] : catalog_.volumes()) follow_catalog(record.id);
  for (const auto& [id, group] : catalog_.groups()) {
    map_.set_group_floor(id, group.everyone);
    // What is committed had been in the log, even if nothing of it is left there.
    log_ends_[static_cast<uint32_t>(id)] = group.position;
  }

  uint32_t generation = 0;
  for (uint32_t i = 0; i < slots_.hot_count(); ++i) {
    const SegmentHeader& header = reader.headers()[i];
    Slot& slot = slots_.at(i);
    slot.generation = header.generation;
    slot.stream = header.stream;
    slot.moves = header.moves;
    slot.state = SlotState::kSealing;  // none is freed while the map is being built
    generation = std::max(generation, header.generation);
  }

  Sequence sequence = reader.sequence_max();
  std::vector<SegmentContent> unsealed;
  const std::function<void(SegmentContent&&)> take = [&](SegmentContent&& content) {
    adopt(content);
    sequence = std::max(sequence, content.sequence_max);
    if (!content.sealed) unsealed.push_back(std::move(content));
  };
  VARVE_CO_TRY(co_await reader.replay(take));
  ColdHighest cold;
  VARVE_CO_TRY(co_await load_cold_indexes(&cold));
  sequence = std::max(sequence, cold.sequence);
  generation = std::max(generation, cold.generation);
  slots_.set_next_generation(generation + kGenerationGap);
  map_.forget_old_zeroes();
  const bool in_cluster = (superblock_.incompatible_features & kFeatureCluster) != 0;
  if (sequence > kSequenceMax && !in_cluster)
    co_return Status(ErrorCode::kDamaged, "the log's sequence numbers make no sense");
  next_sequence_ = sequence + kSequenceGap;

  for (const SegmentContent& content : unsealed)
    if (!footer_fits(content, geometry_))
      co_return Status(ErrorCode::kDamaged,
                       text("the batches in slot ", content.slot, " leave no room for a footer"));

  // What was read may still be in the disk's cache, if only the process died: what is served from
  // here on must not be taken back by a power cut.
  VARVE_CO_TRY(co_await flush_devices());
  UnsealedSegment& former_catalog = writer_.add_unsealed(reader.catalog_slot());
  former_catalog.durable_blocks = reader.catalog_blocks();
  VARVE_CO_TRY(co_await seal_recovered(std::move(unsealed)));
  for (uint32_t i = 0; i < slots_.count(); ++i)
    if (i != reader.catalog_slot() && slots_.at(i).state == SlotState::kSealing)
      slots_.set_sealed(i);
  VARVE_CO_TRY(co_await catalog_.begin(former_catalog));
  cleaner_.start();
  set_hot_limits();
  tier_.set_keeps([this](VolumeId id) { return catalog_.tier(id) == VolumeTier::kSsd; });
  if (!geometry_.cold.empty()) tier_.start();
  scrubber_.start();
  co_return Status();
}

void StoreCore::adopt(const SegmentContent& content) {
  Slot& slot = slots_.at(content.slot);
  slot.data_sequences = {};
  const uint32_t* crcs = content.footer.crcs.data();
  for (const Entry& entry : content.footer.entries) {
    note_log_end(entry);
    slot.data_sequences.add(entry);
    if (VolumeId{entry.volume} == kIndexVolume) tier_.indexes().note(entry.sequence + kSequenceGap);
    if (entry.op != EntryOp::kCatalog) map_.apply(entry, content.slot, crcs);
    crcs += entry.data_blocks();
    if (entry.op != EntryOp::kData) continue;
    for (const uint16_t position : content.damaged) {
      if (position < entry.position || position >= entry.position + entry.count) continue;
      map_.mark_bad(VolumeId{entry.volume}, entry.first_block() + (position - entry.position),
                    content.slot, position);
    }
  }
}

Task<Status> StoreCore::seal_recovered(std::vector<SegmentContent> unsealed) {
  // All are known before the first is sealed: its trailer takes over what its batches said about
  // the others, for a recovery that is cut short here.
  std::vector<UnsealedSegment*> segments;
  for (SegmentContent& content : unsealed) {
    UnsealedSegment& segment = writer_.add_unsealed(content.slot);
    segment.used_blocks = content.used_blocks;
    segment.durable_blocks = content.used_blocks;
    segment.data_sequences = slots_.at(content.slot).data_sequences;
    segment.sequence_max = content.sequence_max;
    segment.footer = std::move(content.footer);
    segments.push_back(&segment);
  }
  for (UnsealedSegment* segment : segments) {
    VARVE_CO_TRY(co_await writer_.seal(*segment));
    writer_.remove_unsealed(*segment);
  }
  co_return Status();
}

}  // namespace varve
