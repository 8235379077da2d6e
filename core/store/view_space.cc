// What views of a volume hold and how they differ: walks through its map.
#include <algorithm>

#include "core/store/store_core.h"

namespace varve {
Result<ViewSpace> StoreCore::view_space(VolumeView view) const {
  VARVE_TRY(check_range(view, {0, 0}));
  const VolumeMap& volume = *map_.find(view.volume);
  // The other views; what is needed without this one is not exclusive.
  Lineage others = volume.lineage();
  if (view.generation == kHead)
    others.drop_head();
  else
    others.drop_view(view.generation);
  ViewSpace space;
  std::vector<Generation> generations;
  std::vector<bool> needed;
  for (uint64_t block = 0; block < volume.block_count(); ++block) {
    if (block % kLeafBlocks == 0 && !map_.has_leaf(view.volume, block)) {
      block += kLeafBlocks - 1;
      continue;
    }
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
  return space;
}

Status StoreCore::changed_blocks(VolumeView before, VolumeView after, BlockRange range,
                                 std::vector<BlockStatusRun>& runs) const {
  if (before.volume != after.volume)
    return {ErrorCode::kInvalidArgument, "only views of one volume can be compared"};
  VARVE_TRY(check_range(before, range));
  VARVE_TRY(check_range(after, range));
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
  return {};
}

}  // namespace varve
