// Leaf: the versions of 256 neighbouring blocks of a volume, and where they lie.
//
// One row for each version, in the order of (block, generation), in a table that takes as few bytes
// as the numbers in it allow: what was written in one piece, and lies in one, takes hardly more
// than its checksums, 4 bytes a block, and what was written and moved in no order some 13.
//
// Thread rule: one shard's thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "core/base/units.h"
#include "core/map/packed_rows.h"

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

// Names one version of a block in its leaf, until the next insert() or erase().
using VersionPlace = int32_t;
inline constexpr VersionPlace kNoVersion = -1;

class Leaf {
 public:
  bool empty() const { return rows_.size() == 0; }
  BlockState newest(uint32_t index) const { return at(index, newest_place(index)); }
  BlockKind newest_kind(uint32_t index) const;
  VersionPlace newest_place(uint32_t index) const;
  Sequence sequence_max() const {
    return sequence_max_;
  }  // highest that any of its blocks ever had

  BlockState at(uint32_t index, VersionPlace place) const;
  template <typename Visit>
  void for_each_version(const Visit& visit) const {
    for (uint32_t i = 0; i < rows_.size(); ++i)
      visit(at(dense_ ? i : static_cast<uint32_t>(rows_.get(i, kIndex)),
               static_cast<VersionPlace>(i)));
  }
  // REQUIRES a version.
  Generation generation_at(VersionPlace place) const {
    return static_cast<Generation>(get(place, kGeneration));
  }
  // Replaces a version by another of the same generation.
  void set(uint32_t index, VersionPlace place, const BlockState& state);
  // As the only version, whatever its generation: where the volume has no snapshots. REQUIRES no
  // history.
  void set_only(uint32_t index, Generation generation, const BlockState& state);
  // Adds a version. REQUIRES none of this generation.
  void insert(uint32_t index, Generation generation, const BlockState& state);
  // The next older one, if any, becomes the newest when that is erased.
  void erase(VersionPlace place);

  // The generations of the block's versions, ascending.
  void generations(uint32_t index, std::vector<Generation>& out) const;
  // The version that stands at `ordinal` in generations().
  VersionPlace place_of(uint32_t index, size_t ordinal) const {
    return static_cast<VersionPlace>(rows_of(index).first + ordinal);
  }
  // The version with this number whose bytes or mark are in `slot`.
  VersionPlace find(uint32_t index, Sequence sequence, uint32_t slot) const;
  bool has_older(uint32_t index) const;
  // The block's version of exactly this generation, if there is one.
  BlockState of_generation(uint32_t index, Generation generation) const;

  // No snapshot is left: generations need not be told apart any more. REQUIRES no older versions.
  void forget_history();
  // Whether forget_history() would forget nothing: all newest versions are of one generation.
  bool is_of_one_generation() const;
  // What all versions are of while there is no history.
  Generation common_generation() const {
    return empty() ? 0 : static_cast<Generation>(rows_.get(0, kGeneration));
  }
  // Whether its versions are of several generations, as far as it knows.
  bool has_history() const { return !rows_.is_uniform(kGeneration); }
  uint64_t memory_bytes() const;

 private:
  // The columns. `place` is slot and position as one number, less the block's: neighbours that lie
  // one behind the other have the same.
  enum : size_t { kIndex, kGeneration, kKind, kPlace, kCrc, kSequence };

  uint64_t get(VersionPlace place, size_t column) const {
    return rows_.get(static_cast<uint32_t>(place), column);
  }
  static PackedRows::Row make_row(uint32_t index, Generation generation, const BlockState& state);
  // First row of the block, and behind its last.
  std::pair<uint32_t, uint32_t> rows_of(uint32_t index) const;
  // The first row of a block from `index` on.
  uint32_t lower_bound(uint32_t index) const;
  void set_row(VersionPlace place, const PackedRows::Row& row);
  void set_dense(bool dense);

  Sequence sequence_max_ = 0;
  PackedRows rows_;
  bool dense_ = false;  // one version of each block: rows have no index
};

}  // namespace varve
