#include "core/map/volume_map.h"

namespace varve {

Leaf& VolumeMap::leaf(uint64_t block, bool& made) {
  const uint64_t extent = block / kExtentBlocks;
  if (extent >= extents_.size()) extents_.resize(extent + 1);
  if (extents_[extent] == nullptr) extents_[extent] = std::make_unique<Extent>();
  auto& leaf = extents_[extent]->leaves[block % kExtentBlocks / kLeafBlocks];
  made = leaf == nullptr;
  if (made) leaf = std::make_unique<Leaf>();
  return *leaf;
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
