// Volumes come, grow, and change their tier.
#include <algorithm>

#include "core/base/mutant.h"
#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/store/store_core.h"

namespace varve {

Task<Result<VolumeInfo>> StoreCore::create_volume(std::string name, uint64_t size_bytes,
                                                  KeyWrapper wrap, VolumeTier tier) {
  const uint64_t blocks = blocks_for(size_bytes);
  VARVE_CO_TRY(check_new_volume(name, blocks));
  if (!enter()) co_return ErrorCode::kClosed;
  VolumeRecord record;
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    if (catalog_.find(name) != nullptr)
      return {ErrorCode::kAlreadyExists, text("volume ", name, " exists already")};
    record = catalog_.next_volume(name, blocks);
    change.records.push_back(record);
    VARVE_TRY(plan_tier(record, tier, change));
    if (!wrap) return {};
    Result<WrappedKey> key = wrap(record.id);
    if (!key.ok()) return key.status();
    change.keys.push_back({record.id, std::move(*key)});
    return {};
  };
  const Status status = co_await catalog_.change(make);
  if (status.ok()) map_.add_volume(record.id, record.blocks, {});
  leave();
  if (!status.ok()) co_return status;
  co_return info_of(record);
}

// It never shrinks.
Task<Status> StoreCore::grow_volume(VolumeId id, uint64_t blocks) {
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    const VolumeRecord* const record = catalog_.find(id);
    if (record == nullptr) return ErrorCode::kNotFound;
    if (blocks > record->blocks && catalog_.tier(id) == VolumeTier::kSsd)
      VARVE_TRY(check_kept_room(id, blocks));
    change.records.push_back(*record);
    change.records.front().blocks = std::max(record->blocks, blocks);
    return {};
  };
  co_return co_await catalog_.change(make);
}

// What a planted bug does.
Task<void> StoreCore::grow_later(VolumeId id, uint64_t blocks) {
  const Status ignored = co_await grow_volume(id, blocks);
  static_cast<void>(ignored);
}

Task<Result<VolumeInfo>> StoreCore::resize_volume(VolumeId id, uint64_t size_bytes) {
  const VolumeRecord* const held = catalog_.find(id);
  if (held == nullptr) co_return ErrorCode::kNotFound;
  const uint64_t blocks = blocks_for(size_bytes);
  VARVE_CO_TRY(check_growth(held->name, held->blocks * kBlockBytes, blocks * kBlockBytes));
  if (!enter()) co_return ErrorCode::kClosed;
  // Durable before anything is written behind the former end: recovery ignores what lies beyond.
  Status status;
  if (VARVE_MUTANT(kGrowBeforeDurable))
    tasks_.start(grow_later(id, blocks));
  else
    status = co_await grow_volume(id, blocks);
  const VolumeRecord* const record = catalog_.find(id);
  if (status.ok() && record != nullptr)
    map_.add_volume(id, VARVE_MUTANT(kGrowBeforeDurable) ? blocks : record->blocks, record->groups);
  leave();
  if (!status.ok()) co_return status;
  if (record == nullptr) co_return ErrorCode::kNotFound;
  co_return info_of(*record);
}

// With `blocks` in the volume, which may be new. Snapshots may add to what stays; what is too much
// then sinks all the same.
Status StoreCore::check_kept_room(VolumeId id, uint64_t blocks) const {
  if (geometry_.cold.empty()) return {};
  const uint64_t room_blocks = kept_room_blocks(geometry_.cold_slot_count());
  const bool counts = catalog_.tier(id) == VolumeTier::kSsd;
  const uint64_t others = catalog_.kept_blocks() - (counts ? catalog_.find(id)->blocks : 0);
  if (others + blocks <= room_blocks) return {};
  return {ErrorCode::kInvalidArgument,
          text("the volumes with tier ssd would have ", size_text((others + blocks) * kBlockBytes),
               " together; the SSD has room for ", size_text(room_blocks * kBlockBytes),
               " of them, and other volumes take ", size_text(others * kBlockBytes))};
}

Status StoreCore::check_volume_tier(VolumeId id, VolumeTier tier) const {
  const VolumeRecord* const record = catalog_.find(id);
  if (record == nullptr || catalog_.lineage(id).headless) return ErrorCode::kNotFound;
  return tier == VolumeTier::kSsd ? check_kept_room(id, record->blocks) : Status();
}

Status StoreCore::check_new_tier(uint64_t size_bytes, VolumeTier tier) const {
  return tier == VolumeTier::kSsd ? check_kept_room(VolumeId{}, blocks_for(size_bytes)) : Status();
}

Status StoreCore::plan_tier(const VolumeRecord& volume, VolumeTier tier,
                            CatalogPayload& change) const {
  if (tier == VolumeTier::kAuto) return {};
  if (tier == VolumeTier::kSsd) VARVE_TRY(check_kept_room(volume.id, volume.blocks));
  change.tiers.push_back({volume.id, tier});
  return {};
}

Task<Result<VolumeInfo>> StoreCore::set_volume_tier(VolumeId id, VolumeTier tier) {
  const VolumeRecord* const held = catalog_.find(id);
  if (held != nullptr && !catalog_.lineage(id).headless && catalog_.tier(id) == tier)
    co_return info_of(*held);
  if (!enter()) co_return ErrorCode::kClosed;
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    VARVE_TRY(check_volume_tier(id, tier));
    change.tiers.push_back({id, tier});
    return {};
  };
  const Status status = co_await catalog_.change(make);
  if (status.ok()) tier_.keeps_changed();
  const VolumeRecord* const record = catalog_.find(id);
  leave();
  if (!status.ok()) co_return status;
  if (record == nullptr) co_return ErrorCode::kNotFound;
  co_return info_of(*record);
}

}  // namespace varve
