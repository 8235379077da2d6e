#include "core/map/volume_map.h"

namespace varve {

Leaf& VolumeMap::leaf(uint64_t block, uint64_t& memory_bytes) {
  const uint64_t extent = block / kExtentBlocks;
  if (extent >= extents_.size()) {
    memory_bytes -= table_bytes();
    extents_.resize(extent + 1);
    memory_bytes += table_bytes();
  }
  if (extents_[extent] == nullptr) {
    extents_[extent] = std::make_unique<Extent>();
    memory_bytes += kExtentBytes;
  }
  auto& leaf = extents_[extent]->leaves[block % kExtentBlocks / kLeafBlocks];
  if (leaf == nullptr) {
    leaf = std::make_unique<Leaf>();
    memory_bytes += leaf->memory_bytes();
  }
  return *leaf;
}

void VolumeMap::drop_if_empty(uint64_t block, uint64_t& memory_bytes) {
  const Leaf* const held = find_leaf(block);
  if (held == nullptr || !held->empty()) return;
  memory_bytes -= held->memory_bytes();
  auto& extent = extents_[block / kExtentBlocks];
  extent->leaves[block % kExtentBlocks / kLeafBlocks].reset();
  if (!extent->empty()) return;
  memory_bytes -= kExtentBytes;
  extent.reset();
}

VersionPlace VolumeMap::find_seen(const Leaf& leaf, uint32_t index, Generation view) const {
  leaf.generations(index, scratch_);
  const int seen = lineage_.seen_by(view, scratch_);
  return seen < 0 ? kNoVersion : leaf.place_of(index, static_cast<size_t>(seen));
}

void VolumeMap::for_each_leaf(const std::function<void(uint64_t, const Leaf&)>& visit) const {
  for (size_t extent = 0; extent < extents_.size(); ++extent) {
    if (extents_[extent] == nullptr) continue;
    for (uint32_t leaf = 0; leaf < kLeavesPerExtent; ++leaf) {
      const auto& held = extents_[extent]->leaves[leaf];
      if (held != nullptr) visit(extent * kExtentBlocks + leaf * kLeafBlocks, *held);
    }
  }
}

std::unique_ptr<Extent> VolumeMap::take_extent() {
  while (!extents_.empty()) {
    std::unique_ptr<Extent> last = std::move(extents_.back());
    extents_.pop_back();
    if (last != nullptr) return last;
  }
  return nullptr;
}

}  // namespace varve
