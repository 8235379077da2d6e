// ColdIndexes: the indexes of the HDDs' slots, kept in the log on the SSD as blocks of
// kIndexVolume, with a copy at the end of the slot itself.
//
// Invariant: while the index of a slot is in force (its first block on the SSD says so), the data
// that it names and the copy lie in the slot, whole and on stable media. So an index is written
// when they are, the first block last, and is gone before the slot is written again.
//
// Thread rule: one shard's thread. Borrows the writer and the map.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/format/cold_index.h"
#include "core/log/log_writer.h"
#include "core/map/block_map.h"

namespace varve {

class ColdIndexes {
 public:
  ColdIndexes(LogWriter& writer, BlockMap& map) : writer_(writer), map_(map) {}

  // New numbers begin above this one, which recovery found in the log.
  void note(Sequence sequence) {
    if (sequence >= next_sequence_) next_sequence_ = sequence + 1;
  }

  bool in_force(uint32_t slot) const;
  // Nothing: none is in force. kDamaged: there is one, but neither it nor its copy can be read.
  Task<Result<std::optional<ColdIndex>>> read(uint32_t slot);
  AlignedBuffer encode(uint32_t slot, uint32_t generation, const Footer& content) const;
  // Into the slot. On stable media after the next flush of its device.
  Task<Status> write_copy(uint32_t slot, const AlignedBuffer& index);
  // In force when this ends with kOk. kNoSpace, kIoError: it is not.
  Task<Status> write(uint32_t slot, const AlignedBuffer& index);
  // Of no force when this ends with kOk.
  Task<Status> erase(uint32_t slot);
  // A block of kIndexVolume was found to be bad.
  void note_damage(uint64_t block);
  // Writes again what is damaged, as far as the copy is good.
  Task<Status> mend();
  // Indexes in force of which neither the blocks on the SSD nor the copy can be read.
  size_t lost_count() const;
  // Where indexes go, and what else the HDDs have to say to the log.
  LogStream& stream() const;

 private:
  Append make_append(uint64_t block, uint32_t count, EntryOp op);
  Task<Status> write_blocks(uint64_t first, uint32_t begin, uint32_t end, const std::byte* bytes,
                            const uint32_t* crcs);
  using Found = std::optional<ColdIndex>;
  Task<Result<Found>> read_log(uint32_t slot);
  Task<Result<Found>> read_copy(uint32_t slot);
  Task<Status> read_blocks(uint64_t first, std::span<std::byte> into);
  Task<Status> read_run(const BlockState& first, std::span<std::byte> into);

  LogWriter& writer_;
  BlockMap& map_;
  std::vector<uint32_t> damaged_;  // slots whose index is known from its copy only
  std::set<uint32_t> lost_;        // slots of whose index mend() found no good copy
  Sequence next_sequence_ = 1;
};

}  // namespace varve
