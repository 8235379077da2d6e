// The store as a member of replication groups: numbers that its caller gives, and what it remembers
// of groups and attach generations.
#include <algorithm>

#include "core/store/store_core.h"

namespace varve {
namespace {

BlockVersion version_of(const BlockState& state) {
  BlockVersion version{.crc = state.crc, .sequence = state.sequence};
  switch (state.kind) {
    case BlockKind::kNone:
      break;
    case BlockKind::kData:
      version.kind = BlockVersion::Kind::kData;
      break;
    case BlockKind::kZero:
      version.kind = BlockVersion::Kind::kZero;
      break;
    case BlockKind::kDamaged:
    case BlockKind::kBad:
      version.kind = BlockVersion::Kind::kDamaged;
      break;
  }
  return version;
}

// Whether a catalog can hold it and be read again: what comes from a peer must not cost the store.
bool fence_fits(const AttachFence& fence, const VolumeRecord& volume) {
  const bool groups_fit =
      !volume.groups.empty() && volume.groups.size() <= kVolumeGroupsMax &&
      std::find(volume.groups.begin(), volume.groups.end(), GroupId{}) == volume.groups.end();
  return groups_fit && fence.group != GroupId{} && volume.id == fence.volume &&
         volume.id != VolumeId{} && volume.id != VolumeId{UINT32_MAX} && volume.blocks > 0 &&
         volume.blocks <= kVolumeBlocksMax && volume_name_allowed(volume.name);
}

// Adds the leaf's changed blocks to the runs.
void add_changed(VolumeId id, uint64_t first_block, const Leaf& leaf, Sequence after,
                 std::vector<ChangedBlocks>& runs) {
  for (uint32_t i = 0; i < kLeafBlocks; ++i) {
    const Sequence sequence = leaf.newest_sequence(i);
    if (sequence <= after || leaf.newest_kind(i) == BlockKind::kNone) continue;
    const uint64_t block = first_block + i;
    ChangedBlocks* const last = runs.empty() ? nullptr : &runs.back();
    if (last != nullptr && last->volume == id && last->sequence == sequence &&
        last->range.end() == block && last->range.count < kLeafBlocks)
      ++last->range.count;
    else
      runs.push_back({id, {block, 1}, sequence});
  }
}

}  // namespace

void StoreCore::note_log_end(const Entry& entry) {
  if (entry.group == 0) return;
  Sequence& end = log_ends_[entry.group];
  end = std::max(end, entry.sequence);
}

Sequence StoreCore::log_end(GroupId group) const {
  const auto found = log_ends_.find(static_cast<uint32_t>(group));
  return found == log_ends_.end() ? 0 : found->second;
}

Task<Status> StoreCore::put_group(MemberState group) {
  if (group.id == GroupId{} || group.epoch > kEpochMax) co_return ErrorCode::kInvalidArgument;
  if (!enter()) co_return ErrorCode::kClosed;
  const Status status = co_await catalog_.put_group(group);
  // Only what is durable may let marks be forgotten: recovery forgets the same ones.
  if (status.ok()) map_.set_group_floor(group.id, catalog_.groups().at(group.id).everyone);
  leave();
  co_return status;
}

Task<Status> StoreCore::put_fence(AttachFence fence, VolumeRecord volume) {
  if (!fence_fits(fence, volume)) co_return ErrorCode::kInvalidArgument;
  if (!enter()) co_return ErrorCode::kClosed;
  const Status status = co_await catalog_.put_fence(fence, volume);
  if (status.ok()) map_.add_volume(volume.id, volume.blocks, volume.groups);
  leave();
  co_return status;
}

Task<Status> StoreCore::zero(GroupStamp stamp, VolumeId id, BlockRange range) {
  VARVE_CO_TRY(check_range(id, range));
  if (range.count == 0) co_return Status();
  if (range.first / kExtentBlocks != (range.end() - 1) / kExtentBlocks)
    co_return ErrorCode::kInvalidArgument;
  if (writer_.failed()) co_return ErrorCode::kIoError;
  if (!enter()) co_return ErrorCode::kClosed;
  std::vector<Append> appends;
  appends.push_back(make_append(stamp, id, range, EntryOp::kZero));
  const Status status = co_await append_all(appends);
  leave();
  co_return status;
}

std::vector<BlockRange> StoreCore::used_ranges(VolumeId id, BlockRange range) const {
  std::vector<BlockRange> used;
  if (!check_range(id, range).ok()) return used;
  const VolumeMap& volume = *map_.find(id);
  for (uint64_t block = range.first; block < range.end();) {
    const uint64_t leaf_end = std::min(range.end(), round_up(block + 1, kLeafBlocks));
    const Leaf* leaf = volume.find_leaf(block);
    for (; block < leaf_end && leaf != nullptr; ++block) {
      if (reads_as_zeroes(leaf->newest_kind(block % kLeafBlocks))) continue;
      const bool joins = !used.empty() && used.back().end() == block && block % kExtentBlocks != 0;
      if (joins)
        ++used.back().count;
      else
        used.push_back({block, 1});
    }
    block = leaf_end;
  }
  return used;
}

ChangedPage StoreCore::changed(GroupId group, Sequence after, VolumeId volume, uint64_t block,
                               size_t runs_max) const {
  ChangedPage page;
  for (const auto& [id, record] : catalog_.volumes()) {
    if (id < static_cast<uint32_t>(volume)) continue;
    const VolumeMap* map = map_.find(record.id);
    if (map == nullptr) continue;
    uint64_t at = record.id == volume ? block : 0;
    while (at < map->block_count()) {
      if (map->group_of(at) != group || !map->has_extent(at / kExtentBlocks)) {
        at = round_up(at + 1, kExtentBlocks);
        continue;
      }
      if (page.runs.size() >= runs_max) {
        page.next_volume = record.id;
        page.next_block = at;
        return page;
      }
      const Leaf* leaf = map->find_leaf(at);
      if (leaf != nullptr && leaf->sequence_max() > after)
        add_changed(record.id, at / kLeafBlocks * kLeafBlocks, *leaf, after, page.runs);
      at = round_up(at + 1, kLeafBlocks);
    }
  }
  return page;
}

std::vector<BlockVersion> StoreCore::versions(VolumeId id, BlockRange range) const {
  std::vector<BlockVersion> versions(range.count);
  const VolumeMap* volume = map_.find(id);
  if (volume == nullptr) return versions;
  for (uint64_t i = 0; i < range.count; ++i) versions[i] = version_of(volume->get(range.first + i));
  return versions;
}

}  // namespace varve
