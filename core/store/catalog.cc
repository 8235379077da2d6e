#include "core/store/catalog.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/log/log_stream.h"

namespace varve {

void Catalog::Content::apply_volume(const VolumeRecord& record) {
  const auto id = static_cast<uint32_t>(record.id);
  if (record.blocks > 0) {
    volumes[id] = record;
    return;
  }
  volumes.erase(id);
  lineages.erase(id);
  keys.erase(id);
  tiers.erase(id);
  std::erase_if(fences, [&](const auto& fence) { return fence.first.second == record.id; });
  std::erase_if(snapshots, [&](const auto& held) { return held.first.first == record.id; });
  std::erase_if(snapshot_names, [&](const auto& held) { return held.first.first == record.id; });
}

void Catalog::Content::apply_snapshot(const SnapshotRecord& record) {
  const auto held = snapshots.find({record.volume, record.generation});
  if (held != snapshots.end()) {
    snapshot_names.erase({record.volume, held->second.name});
    snapshots.erase(held);
  }
  if (record.blocks == 0) return;
  snapshots[{record.volume, record.generation}] = record;
  if (!record.name.empty()) snapshot_names[{record.volume, record.name}] = record.generation;
}

void Catalog::Content::apply_tier(const TierRecord& record) {
  const auto id = static_cast<uint32_t>(record.volume);
  tiers.erase(id);
  if (!volumes.contains(id)) return;
  if (record.tier != VolumeTier::kAuto) tiers[id] = record.tier;
}

void Catalog::Content::count_kept_blocks() {
  kept_blocks = 0;
  for (const auto& [id, tier] : tiers)
    if (tier == VolumeTier::kSsd) kept_blocks += volumes.at(id).blocks;
}

void Catalog::Content::apply(const CatalogPayload& change) {
  if (change.complete) *this = Content();
  next_volume = std::max(next_volume, change.next_volume);
  for (const VolumeRecord& record : change.records) apply_volume(record);
  for (const MemberState& group : change.groups) groups[group.id] = group;
  for (const AttachFence& fence : change.fences)
    fences[{fence.group, fence.volume}] = fence.generation;
  for (const SnapshotRecord& snapshot : change.snapshots) apply_snapshot(snapshot);
  for (const LineageRecord& lineage : change.lineages)
    lineages[static_cast<uint32_t>(lineage.volume)] = lineage;
  for (const KeyRecord& record : change.keys)
    keys[static_cast<uint32_t>(record.volume)] = record.key;
  for (const DeviceRecord& record : change.devices) devices[record.number] = record;
  for (const TierRecord& record : change.tiers) apply_tier(record);
  if (!change.records.empty() || !change.tiers.empty()) count_kept_blocks();
}

CatalogPayload Catalog::Content::complete() const {
  CatalogPayload payload;
  payload.complete = true;
  payload.next_volume = next_volume;
  for (const auto& [id, record] : volumes) payload.records.push_back(record);
  for (const auto& [id, group] : groups) payload.groups.push_back(group);
  for (const auto& [key, generation] : fences)
    payload.fences.push_back({key.first, key.second, generation});
  for (const auto& [key, snapshot] : snapshots) payload.snapshots.push_back(snapshot);
  for (const auto& [id, lineage] : lineages) payload.lineages.push_back(lineage);
  for (const auto& [id, key] : keys) payload.keys.push_back({VolumeId{id}, key});
  for (const auto& [number, device] : devices) payload.devices.push_back(device);
  for (const auto& [id, tier] : tiers) payload.tiers.push_back({VolumeId{id}, tier});
  return payload;
}

bool Catalog::load(const std::vector<std::vector<std::byte>>& payloads) {
  bool begun = false;
  for (const auto& bytes : payloads) {
    const auto payload = decode_catalog(bytes);
    if (!payload) return false;
    // Numbers that were given out stay so, whatever a complete record says.
    const uint32_t next_volume = content_.next_volume;
    content_.apply(*payload);
    content_.next_volume = std::max(content_.next_volume, next_volume);
    begun = begun || payload->complete;
  }
  return begun;
}

uint64_t Catalog::fence(GroupId group, VolumeId volume) const {
  const auto found = content_.fences.find({group, volume});
  return found == content_.fences.end() ? 0 : found->second;
}

const VolumeRecord* Catalog::find(std::string_view name) const {
  for (const auto& [id, record] : volumes())
    if (record.name == name && !lineage(record.id).headless) return &record;
  return nullptr;
}

const VolumeRecord* Catalog::find(VolumeId id) const {
  const auto found = volumes().find(static_cast<uint32_t>(id));
  return found == volumes().end() ? nullptr : &found->second;
}

const SnapshotRecord* Catalog::find_snapshot(VolumeId volume, std::string_view name) const {
  const auto named = content_.snapshot_names.find({volume, std::string(name)});
  if (named == content_.snapshot_names.end()) return nullptr;
  return &snapshots().at({volume, named->second});
}

std::vector<const SnapshotRecord*> Catalog::snapshots_of(VolumeId volume) const {
  std::vector<const SnapshotRecord*> found;
  for (auto at = snapshots().lower_bound({volume, 0});
       at != snapshots().end() && at->first.first == volume; ++at)
    found.push_back(&at->second);
  return found;
}

LineageRecord Catalog::lineage(VolumeId volume) const {
  const auto found = content_.lineages.find(static_cast<uint32_t>(volume));
  if (found != content_.lineages.end()) return found->second;
  LineageRecord none;
  none.volume = volume;
  return none;
}

VolumeTier Catalog::tier(VolumeId volume) const {
  const auto found = content_.tiers.find(static_cast<uint32_t>(volume));
  return found == content_.tiers.end() ? VolumeTier::kAuto : found->second;
}

// A clone is younger than what it was cloned from, so that this comes to an end.
VolumeId Catalog::family(VolumeId volume) const {
  VolumeId oldest = volume;
  for (VolumeId base = lineage(oldest).base; base != VolumeId{} && base < oldest;
       base = lineage(oldest).base)
    oldest = base;
  return oldest;
}

const WrappedKey* Catalog::key(VolumeId volume) const {
  if (content_.keys.empty()) return nullptr;
  const auto found = content_.keys.find(static_cast<uint32_t>(family(volume)));
  return found == content_.keys.end() ? nullptr : &found->second;
}

Task<Status> Catalog::begin(UnsealedSegment& former) {
  co_await turn_.take();
  const Status status = co_await write_complete(nullptr);
  if (status.ok()) retire(former);
  turn_.end();
  co_return status;
}

Task<Status> Catalog::change(const Change& make) {
  co_await turn_.take();
  CatalogPayload change;
  Status status = make(change);
  if (status.ok()) status = co_await commit(std::move(change));
  turn_.end();
  co_return status;
}

Task<Status> Catalog::put_group(MemberState group) {
  const Change make = [&](CatalogPayload& change) -> Status {
    const auto held = groups().find(group.id);
    if (held != groups().end()) {
      if (group.epoch < held->second.epoch) return ErrorCode::kStale;
      group.position = std::max(group.position, held->second.position);
      group.everyone = std::max(group.everyone, held->second.everyone);
    }
    change.groups.push_back(group);
    return {};
  };
  co_return co_await change(make);
}

Task<Status> Catalog::commit(CatalogPayload change) {
  change.next_volume = content_.next_volume;
  for (const VolumeRecord& record : change.records)
    change.next_volume = std::max(change.next_volume, static_cast<uint32_t>(record.id) + 1);
  std::vector<std::byte> bytes = encode_catalog(change);
  Status status;
  // A change only follows the complete record in the same segment.
  if (writer_.stream(StreamKind::kCatalog)
          .has_room(static_cast<uint32_t>(bytes.size() / kBlockBytes)))
    status = co_await write(std::move(bytes));
  else
    status = co_await write_complete(&change);
  if (status.ok()) content_.apply(change);
  co_return status;
}

Task<Status> Catalog::write_complete(const CatalogPayload* change) {
  Content content = content_;
  if (change != nullptr) content.apply(*change);
  std::vector<std::byte> bytes = encode_catalog(content.complete());
  if (bytes.size() / kBlockBytes > writer_.geometry().append_blocks_max())
    co_return Status(ErrorCode::kNoSpace,
                     text("the catalog is full at ", volumes().size(), " volumes"));
  UnsealedSegment* const former = writer_.stream(StreamKind::kCatalog).detach_segment();
  const Status status = co_await write(std::move(bytes));
  if (status.ok() && former != nullptr) retire(*former);
  co_return status;
}

void Catalog::retire(UnsealedSegment& former) {
  const uint32_t slot = former.slot;
  writer_.remove_unsealed(former);
  writer_.slots().release(slot);
}

Task<Status> Catalog::write(std::vector<std::byte> bytes) {
  std::vector<uint32_t> crcs(bytes.size() / kBlockBytes);
  crc32c_blocks(bytes.data(), crcs.size(), crcs.data());
  Latch done(writer_.runtime().ready, 1);
  Append append;
  append.entry = {.sequence = content_.next_volume,
                  .count = static_cast<uint16_t>(crcs.size()),
                  .op = EntryOp::kCatalog};
  append.data = bytes.data();
  append.crcs = crcs.data();
  append.done = &done;
  writer_.stream(StreamKind::kCatalog).append(append);
  co_await done;
  co_return append.result;
}

}  // namespace varve
