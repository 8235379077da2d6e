// BlockMap: the map of a disk group: every volume's blocks, and what each slot holds of them.
//
// A cache of the log: recovery rebuilds it from footers and open segments. Updates may come in any
// order; the higher sequence number always wins. Relocation keeps the number, and moves a block
// only if the map still points at the place that it was moved from.
//
// Thread rule: one shard's thread. Borrows the slot table, whose live counts it keeps.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "core/format/entry.h"
#include "core/log/append.h"
#include "core/log/slot_table.h"
#include "core/map/volume_map.h"

namespace varve {

class BlockMap {
 public:
  explicit BlockMap(SlotTable& slots) : slots_(slots) {}

  // A volume that is there already only grows.
  void add_volume(VolumeId id, uint64_t block_count, std::vector<GroupId> groups);
  // The volume is gone at once; what it held is given up by drop_some().
  void drop_volume(VolumeId id);
  // Gives up a piece of the dropped volumes. False when nothing is left to give up.
  bool drop_some();
  // Null when there is no such volume.
  const VolumeMap* find(VolumeId id) const;

  // Takes an entry of segment `slot` into account. `crcs` has one checksum per data block.
  void apply(const Entry& entry, uint32_t slot, const uint32_t* crcs);
  // Takes a relocated run into account.
  void relocate(const Append& append);
  // A trim mark that no older version can contradict any more is forgotten.
  void forget_zero(VolumeId id, uint64_t block, uint32_t slot, Sequence sequence);
  // Rule 6: a mark of a replication group is remembered until every member has it.
  void set_group_floor(GroupId group, Sequence everyone) { group_floors_[group] = everyone; }
  bool may_forget(GroupId group, Sequence sequence) const {
    if (group == GroupId{}) return true;
    const auto floor = group_floors_.find(group);
    return floor != group_floors_.end() && sequence <= floor->second;
  }
  // The same for all marks at once, at recovery: slots that were freed because their marks could be
  // forgotten, and that were not written since, show these marks again.
  void forget_old_zeroes();
  // The block's bytes at `state`'s place were found to be bad.
  void mark_bad(VolumeId id, uint64_t block, const BlockState& state);

  uint64_t live_blocks() const { return live_blocks_; }
  uint64_t live_marks() const { return live_marks_; }
  uint64_t damaged_blocks() const { return damaged_blocks_; }
  uint64_t memory_bytes() const { return leaf_count_ * sizeof(Leaf); }

 private:
  VolumeMap* find_mutable(VolumeId id);
  void replace(VolumeMap& volume, uint64_t block, const BlockState& state);
  void count(VolumeMap* volume, const BlockState& state);
  void discount(VolumeMap* volume, const BlockState& state);
  void forget_old_zeroes_of(VolumeMap& volume, const std::vector<Sequence>& forget_below);
  bool supersedes(const BlockState& fresh, const BlockState& held) const;

  SlotTable& slots_;
  std::unordered_map<uint32_t, std::unique_ptr<VolumeMap>> volumes_;
  std::vector<std::unique_ptr<VolumeMap>> dropped_;
  std::map<GroupId, Sequence> group_floors_;
  uint64_t live_blocks_ = 0;
  uint64_t live_marks_ = 0;
  uint64_t damaged_blocks_ = 0;
  uint64_t leaf_count_ = 0;
};

}  // namespace varve
