// BlockMap: the map of a disk group: every version of every volume's blocks, and what each slot
// holds of them.
//
// A cache of the log: recovery rebuilds it from footers and open segments. Updates may come in any
// order: of two versions of the same generation the one with the higher sequence number wins;
// versions of different generations exist beside each other while some view sees them (Lineage).
// Relocation keeps number and generation, and moves a version only if the map still points at the
// place that it was moved from.
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
  // The volume is gone at once; what it held is given up by give_up_some().
  void drop_volume(VolumeId id);
  // Fewer views see the volume's versions now; give_up_some() finds those that nobody sees.
  void views_dropped(VolumeId id);
  // Gives up a piece of what was dropped. False when nothing is left to give up.
  bool give_up_some();

  // Null when there is no such volume.
  const VolumeMap* find(VolumeId id) const;
  VolumeMap* find(VolumeId id);
  // What the view shows, a clone's ancestors included.
  BlockState get(VolumeView view, uint64_t block) const;
  // The same for who asks for many blocks and has found the volume.
  BlockState get(const VolumeMap& volume, Generation view, uint64_t block) const {
    const BlockState state = volume.get(block, view);
    if (state.kind != BlockKind::kNone || !volume.base()) return state;
    return get({volume.base().volume, volume.base().generation}, block);
  }
  // The same, with where it stands: in the volume or in what it was cloned from. Kind kNone:
  // nowhere.
  struct Found {
    BlockState state;
    VolumeId volume{};
    Generation generation = 0;
  };
  Found find_version(VolumeView view, uint64_t block) const;
  // False: nothing was ever written in the block's leaf, neither here nor in a clone's ancestors.
  bool has_leaf(VolumeId id, uint64_t block) const;
  bool has_extent(VolumeId id, uint64_t extent) const;

  // Blocks that hold data, of all versions. 0: there is no such volume.
  uint64_t used_blocks(VolumeId id) const {
    const VolumeMap* const volume = find(id);
    return volume == nullptr ? 0 : volume->used_blocks;
  }
  uint64_t damaged_blocks(VolumeId id) const {
    const VolumeMap* const volume = find(id);
    return volume == nullptr ? 0 : volume->damaged_blocks;
  }
  uint64_t live_blocks(VolumeId id) const {
    const VolumeMap* const volume = find(id);
    return volume == nullptr ? 0 : volume->live_blocks;
  }

  // Takes an entry of segment `slot` into account. `crcs` has one checksum per data block.
  void apply(const Entry& entry, uint32_t slot, const uint32_t* crcs);
  // Takes a relocated run into account.
  void relocate(const Append& append);
  // Whether block `i` of `entry`, found in `slot`, is still pointed at.
  bool live(const Entry& entry, uint32_t slot, uint32_t i) const;
  // A trim mark that no older version can contradict any more is forgotten. False: it hides what a
  // snapshot or a clone's base still shows.
  bool forget_zero(VolumeId id, uint64_t block, uint32_t slot, Sequence sequence);
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
  // The bytes at (slot, position) of one of the block's versions were found to be bad. False: that
  // was known, or no version lies there any more.
  bool mark_bad(VolumeId id, uint64_t block, uint32_t slot, uint32_t position);
  // The bytes of the version with this number, which mark_bad() was told of, are good again. False:
  // no such version lies there.
  bool mark_good(VolumeId id, uint64_t block, uint32_t slot, uint32_t position, Sequence sequence);
  // Whether that would find one.
  bool is_bad(VolumeId id, uint64_t block, uint32_t slot, uint32_t position,
              Sequence sequence) const;

  uint64_t live_blocks() const { return live_blocks_; }
  uint64_t live_marks() const { return live_marks_; }
  uint64_t damaged_blocks() const { return damaged_blocks_; }
  // What versions take, and the tables that lead to them.
  uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  // Takes into account how a leaf grows or shrinks in its scope.
  struct LeafBytes {
    LeafBytes(BlockMap& owner, const Leaf& changed)
        : map(owner), leaf(changed), before(changed.memory_bytes()) {}
    ~LeafBytes() { map.memory_bytes_ += leaf.memory_bytes() - before; }
    LeafBytes(const LeafBytes&) = delete;
    LeafBytes& operator=(const LeafBytes&) = delete;
    BlockMap& map;
    const Leaf& leaf;
    const uint64_t before;
  };
  // A volume whose versions are looked through, a leaf at a time.
  struct Sweep {
    VolumeId volume{};
    uint64_t next_block = 0;
  };

  void add_version(VolumeMap& volume, uint64_t block, Generation generation,
                   const BlockState& state);
  void replace(VolumeMap& volume, Leaf& leaf, uint32_t index, VersionPlace place,
               const BlockState& state);
  void erase(VolumeMap& volume, Leaf& leaf, uint32_t index, VersionPlace place);
  void drop_if_empty(VolumeMap& volume, uint64_t block);
  // Of the block's versions the one of that kind that lies there.
  struct At {
    VolumeMap* volume = nullptr;
    Leaf* leaf = nullptr;
    VersionPlace place = kNoVersion;
    BlockState state;
  };
  At find_at(VolumeId id, uint64_t block, uint32_t slot, uint32_t position, BlockKind kind) const;
  void drop_unseen(VolumeMap& volume, Leaf& leaf, uint32_t index);
  bool sweep_some();
  void sweep_leaf(VolumeMap& volume, Leaf& leaf);
  void give_up_leaf(Leaf& leaf);
  bool hides_something(const VolumeMap& volume, const Leaf& leaf, uint64_t block,
                       VersionPlace place) const;
  void count(VolumeMap* volume, const BlockState& state);
  void discount(VolumeMap* volume, const BlockState& state);
  void forget_old_zeroes_of(VolumeId id, VolumeMap& volume,
                            const std::vector<DataSequences>& forget_below);
  bool supersedes(const BlockState& fresh, const BlockState& held) const;

  SlotTable& slots_;
  std::unordered_map<uint32_t, std::unique_ptr<VolumeMap>> volumes_;
  std::vector<std::unique_ptr<VolumeMap>> dropped_;
  std::vector<Sweep> sweeps_;
  std::map<GroupId, Sequence> group_floors_;
  uint64_t live_blocks_ = 0;
  uint64_t live_marks_ = 0;
  uint64_t damaged_blocks_ = 0;
  uint64_t memory_bytes_ = 0;
  mutable std::vector<Generation> generations_;  // scratch: a block's versions
  std::vector<bool> needed_;                     // scratch of drop_unseen()
};

}  // namespace varve
