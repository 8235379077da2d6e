// VolumeMap: where each block of one volume lies. 1 MiB of address space is a leaf; 64 leaves make
// an extent; both exist only where something was written.
//
// Memory: a leaf takes 19 bytes a block, so 4.75 GiB for each TiB that was written in full.
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

#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

enum class BlockKind : uint8_t {
  kNone,     // never written: reads as zeroes
  kData,     // at (slot, position)
  kZero,     // trimmed or zeroed; the entry that says so stands in `slot`
  kDamaged,  // lost; the entry that says so stands in `slot`
  kBad,      // at (slot, position), but the bytes there fail their checksum
};

constexpr bool takes_block(BlockKind kind) {
  return kind == BlockKind::kData || kind == BlockKind::kBad;
}
constexpr bool takes_mark(BlockKind kind) {
  return kind == BlockKind::kZero || kind == BlockKind::kDamaged;
}
constexpr bool is_damaged(BlockKind kind) {
  return kind == BlockKind::kDamaged || kind == BlockKind::kBad;
}

struct BlockState {
  BlockKind kind = BlockKind::kNone;
  uint16_t position = 0;
  uint32_t slot = 0;
  uint32_t crc = 0;
  Sequence sequence = 0;
};

struct Leaf {
  Sequence sequence_max = 0;  // highest that any of its blocks ever had
  std::array<Sequence, kLeafBlocks> sequence{};
  std::array<uint32_t, kLeafBlocks> slot{};
  std::array<uint32_t, kLeafBlocks> crc{};
  std::array<uint16_t, kLeafBlocks> position{};
  std::array<BlockKind, kLeafBlocks> kind{};

  BlockState get(uint32_t index) const {
    return {kind[index], position[index], slot[index], crc[index], sequence[index]};
  }
  void set(uint32_t index, const BlockState& state) {
    kind[index] = state.kind;
    position[index] = state.position;
    slot[index] = state.slot;
    crc[index] = state.crc;
    sequence[index] = state.sequence;
    sequence_max = std::max(sequence_max, state.sequence);
  }
};

struct Extent {
  std::array<std::unique_ptr<Leaf>, kLeavesPerExtent> leaves;
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
  BlockState get(uint64_t block) const {
    const Leaf* leaf = find_leaf(block);
    return leaf == nullptr ? BlockState{} : leaf->get(block % kLeafBlocks);
  }
  // Null when nothing was ever written in the block's leaf.
  const Leaf* find_leaf(uint64_t block) const {
    const uint64_t extent = block / kExtentBlocks;
    if (extent >= extents_.size() || extents_[extent] == nullptr) return nullptr;
    return extents_[extent]->leaves[block % kExtentBlocks / kLeafBlocks].get();
  }
  // Made when it is not there; `made` tells.
  Leaf& leaf(uint64_t block, bool& made);
  bool has_extent(uint64_t extent) const {
    return extent < extents_.size() && extents_[extent] != nullptr;
  }
  // Every leaf, with the number of its first block.
  void for_each_leaf(const std::function<void(uint64_t, const Leaf&)>& visit) const;
  // Gives up one extent that holds something, or nothing when the map is empty.
  std::unique_ptr<Extent> take_extent();

  uint64_t used_blocks = 0;  // blocks that hold data, damaged ones included; kept by BlockMap

 private:
  uint64_t block_count_;
  std::vector<GroupId> groups_;
  std::vector<std::unique_ptr<Extent>> extents_;
};

}  // namespace varve
