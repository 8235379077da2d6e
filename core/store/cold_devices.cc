// The HDDs of a disk group: how they are found, added, and what recovery learns of them.
#include <algorithm>

#include "core/base/aligned_buffer.h"
#include "core/base/log.h"
#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/store/store_core.h"
#include "core/store/superblocks.h"

namespace varve {
namespace {

// Above this much of the SSD's room blocks begin to sink, and go on to the other.
constexpr uint64_t kSinkAbovePercent = 70;
constexpr uint64_t kSinkUntilPercent = 60;
// Of the SSD's slots, for the read cache; and at most this part of those that can be sold.
constexpr uint32_t kCacheShare = 10;
constexpr uint32_t kCacheSellableShare = 4;
// Above this much the cleaner keeps no slots for it.
constexpr uint64_t kCacheUntilPercent = 80;
// An HDD whose index would take more of the SSD's room is not added.
constexpr uint64_t kIndexRoomPercent = 25;

std::string uuid_text(const Uuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : uuid) {
    text += kDigits[static_cast<uint8_t>(byte) >> 4];
    text += kDigits[static_cast<uint8_t>(byte) & 15];
  }
  return text;
}

uint32_t cold_segment_bytes_for(uint32_t hot_segment_bytes) {
  return std::min(hot_segment_bytes * uint64_t{kColdSegmentFactor}, uint64_t{kSegmentBytesMax});
}

struct FoundDevice {
  BlockDevice* device = nullptr;
  Superblock superblock;
};

// The one with this name among those given; null: it is not there.
const FoundDevice* find_device(const std::vector<FoundDevice>& given, const DeviceRecord& record) {
  const auto found = std::find_if(given.begin(), given.end(), [&](const FoundDevice& one) {
    return one.superblock.disk == record.device;
  });
  return found == given.end() ? nullptr : &*found;
}

}  // namespace

Task<Status> StoreCore::find_cold_devices(const std::vector<BlockDevice*>& given) {
  std::vector<FoundDevice> found;
  std::string unread;
  for (BlockDevice* const device : given) {
    const Result<Superblock> superblock = co_await read_superblock(*device);
    if (superblock.ok() && (superblock->incompatible_features & kFeatureCold) != 0)
      found.push_back({device, *superblock});
    else
      unread = text("; of another device: ", superblock.ok()
                                                 ? std::string("it is no HDD of a disk group")
                                                 : std::string(superblock.status().message()));
  }
  for (const auto& [number, record] : catalog_.devices()) {
    const FoundDevice* const one = find_device(found, record);
    if (one == nullptr)
      co_return Status(ErrorCode::kNotFound,
                       text("HDD ", number, " of the disk group (", uuid_text(record.device),
                            ") is not among the ", given.size(), " given", unread));
    if (one->superblock.slot_count != record.slot_count ||
        one->superblock.group != superblock_.disk ||
        one->superblock.segment_bytes != cold_segment_bytes_for(geometry_.segment_bytes))
      co_return Status(ErrorCode::kDamaged, text("the superblock of HDD ", number,
                                                 " and the catalog contradict each other"));
    attach_cold_device(*one->device, one->superblock);
  }
  for (const FoundDevice& one : found) {
    const auto& known = catalog_.devices();
    if (std::none_of(known.begin(), known.end(),
                     [&](const auto& held) { return held.second.device == one.superblock.disk; }))
      log_warn("store", text("HDD ", uuid_text(one.superblock.disk),
                             " was given, but is no part of the disk group: it is not used"));
  }
  co_return Status();
}

uint32_t StoreCore::attach_cold_device(BlockDevice& device, const Superblock& superblock) {
  const uint32_t number = joined_.add(device);
  const uint32_t first = slots_.count();
  geometry_.cold_segment_bytes = superblock.segment_bytes;
  geometry_.cold.push_back({.first = first,
                            .count = superblock.slot_count,
                            .offset = JoinedDevice::base_of(number) + superblock.slots_offset});
  slots_.add_cold(superblock.slot_count);
  map_.add_volume(kIndexVolume, geometry_.index_block(slots_.count()), {});
  return first;
}

Task<Status> StoreCore::load_cold_indexes(ColdHighest* highest) {
  if (geometry_.cold.empty()) co_return Status();
  co_return co_await tier_.load([this, highest](uint32_t slot, const ColdIndex& index) {
    highest->generation = std::max(highest->generation, index.generation);
    for (const Entry& entry : index.content.entries)
      highest->sequence = std::max(highest->sequence, entry.sequence);
    adopt_cold(slot, index);
  });
}

void StoreCore::adopt_cold(uint32_t slot, const ColdIndex& index) {
  const uint32_t* crcs = index.content.crcs.data();
  for (const Entry& entry : index.content.entries) {
    note_log_end(entry);
    map_.apply(entry, slot, crcs);
    crcs += entry.count;
  }
}

Task<Status> StoreCore::flush_devices() {
  for (uint32_t i = 0; i < joined_.count(); ++i)
    if (const Status status = co_await device_.flush(JoinedDevice::base_of(i)); !status.ok())
      co_return Status(status.code(), i == 0 ? std::string("the SSD does not flush its cache")
                                             : text("HDD ", i, " does not flush its cache"));
  co_return Status();
}

std::vector<DeviceStats> StoreCore::devices() const {
  const std::optional<uint32_t> failed_slot = tier_.failed_slot();
  std::vector<DeviceStats> all;
  all.push_back({.device = &joined_.part(0),
                 .id = superblock_.disk,
                 .segment_bytes = geometry_.segment_bytes,
                 .slot_count = geometry_.slot_count,
                 .free_slot_count = slots_.free_count(),
                 .capacity_blocks = hot_capacity_blocks(),
                 .live_blocks = slots_.hot_live_blocks() -
                                std::min(slots_.hot_live_blocks(), map_.used_blocks(kIndexVolume)),
                 .failed = writer_.failed() && !failed_slot});
  for (const auto& [number, record] : catalog_.devices()) {
    if (all.size() > geometry_.cold.size()) break;  // one is being added
    all.push_back(cold_device_stats(all.size() - 1));
    all.back().id = record.device;
  }
  return all;
}

DeviceStats StoreCore::cold_device_stats(size_t at) const {
  const ColdSlots& slots = geometry_.cold[at];
  const uint32_t end = slots.first + slots.count;
  const std::optional<uint32_t> failed_slot = tier_.failed_slot();
  // Its share of what all hold together: the reserves are nobody's in particular.
  const auto capacity_until = [&](uint32_t slot) {
    return geometry_.cold_capacity_blocks() * (slot - geometry_.slot_count) /
           geometry_.cold_slot_count();
  };
  DeviceStats stats{.device = &joined_.part(static_cast<uint32_t>(at) + 1),
                    .cold = true,
                    .segment_bytes = geometry_.cold_segment_bytes,
                    .slot_count = slots.count,
                    .capacity_blocks = capacity_until(end) - capacity_until(slots.first),
                    .failed = failed_slot && *failed_slot >= slots.first && *failed_slot < end};
  for (uint32_t slot = slots.first; slot < end; ++slot) {
    stats.live_blocks += slots_.at(slot).live_blocks;
    stats.free_slot_count += slots_.at(slot).state == SlotState::kFree ? 1 : 0;
  }
  return stats;
}

// Of the SSD, for the indexes of that many slots of HDDs.
uint64_t StoreCore::index_room_blocks(uint64_t cold_slot_count) const {
  const uint32_t slot_blocks = cold_segment_bytes_for(geometry_.segment_bytes) / kBlockBytes;
  return cold_slot_count * cold_index_blocks_max(slot_blocks);
}

uint64_t StoreCore::hot_capacity_blocks(uint64_t cold_slot_count) const {
  const uint64_t slots = geometry_.slot_count - geometry_.unsellable_slots();
  return slots * geometry_.dense_blocks() - index_room_blocks(cold_slot_count);
}

uint64_t StoreCore::hot_capacity_blocks() const {
  return hot_capacity_blocks(geometry_.cold_slot_count());
}

uint32_t StoreCore::cache_share_slots(uint64_t cold_slot_count) const {
  if (cold_slot_count == 0) return 0;
  return std::min(geometry_.slot_count / kCacheShare,
                  (geometry_.slot_count - geometry_.unsellable_slots()) / kCacheSellableShare);
}

// What the read cache's share takes is made room for, so that cleaning gets no dearer.
uint64_t StoreCore::sinkable_blocks(uint64_t cold_slot_count) const {
  const uint64_t cache_blocks =
      uint64_t{cache_share_slots(cold_slot_count)} * geometry_.dense_blocks();
  const uint64_t capacity_blocks = hot_capacity_blocks(cold_slot_count);
  return capacity_blocks - std::min(capacity_blocks, cache_blocks);
}

uint64_t StoreCore::kept_room_blocks(uint64_t cold_slot_count) const {
  return sinkable_blocks(cold_slot_count) * kSinkUntilPercent / 100;
}

void StoreCore::set_hot_limits() {
  const uint64_t cold_slot_count = geometry_.cold_slot_count();
  const uint32_t share = cache_share_slots(cold_slot_count);
  const uint64_t blocks = sinkable_blocks(cold_slot_count);
  tier_.set_hot_limits(blocks * kSinkUntilPercent / 100, blocks * kSinkAbovePercent / 100);
  slots_.set_cache_share(share, blocks * kCacheUntilPercent / 100);
}

Status StoreCore::check_kept_beside(uint64_t cold_slot_count) const {
  // In a cluster the tiers give way: see ClusterNode::follow_tiers().
  if (superblock_.cluster != Uuid{}) return {};
  const uint64_t kept_blocks = catalog_.kept_blocks();
  const uint64_t room_blocks = kept_room_blocks(geometry_.cold_slot_count() + cold_slot_count);
  if (kept_blocks <= room_blocks) return {};
  return {ErrorCode::kInvalidArgument,
          text("the volumes with tier ssd have ", size_text(kept_blocks * kBlockBytes),
               " together; beside this HDD the SSD has room for ",
               size_text(room_blocks * kBlockBytes), " of them: give some tier auto first")};
}

Result<Superblock> StoreCore::plan_cold_device(uint64_t device_bytes) const {
  if (catalog_.devices().size() >= kColdDevicesMax)
    return Status(ErrorCode::kInvalidArgument,
                  text("a disk group has at most ", kColdDevicesMax, " HDDs"));
  Result<Superblock> planned = plan_superblock(
      device_bytes, cold_segment_bytes_for(geometry_.segment_bytes), kColdSlotCountMin);
  if (!planned.ok()) return planned;
  const uint64_t index_blocks = index_room_blocks(planned->slot_count);
  if (index_blocks > hot_capacity_blocks() * kIndexRoomPercent / 100)
    return Status(ErrorCode::kInvalidArgument,
                  text("the HDD has ", device_bytes, " bytes: its index takes up to ",
                       index_blocks * kBlockBytes, " bytes of the SSD, more than ",
                       kIndexRoomPercent, " % of what is left of it"));
  VARVE_TRY(check_kept_beside(planned->slot_count));
  return planned;
}

Task<Status> StoreCore::add_cold_device(BlockDevice& device, ColdFormatOptions options) {
  Result<Superblock> planned = plan_cold_device(device.size_bytes());
  if (!planned.ok()) co_return planned.status();
  Superblock& superblock = *planned;
  superblock.incompatible_features = kFeatureCold;
  superblock.tier = 1;
  superblock.disk = options.device;
  if (superblock.disk == Uuid{})
    for (std::byte& byte : superblock.disk) byte = static_cast<std::byte>(runtime_.random.next());
  superblock.group = superblock_.disk;
  superblock.cluster = superblock_.cluster;
  superblock.created_seconds = runtime_.clock.wall_seconds();
  if (!enter()) co_return ErrorCode::kClosed;
  co_await devices_turn_.take();
  AlignedBuffer block(kBlockBytes);
  encode_superblock(superblock, block.span());
  Status status = co_await write_superblocks(device, block.span());
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    VARVE_TRY(check_kept_beside(superblock.slot_count));
    const auto number = static_cast<uint32_t>(catalog_.devices().size()) + 1;
    change.devices.push_back({number, superblock.slot_count, superblock.disk});
    return {};
  };
  if (status.ok()) status = co_await catalog_.change(make);
  if (status.ok()) {
    const bool first = geometry_.cold.empty();
    tier_.add_free(attach_cold_device(device, superblock), superblock.slot_count);
    set_hot_limits();
    if (first) tier_.start();
    space_.wake_all();
  }
  devices_turn_.end();
  leave();
  co_return status;
}

}  // namespace varve
