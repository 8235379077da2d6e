// The store as a member of replication groups: numbers that its caller gives, and what it remembers
// of groups and attach generations.
#include <algorithm>

#include "core/base/mutant.h"
#include "core/store/store_core.h"

namespace varve {
namespace {

BlockVersion version_of(const BlockState& state, VolumeId volume, Generation generation) {
  BlockVersion version{
      .crc = state.crc, .sequence = state.sequence, .volume = volume, .generation = generation};
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

// Adds one version of a block, to the run that it continues when that is among the last few.
void add_changed(const ChangedBlocks& one, std::vector<ChangedBlocks>& runs) {
  constexpr size_t kLookedAt = 16;
  const size_t stop = runs.size() > kLookedAt ? runs.size() - kLookedAt : 0;
  for (size_t i = runs.size(); i-- > stop;) {
    ChangedBlocks& run = runs[i];
    if (run.volume != one.volume || run.generation != one.generation ||
        run.sequence != one.sequence || run.range.end() != one.range.first ||
        run.range.count >= kLeafBlocks)
      continue;
    ++run.range.count;
    return;
  }
  runs.push_back(one);
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

Status StoreCore::check_stamped(GroupStamp stamp, VolumeId id, BlockRange range) const {
  VARVE_TRY(check_range(id, range));
  // A block of a generation that is not known yet would hide, and end, what a snapshot shows.
  if (stamp.generation > newest_generation(id) && !VARVE_MUTANT(kTakeUnheardGeneration))
    return ErrorCode::kNotFound;
  if (range.count > 0 && range.first / kExtentBlocks != (range.end() - 1) / kExtentBlocks)
    return ErrorCode::kInvalidArgument;
  return {};
}

Task<Status> StoreCore::zero(GroupStamp stamp, VolumeId id, BlockRange range) {
  VARVE_CO_TRY(check_stamped(stamp, id, range));
  if (range.count == 0) co_return Status();
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
    const bool any = map_.has_leaf(id, block);
    for (; block < leaf_end && any; ++block) {
      if (reads_as_zeroes(map_.get(volume, kHead, block).kind)) continue;
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
      const Leaf* leaf = map->find_leaf(at);
      const uint64_t leaf_end = round_up(at + 1, kLeafBlocks);
      if (leaf == nullptr || leaf->sequence_max() <= after) at = leaf_end;
      for (; at < leaf_end && at < map->block_count(); ++at) {
        if (page.runs.size() >= runs_max) {
          page.next_volume = record.id;
          page.next_block = at;
          return page;
        }
        add_shown(record.id, *map, at, after, page.runs);
      }
    }
  }
  return page;
}

// Versions that nothing shows are left out: each member gives them up when it comes to it.
void StoreCore::add_shown(VolumeId id, const VolumeMap& volume, uint64_t block, Sequence after,
                          std::vector<ChangedBlocks>& runs) const {
  const Leaf& leaf = *volume.find_leaf(block);
  const uint32_t index = block % kLeafBlocks;
  if (!leaf.has_older(index) && volume.lineage().head_sees_newest()) {
    const VersionPlace place = leaf.newest_place(index);
    const Sequence sequence = leaf.at(index, place).sequence;
    if (place != kNoVersion && sequence > after)
      add_changed({id, {block, 1}, sequence, leaf.generation_at(place)}, runs);
    return;
  }
  std::vector<Generation> generations;
  std::vector<bool> needed;
  leaf.generations(index, generations);
  volume.lineage().find_needed(generations, needed);
  for (size_t i = 0; i < generations.size(); ++i) {
    const Sequence sequence = leaf.at(index, leaf.place_of(index, i)).sequence;
    if (needed[i] && sequence > after)
      add_changed({id, {block, 1}, sequence, generations[i]}, runs);
  }
}

std::vector<BlockVersion> StoreCore::versions(VersionRange what) const {
  std::vector<BlockVersion> versions(what.range.count);
  const VolumeMap* volume = map_.find(what.volume);
  for (uint64_t i = 0; i < what.range.count; ++i) {
    const uint64_t block = what.range.first + i;
    const Leaf* const leaf = volume == nullptr ? nullptr : volume->find_leaf(block);
    BlockState state;
    if (leaf != nullptr) state = leaf->of_generation(block % kLeafBlocks, what.generation);
    versions[i] = version_of(state, what.volume, what.generation);
  }
  return versions;
}

std::vector<BlockVersion> StoreCore::seen(VolumeView view, BlockRange range) const {
  std::vector<BlockVersion> versions(range.count);
  for (uint64_t i = 0; i < range.count; ++i) {
    const BlockMap::Found found = map_.find_version(view, range.first + i);
    versions[i] = version_of(found.state, found.volume, found.generation);
  }
  return versions;
}

}  // namespace varve
