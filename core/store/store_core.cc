#include "core/store/store_core.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/log/log_stream.h"

namespace varve {
namespace {

constexpr uint64_t kCreateLimitPercent = 80;

}  // namespace

StoreCore::StoreCore(Runtime& runtime, BlockDevice& device, const Superblock& superblock,
                     const StoreOptions& options)
    : runtime_(runtime),
      joined_(device),
      device_(joined_),
      superblock_(superblock),
      geometry_(superblock_),
      slots_(superblock.slot_count, runtime.ready),
      map_(slots_),
      writer_(runtime, device_, geometry_, slots_, *this, options.batches_in_flight_max),
      catalog_(writer_),
      cleaner_(writer_, map_),
      tier_(writer_, map_, [this] { space_.wake_all(); }),
      cache_(writer_),
      scrubber_(writer_, map_, tier_.indexes()),
      memory_max_bytes_(options.memory_max_bytes),
      views_turn_(runtime.ready),
      devices_turn_(runtime.ready),
      idle_(runtime.ready),
      space_(runtime.ready),
      tasks_(runtime.ready) {
  cache_.set_memory_room([this] { return cache_memory_room(); });
}

StoreCore::~StoreCore() {
  VARVE_CHECK(closed_);
}

bool StoreCore::enter() {
  if (closing_) return false;
  ++requests_;
  return true;
}

void StoreCore::leave() {
  if (--requests_ == 0) idle_.wake_all();
}

Task<Status> StoreCore::close() {
  closing_ = true;
  space_.wake_all();
  while (requests_ > 0) co_await idle_.wait();
  co_await scrubber_.stop();
  co_await tier_.stop();
  co_await cache_.stop();
  co_await cleaner_.stop();
  co_await writer_.stop();
  co_await tasks_.done();
  closed_ = true;
  co_return writer_.failed() ? Status(ErrorCode::kIoError) : Status();
}

void StoreCore::durable(StreamKind stream, const Append& append) {
  if (stream == StreamKind::kCatalog) return;
  if (stream == StreamKind::kRelocated) {
    if (append.from_slot == kNoSlot)
      map_.apply(append.entry, append.slot, append.crcs);
    else
      map_.relocate(append);
    return;
  }
  map_.apply(append.entry, append.slot, append.crcs);
  note_log_end(append.entry);
  user_blocks_ += append.entry.data_blocks();
  if (!space_.empty()) space_.wake_all();
}

void StoreCore::log_failed() {
  log_error("store", "the device failed a write: from here on the disk group only serves reads");
  space_.wake_all();
}

VolumeInfo StoreCore::info_of(const VolumeRecord& record) const {
  const VolumeMap* map = map_.find(record.id);
  const WrappedKey* const key = catalog_.key(record.id);
  return {.id = record.id,
          .name = record.name,
          .size_bytes = record.blocks * kBlockBytes,
          .used_bytes = map == nullptr ? 0 : map->used_blocks * kBlockBytes,
          .wrapping_key = key == nullptr ? std::string() : key->wrapping_key,
          .tier = catalog_.tier(record.id)};
}

void StoreCore::add_run(std::vector<BlockStatusRun>& runs, uint64_t count, bool data) {
  if (runs.empty() || runs.back().data != data) runs.push_back({0, data});
  runs.back().block_count += count;
}

Status StoreCore::check_not_full(std::string_view what) const {
  if (memory_max_bytes_ != 0 && fixed_and_map_bytes() > memory_max() / 100 * kCreateLimitPercent)
    return {ErrorCode::kNoSpace,
            text("the disk group's map takes over ", kCreateLimitPercent,
                 " % of its memory_max: no new ", what, "; delete or trim something first")};
  if (taken_blocks() <= capacity_blocks() * kCreateLimitPercent / 100) return {};
  return {ErrorCode::kNoSpace, text("the disk group is over ", kCreateLimitPercent,
                                    " % full: no new ", what, "; delete or trim something first")};
}

Status StoreCore::check_new_volume(std::string_view name, uint64_t blocks) const {
  VARVE_TRY(check_name(name, "volume"));
  if (blocks == 0 || blocks > kVolumeBlocksMax)
    return {ErrorCode::kInvalidArgument, text("a volume of ", blocks * kBlockBytes,
                                              " bytes is not allowed; 1 byte to 64TiB is")};
  return check_not_full("volumes");
}

void StoreCore::give_up_dropped_soon() {
  if (!dropping_) tasks_.start(give_up_dropped());
}

// Counting a large volume out takes a while: an extent at a time, others in between.
Task<void> StoreCore::give_up_dropped() {
  dropping_ = true;
  while (!closing_ && map_.give_up_some()) {
    space_.wake_all();
    co_await runtime_.ready.yield();
  }
  space_.wake_all();  // the last step has freed the rest
  dropping_ = false;
}

Task<void> StoreCore::space_freed() {
  if (closing_ || writer_.failed()) co_return;
  co_await space_.wait();
}

uint64_t StoreCore::capacity_blocks() const {
  return hot_capacity_blocks() + geometry_.cold_capacity_blocks();
}

uint64_t StoreCore::user_live_blocks() const {
  return map_.live_blocks() - map_.live_blocks(kIndexVolume);
}

uint64_t StoreCore::taken_blocks() const {
  return user_live_blocks() + map_.live_marks() / kMarksPerBlock + pending_blocks_;
}

StoreStats StoreCore::stats() const {
  const LogStats& log = writer_.stats();
  return {.slot_count = geometry_.slot_count,
          .free_slot_count = slots_.free_count(),
          .cold_device_count = geometry_.cold.size(),
          .cold_slot_count = geometry_.cold_slot_count(),
          .free_cold_slot_count = tier_.free_count(),
          .hot_capacity_blocks = hot_capacity_blocks(),
          .hot_live_blocks = slots_.hot_live_blocks(),
          .demoted_blocks_written = tier_.stats().demoted_blocks,
          .packed_blocks_written = tier_.stats().packed_blocks,
          .capacity_blocks = capacity_blocks(),
          .live_blocks = user_live_blocks(),
          .pending_blocks = pending_blocks_,
          .write_limit_blocks = write_limit_blocks(),
          // An index of an HDD has a copy, with which it is mended; but if that is bad, too.
          .damaged_blocks = map_.damaged_blocks() - map_.damaged_blocks(kIndexVolume) +
                            tier_.indexes().lost_count(),
          .repaired_blocks = repaired_blocks_,
          .scrub = scrubber_.stats(),
          .read_cache = cache_.stats(),
          .user_blocks_written = user_blocks_,
          .relocated_blocks_written = cleaner_.stats().relocated_blocks,
          .header_blocks_written = log.header_blocks,
          .footer_blocks_written = log.footer_blocks,
          .group_commit_count = log.user_batches,
          .device_write_count = log.device_writes,
          .segments_cleaned = cleaner_.stats().segments_cleaned,
          .map_bytes = map_.memory_bytes(),
          .slot_table_bytes = slot_table_bytes(),
          .log_buffer_bytes = log.buffer_bytes,
          .memory_max_bytes = memory_max(),
          .memory_needed_bytes = memory_needed(),
          .memory_max_blocks = memory_max_blocks(),
          .sinking = tier_.sinking(),
          .failed = writer_.failed()};
}

Status StoreCore::check_range(VolumeView view, BlockRange range) const {
  const VolumeMap* volume = map_.find(view.volume);
  if (volume == nullptr) return ErrorCode::kNotFound;
  if (!volume->lineage().has_view(view.generation)) return ErrorCode::kNotFound;
  const bool inside =
      range.first <= volume->block_count() && range.count <= volume->block_count() - range.first;
  return inside ? Status() : Status(ErrorCode::kInvalidArgument);
}

Status StoreCore::block_status(VolumeView view, BlockRange range,
                               std::vector<BlockStatusRun>& runs) const {
  VARVE_TRY(check_range(view, range));
  const VolumeMap& volume = *map_.find(view.volume);
  for (uint64_t block = range.first; block < range.end();) {
    const uint64_t leaf_end = std::min(range.end(), round_up(block + 1, kLeafBlocks));
    if (!map_.has_leaf(view.volume, block)) {
      add_run(runs, leaf_end - block, false);
    } else {
      for (uint64_t at = block; at < leaf_end; ++at)
        add_run(runs, 1, !reads_as_zeroes(map_.get(volume, view.generation, at).kind));
    }
    block = leaf_end;
  }
  return {};
}

}  // namespace varve
