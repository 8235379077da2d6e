// VolumeMap: where each version of each block of one volume lies. 1 MiB of address space is a leaf;
// 64 leaves make an extent; both exist only where something was written.
//
// In a cluster extent i belongs to replication group groups[i % size].
//
// Thread rule: one shard's thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/base/heap_bytes.h"
#include "core/base/ids.h"
#include "core/base/units.h"
#include "core/map/leaf.h"
#include "core/map/lineage.h"

namespace varve {

struct Extent {
  std::array<std::unique_ptr<Leaf>, kLeavesPerExtent> leaves;

  bool empty() const {
    return std::all_of(leaves.begin(), leaves.end(),
                       [](const auto& leaf) { return leaf == nullptr; });
  }
};
inline constexpr uint64_t kExtentBytes = heap_bytes(sizeof(Extent));  // without its leaves

// What a clone was made of: shown wherever the clone has no version of its own.
struct CloneBase {
  VolumeId volume{};  // 0: the volume is no clone
  Generation generation = 0;
  explicit operator bool() const { return volume != VolumeId{}; }
};

class VolumeMap {
 public:
  VolumeMap(uint64_t block_count, std::vector<GroupId> groups)
      : block_count_(block_count), groups_(std::move(groups)) {}

  uint64_t block_count() const { return block_count_; }
  // REQUIRES no less than before.
  void grow(uint64_t block_count) { block_count_ = std::max(block_count_, block_count); }
  GroupId group_of(uint64_t block) const {
    return groups_.empty() ? GroupId{} : groups_[block / kExtentBlocks % groups_.size()];
  }

  bool in_cluster() const { return !groups_.empty(); }

  const Lineage& lineage() const { return lineage_; }
  Lineage& lineage() { return lineage_; }
  const CloneBase& base() const { return base_; }
  void set_base(CloneBase base) { base_ = base; }

  // What `view` sees of the block; kNone: nothing in this volume (a clone's base may have it).
  BlockState get(uint64_t block, Generation view = kHead) const {
    const Leaf* leaf = find_leaf(block);
    if (leaf == nullptr) return {};
    const uint32_t index = block % kLeafBlocks;
    if (view == kHead && lineage_.head_sees_newest()) return leaf->newest(index);
    return leaf->at(index, find_seen(*leaf, index, view));
  }
  // Of what get() returns. REQUIRES that it returns something.
  Generation generation_seen(uint64_t block, Generation view) const {
    const Leaf& leaf = *find_leaf(block);
    const uint32_t index = block % kLeafBlocks;
    return leaf.generation_at(find_seen(leaf, index, view));
  }
  // Null when nothing was ever written in the block's leaf.
  const Leaf* find_leaf(uint64_t block) const {
    const uint64_t extent = block / kExtentBlocks;
    if (extent >= extents_.size() || extents_[extent] == nullptr) return nullptr;
    return extents_[extent]->leaves[block % kExtentBlocks / kLeafBlocks].get();
  }
  Leaf* find_leaf(uint64_t block) {
    return const_cast<Leaf*>(static_cast<const VolumeMap*>(this)->find_leaf(block));
  }
  // Made when it is not there; what that takes is added to `memory_bytes`.
  Leaf& leaf(uint64_t block, uint64_t& memory_bytes);
  // The block's leaf, if it is there and holds nothing, and its extent if that was its last.
  void drop_if_empty(uint64_t block, uint64_t& memory_bytes);
  // Memory of the table of extents.
  uint64_t table_bytes() const {
    return extents_.capacity() == 0 ? 0 : heap_bytes(extents_.capacity() * sizeof(extents_[0]));
  }
  bool has_extent(uint64_t extent) const {
    return extent < extents_.size() && extents_[extent] != nullptr;
  }
  uint64_t extent_count() const { return extents_.size(); }
  // Every leaf, with the number of its first block.
  void for_each_leaf(const std::function<void(uint64_t, const Leaf&)>& visit) const;
  // Gives up one extent that holds something, or nothing when the map is empty.
  std::unique_ptr<Extent> take_extent();

  uint64_t used_blocks = 0;     // blocks that hold data, of all versions; kept by BlockMap
  uint64_t live_blocks = 0;     // of these, lie in a slot, good or bad; the same
  uint64_t damaged_blocks = 0;  // of these, known to be damaged; the same

 private:
  VersionPlace find_seen(const Leaf& leaf, uint32_t index, Generation view) const;

  uint64_t block_count_;
  std::vector<GroupId> groups_;
  Lineage lineage_;
  CloneBase base_;
  std::vector<std::unique_ptr<Extent>> extents_;
  mutable std::vector<Generation> scratch_;  // of find_seen()
};

}  // namespace varve
