#include "core/map/block_map.h"

#include <algorithm>

#include "core/base/mutant.h"

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

void BlockMap::views_dropped(VolumeId id) {
  std::erase_if(sweeps_, [id](const Sweep& sweep) { return sweep.volume == id; });
  sweeps_.push_back({.volume = id});
}

bool BlockMap::give_up_some() {
  if (!dropped_.empty()) {
    const std::unique_ptr<Extent> extent = dropped_.back()->take_extent();
    if (extent == nullptr) {
      memory_bytes_ -= dropped_.back()->table_bytes();
      dropped_.pop_back();
      return !dropped_.empty() || !sweeps_.empty();
    }
    memory_bytes_ -= kExtentBytes;
    for (const auto& leaf : extent->leaves)
      if (leaf != nullptr) give_up_leaf(*leaf);
    return true;
  }
  return sweep_some();
}

bool BlockMap::sweep_some() {
  if (sweeps_.empty()) return false;
  Sweep& sweep = sweeps_.back();
  VolumeMap* const volume = find(sweep.volume);
  while (volume != nullptr && sweep.next_block < volume->extent_count() * kExtentBlocks) {
    const uint64_t block = sweep.next_block;
    Leaf* const leaf = volume->find_leaf(block);
    sweep.next_block += volume->has_extent(block / kExtentBlocks) ? kLeafBlocks : kExtentBlocks;
    // With one version of each block, and the head seeing it, there is nothing to find.
    if (leaf == nullptr) continue;
    if (!leaf->has_history() && volume->lineage().head_sees_newest()) continue;
    sweep_leaf(*volume, *leaf);
    drop_if_empty(*volume, block);
    return true;
  }
  sweeps_.pop_back();
  return !sweeps_.empty();
}

void BlockMap::give_up_leaf(Leaf& leaf) {
  memory_bytes_ -= leaf.memory_bytes();
  leaf.for_each_version([this](const BlockState& state) { discount(nullptr, state); });
}

void BlockMap::sweep_leaf(VolumeMap& volume, Leaf& leaf) {
  for (uint32_t i = 0; i < kLeafBlocks; ++i) drop_unseen(volume, leaf, i);
  const LeafBytes bytes(*this, leaf);
  if (!volume.lineage().plain()) return;
  if (!volume.in_cluster() || leaf.is_of_one_generation()) leaf.forget_history();
}

const VolumeMap* BlockMap::find(VolumeId id) const {
  const auto found = volumes_.find(static_cast<uint32_t>(id));
  return found == volumes_.end() ? nullptr : found->second.get();
}

VolumeMap* BlockMap::find(VolumeId id) {
  return const_cast<VolumeMap*>(static_cast<const BlockMap*>(this)->find(id));
}

BlockState BlockMap::get(VolumeView view, uint64_t block) const {
  const VolumeMap* const volume = find(view.volume);
  return volume == nullptr ? BlockState{} : get(*volume, view.generation, block);
}

BlockMap::Found BlockMap::find_version(VolumeView view, uint64_t block) const {
  for (const VolumeMap* volume = find(view.volume); volume != nullptr; volume = find(view.volume)) {
    const BlockState state = volume->get(block, view.generation);
    if (state.kind != BlockKind::kNone)
      return {state, view.volume, volume->generation_seen(block, view.generation)};
    view = {volume->base().volume, volume->base().generation};
  }
  return {};
}

bool BlockMap::has_leaf(VolumeId id, uint64_t block) const {
  for (const VolumeMap* volume = find(id); volume != nullptr; volume = find(volume->base().volume))
    if (volume->find_leaf(block) != nullptr) return true;
  return false;
}

bool BlockMap::supersedes(const BlockState& fresh, const BlockState& held) const {
  if (held.kind == BlockKind::kNone) return true;
  if (fresh.sequence != held.sequence) return fresh.sequence > held.sequence;
  // The same write in two places: moved, but not yet gone from where it was.
  return slots_.at(fresh.slot).copied_from(slots_.at(held.slot));
}

bool BlockMap::has_extent(VolumeId id, uint64_t extent) const {
  for (const VolumeMap* volume = find(id); volume != nullptr; volume = find(volume->base().volume))
    if (volume->has_extent(extent)) return true;
  return false;
}

void BlockMap::apply(const Entry& entry, uint32_t slot, const uint32_t* crcs) {
  VolumeMap* const volume = find(VolumeId{entry.volume});
  if (volume == nullptr) return;
  volume->lineage().note(entry.generation);
  const uint64_t first = entry.first_block();
  for (uint32_t i = 0; i < entry.count; ++i)
    if (first + i < volume->block_count())
      add_version(*volume, first + i, entry.generation, state_of(entry, slot, crcs, i));
}

void BlockMap::add_version(VolumeMap& volume, uint64_t block, Generation generation,
                           const BlockState& state) {
  Leaf& leaf = volume.leaf(block, memory_bytes_);
  const uint32_t index = block % kLeafBlocks;
  // Members of a group give numbers to old generations, too, when they repair them: there the
  // number alone does not tell what is newer.
  const bool by_number =
      !volume.in_cluster() || leaf.empty() || generation == leaf.common_generation();
  if (volume.lineage().plain() && !leaf.has_history() && by_number) {
    const BlockState held = leaf.newest(index);
    if (!supersedes(state, held)) return;
    {
      const LeafBytes bytes(*this, leaf);
      leaf.set_only(index, generation, state);
    }
    count(&volume, state);  // before the old place is given up, which may free its slot
    discount(&volume, held);
    return;
  }
  if (VARVE_MUTANT(kMixGenerations) && leaf.has_history() &&
      leaf.newest_place(index) != kNoVersion && supersedes(state, leaf.newest(index))) {
    replace(volume, leaf, index, leaf.newest_place(index), state);
    return;
  }
  leaf.generations(index, generations_);
  const auto at = std::lower_bound(generations_.begin(), generations_.end(), generation);
  if (at != generations_.end() && *at == generation) {
    const VersionPlace place = leaf.place_of(index, static_cast<size_t>(at - generations_.begin()));
    if (supersedes(state, leaf.at(index, place))) replace(volume, leaf, index, place, state);
    return;
  }
  {
    const LeafBytes bytes(*this, leaf);
    leaf.insert(index, generation, state);
  }
  count(&volume, state);
  drop_unseen(volume, leaf, index);
  drop_if_empty(volume, block);
}

void BlockMap::drop_if_empty(VolumeMap& volume, uint64_t block) {
  volume.drop_if_empty(block, memory_bytes_);
}

void BlockMap::replace(VolumeMap& volume, Leaf& leaf, uint32_t index, VersionPlace place,
                       const BlockState& state) {
  const BlockState held = leaf.at(index, place);
  {
    const LeafBytes bytes(*this, leaf);
    leaf.set(index, place, state);
  }
  count(&volume, state);
  discount(&volume, held);
}

void BlockMap::erase(VolumeMap& volume, Leaf& leaf, uint32_t index, VersionPlace place) {
  const BlockState held = leaf.at(index, place);
  {
    const LeafBytes bytes(*this, leaf);
    leaf.erase(place);
  }
  discount(&volume, held);
}

void BlockMap::drop_unseen(VolumeMap& volume, Leaf& leaf, uint32_t index) {
  leaf.generations(index, generations_);
  if (generations_.empty()) return;
  volume.lineage().find_needed(generations_, needed_);
  // From the newest down: places of older ones stay as they are.
  for (size_t i = generations_.size(); i-- > 0;)
    if (!needed_[i]) erase(volume, leaf, index, leaf.place_of(index, i));
}

void BlockMap::relocate(const Append& append) {
  const Entry& entry = append.entry;
  VolumeMap* const volume = find(VolumeId{entry.volume});
  if (volume == nullptr) return;
  for (uint32_t i = 0; i < entry.count; ++i) {
    const uint64_t block = entry.first_block() + i;
    const uint32_t index = block % kLeafBlocks;
    Leaf* const leaf = volume->find_leaf(block);
    if (leaf == nullptr) continue;
    const VersionPlace place = leaf->find(index, entry.sequence, append.from_slot);
    if (place == kNoVersion) continue;
    const BlockState held = leaf->at(index, place);
    if (takes_block(held.kind) && held.position != append.from_position + i) continue;
    replace(*volume, *leaf, index, place, state_of(entry, append.slot, append.crcs, i));
  }
}

bool BlockMap::live(const Entry& entry, uint32_t slot, uint32_t i) const {
  const VolumeMap* const volume = find(VolumeId{entry.volume});
  if (volume == nullptr) return false;
  const uint64_t block = entry.first_block() + i;
  const Leaf* const leaf = volume->find_leaf(block);
  if (leaf == nullptr) return false;
  const uint32_t index = block % kLeafBlocks;
  const BlockState held = leaf->at(index, leaf->find(index, entry.sequence, slot));
  if (entry.op == EntryOp::kData)
    return takes_block(held.kind) && held.position == entry.position + i;
  return takes_mark(held.kind);
}

bool BlockMap::hides_something(const VolumeMap& volume, const Leaf& leaf, uint64_t block,
                               VersionPlace place) const {
  if (volume.lineage().plain() && !volume.base() && !leaf.has_history()) return false;
  leaf.generations(block % kLeafBlocks, generations_);
  if (generations_.front() < leaf.generation_at(place)) return true;
  const CloneBase& base = volume.base();
  return base && !reads_as_zeroes(get({base.volume, base.generation}, block).kind);
}

bool BlockMap::forget_zero(VolumeId id, uint64_t block, uint32_t slot, Sequence sequence) {
  VolumeMap* const volume = find(id);
  Leaf* const leaf = volume == nullptr ? nullptr : volume->find_leaf(block);
  if (leaf == nullptr) return false;
  const uint32_t index = block % kLeafBlocks;
  const VersionPlace place = leaf->find(index, sequence, slot);
  if (place == kNoVersion || leaf->at(index, place).kind != BlockKind::kZero) return false;
  if (!VARVE_MUTANT(kDropHidingMark) && hides_something(*volume, *leaf, block, place)) return false;
  erase(*volume, *leaf, index, place);
  drop_if_empty(*volume, block);
  return true;
}

void BlockMap::forget_old_zeroes() {
  if (live_marks_ == 0) return;
  const std::vector<DataSequences> forget_below = slots_.data_sequences_of_others();
  for (const auto& [id, volume] : volumes_)
    forget_old_zeroes_of(VolumeId{id}, *volume, forget_below);
}

void BlockMap::forget_old_zeroes_of(VolumeId id, VolumeMap& volume,
                                    const std::vector<DataSequences>& forget_below) {
  struct Mark {
    uint64_t block;
    uint32_t slot;
    Sequence sequence;
  };
  std::vector<Mark> old;
  volume.for_each_leaf([&](uint64_t first_block, const Leaf& leaf) {
    for (uint32_t i = 0; i < kLeafBlocks; ++i) {
      if (leaf.newest_kind(i) != BlockKind::kZero) continue;
      const BlockState mark = leaf.newest(i);
      if (mark.sequence < forget_below[mark.slot].of(id) &&
          may_forget(volume.group_of(first_block + i), mark.sequence))
        old.push_back({first_block + i, mark.slot, mark.sequence});
    }
  });
  for (const Mark& mark : old) forget_zero(id, mark.block, mark.slot, mark.sequence);
}

BlockMap::At BlockMap::find_at(VolumeId id, uint64_t block, uint32_t slot, uint32_t position,
                               BlockKind kind) const {
  const auto volume = volumes_.find(static_cast<uint32_t>(id));
  if (volume == volumes_.end()) return {};
  Leaf* const leaf = volume->second->find_leaf(block);
  if (leaf == nullptr) return {};
  const uint32_t index = block % kLeafBlocks;
  leaf->generations(index, generations_);
  for (size_t i = 0; i < generations_.size(); ++i) {
    const VersionPlace place = leaf->place_of(index, i);
    const BlockState held = leaf->at(index, place);
    if (held.kind == kind && held.slot == slot && held.position == position)
      return {volume->second.get(), leaf, place, held};
  }
  return {};
}

bool BlockMap::mark_bad(VolumeId id, uint64_t block, uint32_t slot, uint32_t position) {
  At found = find_at(id, block, slot, position, BlockKind::kData);
  if (found.leaf == nullptr) return false;
  found.state.kind = BlockKind::kBad;
  replace(*found.volume, *found.leaf, block % kLeafBlocks, found.place, found.state);
  return true;
}

bool BlockMap::is_bad(VolumeId id, uint64_t block, uint32_t slot, uint32_t position,
                      Sequence sequence) const {
  const At found = find_at(id, block, slot, position, BlockKind::kBad);
  return found.leaf != nullptr && found.state.sequence == sequence;
}

bool BlockMap::mark_good(VolumeId id, uint64_t block, uint32_t slot, uint32_t position,
                         Sequence sequence) {
  if (!is_bad(id, block, slot, position, sequence)) return false;
  At found = find_at(id, block, slot, position, BlockKind::kBad);
  found.state.kind = BlockKind::kData;
  replace(*found.volume, *found.leaf, block % kLeafBlocks, found.place, found.state);
  return true;
}

void BlockMap::count(VolumeMap* volume, const BlockState& state) {
  if (state.kind == BlockKind::kNone) return;
  if (is_damaged(state.kind)) {
    ++damaged_blocks_;
    ++volume->damaged_blocks;
  }
  if (state.kind != BlockKind::kZero) ++volume->used_blocks;
  if (takes_block(state.kind)) {
    ++live_blocks_;
    ++volume->live_blocks;
    slots_.add_live(state.slot, 1, 0);
  } else {
    ++live_marks_;
    slots_.add_live(state.slot, 0, 1);
  }
}

void BlockMap::discount(VolumeMap* volume, const BlockState& state) {
  if (state.kind == BlockKind::kNone) return;
  if (is_damaged(state.kind)) {
    --damaged_blocks_;
    if (volume != nullptr) --volume->damaged_blocks;
  }
  if (volume != nullptr && state.kind != BlockKind::kZero) --volume->used_blocks;
  if (takes_block(state.kind)) {
    --live_blocks_;
    if (volume != nullptr) --volume->live_blocks;
    slots_.drop_live(state.slot, 1, 0);
  } else {
    --live_marks_;
    slots_.drop_live(state.slot, 0, 1);
  }
}

}  // namespace varve
