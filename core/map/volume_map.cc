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

std::unique_ptr<Extent> VolumeMap::take_extent() {
  while (!extents_.empty()) {
    std::unique_ptr<Extent> last = std::move(extents_.back());
    extents_.pop_back();
    if (last != nullptr) return last;
  }
  return nullptr;
}

}  // namespace varve
