#include "core/map/block_map.h"

namespace varve {
namespace {

BlockKind kind_of(EntryOp op) {
  switch (op) {
    case EntryOp::kData:
      return BlockKind::kData;
    case EntryOp::kZero:
      return BlockKind::kZero;
    default:
      return BlockKind::kDamaged;
  }
}

// The state that block number `i` of `entry` gets.
BlockState state_of(const Entry& entry, uint32_t slot, const uint32_t* crcs, uint32_t i) {
  BlockState state{.kind = kind_of(entry.op), .slot = slot, .sequence = entry.sequence};
  if (entry.op == EntryOp::kData) {
    state.position = static_cast<uint16_t>(entry.position + i);
    state.crc = crcs[i];
  }
  return state;
}

}  // namespace

void BlockMap::add_volume(VolumeId id, uint64_t block_count, std::vector<GroupId> groups) {
  auto& volume = volumes_[static_cast<uint32_t>(id)];
  if (volume == nullptr)
    volume = std::make_unique<VolumeMap>(block_count, std::move(groups));
  else
    volume->grow(block_count);
}

void BlockMap::drop_volume(VolumeId id) {
  const auto found = volumes_.find(static_cast<uint32_t>(id));
  if (found == volumes_.end()) return;
  dropped_.push_back(std::move(found->second));
  volumes_.erase(found);
}

bool BlockMap::drop_some() {
  if (dropped_.empty()) return false;
  const std::unique_ptr<Extent> extent = dropped_.back()->take_extent();
  if (extent == nullptr) {
    dropped_.pop_back();
    return !dropped_.empty();
  }
  for (const auto& leaf : extent->leaves) {
    if (leaf == nullptr) continue;
    for (uint32_t i = 0; i < kLeafBlocks; ++i) discount(nullptr, leaf->get(i));
    --leaf_count_;
  }
  return true;
}

const VolumeMap* BlockMap::find(VolumeId id) const {
  const auto found = volumes_.find(static_cast<uint32_t>(id));
  return found == volumes_.end() ? nullptr : found->second.get();
}

VolumeMap* BlockMap::find_mutable(VolumeId id) {
  return const_cast<VolumeMap*>(find(id));
}

bool BlockMap::supersedes(const BlockState& fresh, const BlockState& held) const {
  if (held.kind == BlockKind::kNone) return true;
  if (fresh.sequence != held.sequence) return fresh.sequence > held.sequence;
  // The same write in two places: moved, but not yet gone from where it was. The copy counts, for
  // the original's slot may have been given to others. A relocated segment may be older than the
  // user's segment that was cleaned into it; among relocated ones the later holds the copy.
  const Slot& from = slots_.at(held.slot);
  const Slot& to = slots_.at(fresh.slot);
  if (from.stream != to.stream) return to.stream == StreamKind::kRelocated;
  return to.generation > from.generation;
}

void BlockMap::apply(const Entry& entry, uint32_t slot, const uint32_t* crcs) {
  VolumeMap* volume = find_mutable(VolumeId{entry.volume});
  if (volume == nullptr) return;
  const uint64_t first = entry.first_block();
  for (uint32_t i = 0; i < entry.count; ++i) {
    const BlockState fresh = state_of(entry, slot, crcs, i);
    if (first + i < volume->block_count() && supersedes(fresh, volume->get(first + i)))
      replace(*volume, first + i, fresh);
  }
}

void BlockMap::relocate(const Append& append) {
  const Entry& entry = append.entry;
  VolumeMap* volume = find_mutable(VolumeId{entry.volume});
  if (volume == nullptr) return;
  const uint64_t first = entry.first_block();
  for (uint32_t i = 0; i < entry.count; ++i) {
    const BlockState held = volume->get(first + i);
    if (held.kind == BlockKind::kNone || held.sequence != entry.sequence) continue;
    if (held.slot != append.from_slot) continue;
    if (takes_block(held.kind) && held.position != append.from_position + i) continue;
    replace(*volume, first + i, state_of(entry, append.slot, append.crcs, i));
  }
}

void BlockMap::forget_zero(VolumeId id, uint64_t block, uint32_t slot, Sequence sequence) {
  VolumeMap* volume = find_mutable(id);
  if (volume == nullptr) return;
  const BlockState held = volume->get(block);
  if (held.kind == BlockKind::kZero && held.slot == slot && held.sequence == sequence)
    replace(*volume, block, BlockState{});
}

void BlockMap::forget_old_zeroes() {
  if (live_marks_ == 0) return;
  std::vector<Sequence> forget_below(slots_.count());
  for (uint32_t i = 0; i < slots_.count(); ++i)
    if (slots_.at(i).live_marks > 0) forget_below[i] = slots_.data_sequence_min(i);
  for (const auto& [id, volume] : volumes_) forget_old_zeroes_of(*volume, forget_below);
}

void BlockMap::forget_old_zeroes_of(VolumeMap& volume, const std::vector<Sequence>& forget_below) {
  std::vector<uint64_t> old;
  volume.for_each_leaf([&](uint64_t first_block, const Leaf& leaf) {
    for (uint32_t i = 0; i < kLeafBlocks; ++i) {
      if (leaf.kind[i] == BlockKind::kZero && leaf.sequence[i] < forget_below[leaf.slot[i]] &&
          may_forget(volume.group_of(first_block + i), leaf.sequence[i]))
        old.push_back(first_block + i);
    }
  });
  for (const uint64_t block : old) replace(volume, block, BlockState{});
}

void BlockMap::mark_bad(VolumeId id, uint64_t block, const BlockState& state) {
  VolumeMap* volume = find_mutable(id);
  if (volume == nullptr) return;
  BlockState held = volume->get(block);
  if (held.kind != BlockKind::kData || held.slot != state.slot || held.position != state.position)
    return;
  held.kind = BlockKind::kBad;
  replace(*volume, block, held);
}

void BlockMap::replace(VolumeMap& volume, uint64_t block, const BlockState& state) {
  bool made = false;
  Leaf& leaf = volume.leaf(block, made);
  if (made) ++leaf_count_;
  const uint32_t index = block % kLeafBlocks;
  const BlockState held = leaf.get(index);
  leaf.set(index, state);
  count(&volume, state);  // before the old place is given up, which may free its slot
  discount(&volume, held);
}

void BlockMap::count(VolumeMap* volume, const BlockState& state) {
  if (state.kind == BlockKind::kNone) return;
  if (is_damaged(state.kind)) ++damaged_blocks_;
  if (state.kind != BlockKind::kZero) ++volume->used_blocks;
  if (takes_block(state.kind)) {
    ++live_blocks_;
    slots_.add_live(state.slot, 1, 0);
  } else {
    ++live_marks_;
    slots_.add_live(state.slot, 0, 1);
  }
}

void BlockMap::discount(VolumeMap* volume, const BlockState& state) {
  if (state.kind == BlockKind::kNone) return;
  if (is_damaged(state.kind)) --damaged_blocks_;
  if (volume != nullptr && state.kind != BlockKind::kZero) --volume->used_blocks;
  if (takes_block(state.kind)) {
    --live_blocks_;
    slots_.drop_live(state.slot, 1, 0);
  } else {
    --live_marks_;
    slots_.drop_live(state.slot, 0, 1);
  }
}

}  // namespace varve
