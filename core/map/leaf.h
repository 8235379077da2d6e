// Leaf: the versions of 256 neighbouring blocks of a volume, and where they lie.
//
// The newest version of each block stands in arrays; older ones, which only snapshots (and, after a
// roll-back, the head) see, in a list that exists only where there are any.
//
// Memory: 19 bytes a block; with versions of several generations 4 bytes a block more, and 24 bytes
// for each older version.
//
// Thread rule: one shard's thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

enum class BlockKind : uint8_t {
  kNone,     // never written: reads as zeroes, or as what a clone was made of
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
constexpr bool reads_as_zeroes(BlockKind kind) {
  return kind == BlockKind::kNone || kind == BlockKind::kZero;
}

struct BlockState {
  BlockKind kind = BlockKind::kNone;
  uint16_t position = 0;
  uint32_t slot = 0;
  uint32_t crc = 0;
  Sequence sequence = 0;
};

// Names one version of a block in its leaf: kNewest, or a place in the list of older ones, which
// holds until the next insert() or erase().
using VersionPlace = int32_t;
inline constexpr VersionPlace kNewest = -1;
inline constexpr VersionPlace kNoVersion = -2;

class Leaf {
 public:
  BlockState newest(uint32_t index) const {
    return {kind_[index], position_[index], slot_[index], crc_[index], sequence_[index]};
  }
  BlockKind newest_kind(uint32_t index) const { return kind_[index]; }
  Sequence newest_sequence(uint32_t index) const { return sequence_[index]; }
  uint32_t newest_slot(uint32_t index) const { return slot_[index]; }
  Generation newest_generation(uint32_t index) const {
    return history_ == nullptr ? generation_ : history_->newest[index];
  }
  Sequence sequence_max() const {
    return sequence_max_;
  }  // highest that any of its blocks ever had

  BlockState at(uint32_t index, VersionPlace place) const;
  Generation generation_at(uint32_t index, VersionPlace place) const;
  // Replaces a version by another of the same generation.
  void set(uint32_t index, VersionPlace place, const BlockState& state);
  // As the only version, whatever its generation: where the volume has no snapshots.
  void set_only(uint32_t index, Generation generation, const BlockState& state);
  // Adds a version. REQUIRES none of this generation.
  void insert(uint32_t index, Generation generation, const BlockState& state);
  // The next older one, if any, becomes the newest when that is erased.
  void erase(uint32_t index, VersionPlace place);

  // The generations of the block's versions, ascending.
  void generations(uint32_t index, std::vector<Generation>& out) const;
  // The version that stands at `ordinal` in generations().
  VersionPlace place_of(uint32_t index, size_t ordinal) const;
  // The version with this number whose bytes or mark are in `slot`.
  VersionPlace find(uint32_t index, Sequence sequence, uint32_t slot) const;
  bool has_older(uint32_t index) const;
  // The block's version of exactly this generation, if there is one.
  BlockState of_generation(uint32_t index, Generation generation) const;

  // No snapshot is left: generations need not be told apart any more. REQUIRES no older versions.
  void forget_history();
  // Whether forget_history() would forget nothing: all newest versions are of one generation.
  bool is_of_one_generation() const;
  // What the newest versions are of while there is no history.
  Generation common_generation() const { return generation_; }
  // REQUIRES an empty leaf: what is to be written first has this generation.
  void begin(Generation generation) { generation_ = generation; }
  bool has_history() const { return history_ != nullptr; }
  uint64_t memory_bytes() const;

 private:
  struct Older {
    Sequence sequence;
    uint32_t slot;
    uint32_t crc;
    Generation generation;
    uint16_t position;
    BlockKind kind;
    uint8_t index;

    BlockState state() const { return {kind, position, slot, crc, sequence}; }
  };
  static_assert(sizeof(Older) == 24 && kLeafBlocks == 256);
  struct History {
    std::array<Generation, kLeafBlocks> newest;  // generations of the newest versions
    std::vector<Older> older;                    // by (index, generation)
  };

  static Older make_older(uint32_t index, Generation generation, const BlockState& state) {
    return {state.sequence,
            state.slot,
            state.crc,
            generation,
            state.position,
            state.kind,
            static_cast<uint8_t>(index)};
  }
  History& history();
  // First older version of the block, and behind its last.
  std::pair<size_t, size_t> older_of(uint32_t index) const;
  void set_newest(uint32_t index, const BlockState& state);

  Sequence sequence_max_ = 0;
  std::unique_ptr<History> history_;
  Generation generation_ = 0;  // of all newest versions, without history
  std::array<Sequence, kLeafBlocks> sequence_{};
  std::array<uint32_t, kLeafBlocks> slot_{};
  std::array<uint32_t, kLeafBlocks> crc_{};
  std::array<uint16_t, kLeafBlocks> position_{};
  std::array<BlockKind, kLeafBlocks> kind_{};
};

}  // namespace varve
