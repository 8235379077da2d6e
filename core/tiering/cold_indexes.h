// ColdIndexes: the indexes of the HDDs' slots, kept in the log on the SSD as blocks of
// kIndexVolume.
//
// Invariant: while the index of a slot is in force (its first block says so), the data that it
// names lies in the slot, whole and on stable media. So an index is written when its data is, the
// first block last, and is gone before the slot is written again.
//
// Thread rule: one shard's thread. Borrows the writer and the map.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

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
  // Nothing: none is in force. kDamaged: there is one, but it cannot be read.
  Task<Result<std::optional<ColdIndex>>> read(uint32_t slot);
  // In force when this ends with kOk. kNoSpace, kIoError: it is not.
  Task<Status> write(uint32_t slot, uint32_t generation, const Footer& content);
  // Of no force when this ends with kOk.
  Task<Status> erase(uint32_t slot);

 private:
  Append make_append(uint64_t block, uint32_t count, EntryOp op);
  Task<Status> append_all(std::vector<Append>& appends);
  Task<Status> write_blocks(uint64_t first, uint32_t begin, uint32_t end, const std::byte* bytes,
                            const uint32_t* crcs);
  Task<Status> read_blocks(uint64_t first, std::span<std::byte> into);

  LogWriter& writer_;
  BlockMap& map_;
  Sequence next_sequence_ = 1;
};

}  // namespace varve
