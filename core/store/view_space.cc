// What views of a volume hold and how they differ: walks through its map, an extent at a time.
#include <algorithm>

#include "core/store/store_core.h"

namespace varve {

Task<Result<ViewSpace>> StoreCore::view_space(VolumeView view) {
  VARVE_CO_TRY(check_range(view, {0, 0}));
  if (!enter()) co_return ErrorCode::kClosed;
  ViewSpace space;
  Status status;
  const uint64_t extents = (map_.find(view.volume)->block_count() - 1) / kExtentBlocks + 1;
  for (uint64_t extent = 0; extent < extents && status.ok(); ++extent) {
    if (!map_.has_extent(view.volume, extent)) continue;
    add_space(view, extent, space);
    co_await runtime_.ready.yield();
    status = check_range(view, {0, 0});  // it may be gone meanwhile
  }
  leave();
  if (!status.ok()) co_return status;
  co_return space;
}

void StoreCore::add_space(VolumeView view, uint64_t extent, ViewSpace& space) const {
  const VolumeMap& volume = *map_.find(view.volume);
  // The other views; what is needed without this one is not exclusive.
  Lineage others = volume.lineage();
  if (view.generation == kHead)
    others.drop_head();
  else
    others.drop_view(view.generation);
  std::vector<Generation> generations;
  std::vector<bool> needed;
  const uint64_t end = std::min((extent + 1) * kExtentBlocks, volume.block_count());
  for (uint64_t block = extent * kExtentBlocks; block < end; ++block) {
    if (reads_as_zeroes(map_.get(view, block).kind)) continue;
    space.used_bytes += kBlockBytes;
    const Leaf* const leaf = volume.find_leaf(block);
    if (leaf == nullptr) continue;  // a clone's base has it
    leaf->generations(block % kLeafBlocks, generations);
    const int seen = volume.lineage().seen_by(view.generation, generations);
    if (seen < 0) continue;
    others.find_needed(generations, needed);
    if (!needed[static_cast<size_t>(seen)]) space.exclusive_bytes += kBlockBytes;
  }
}

Task<Status> StoreCore::changed_blocks(VolumeView before, VolumeView after, BlockRange range,
                                       std::vector<BlockStatusRun>* runs) {
  if (before.volume != after.volume)
    co_return Status(ErrorCode::kInvalidArgument, "only views of one volume can be compared");
  if (!enter()) co_return ErrorCode::kClosed;
  Status status;
  for (uint64_t block = range.first; block < range.end() && status.ok();) {
    const uint64_t end = std::min(range.end(), round_up(block + 1, kExtentBlocks));
    status = check_range(before, range);
    if (status.ok()) status = check_range(after, range);
    if (!status.ok()) break;
    add_changes(before, after, {block, end - block}, *runs);
    block = end;
    co_await runtime_.ready.yield();
  }
  leave();
  co_return status;
}

void StoreCore::add_changes(VolumeView before, VolumeView after, BlockRange range,
                            std::vector<BlockStatusRun>& runs) const {
  const VolumeMap& volume = *map_.find(before.volume);
  for (uint64_t block = range.first; block < range.end();) {
    const uint64_t leaf_end = std::min(range.end(), round_up(block + 1, kLeafBlocks));
    if (volume.find_leaf(block) == nullptr) {
      add_run(runs, leaf_end - block, false);
      block = leaf_end;
      continue;
    }
    for (; block < leaf_end; ++block) {
      const BlockState old_state = map_.get(before, block);
      const BlockState new_state = map_.get(after, block);
      const bool same =
          reads_as_zeroes(old_state.kind)
              ? reads_as_zeroes(new_state.kind)
              : old_state.sequence == new_state.sequence && !reads_as_zeroes(new_state.kind);
      add_run(runs, 1, !same);
    }
  }
}

}  // namespace varve
