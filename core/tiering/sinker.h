// Sinker: copies blocks into a slot of an HDD, in large sequential writes, and lets the map point
// there.
//
// Order: the data is on stable media, then its index is durable in the log, then the map changes,
// block by block, and only where it still points at what was copied. So the place that a block came
// from may be given up when the map has left it, and never before.
//
// Thread rule: one shard's thread. Everything passed in is borrowed.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/log/log_writer.h"
#include "core/map/block_map.h"
#include "core/tiering/cold_indexes.h"

namespace varve {

// A block and where it lies.
struct ColdMove {
  Sequence sequence = 0;
  uint64_t block = 0;
  uint32_t volume = 0;
  uint32_t generation = 0;
  uint32_t group = 0;
  uint32_t crc = 0;
  uint32_t from_slot = 0;
  uint16_t from_position = 0;

  Entry entry() const;
};

class Sinker {
 public:
  Sinker(LogWriter& writer, BlockMap& map, ColdIndexes& indexes)
      : writer_(writer), map_(map), indexes_(indexes) {}

  struct Content {
    ColdIndexBuilder index;
    std::vector<ColdMove> moves;                 // one for each block of the index
    std::vector<ColdMove> bad;                   // these failed their checksums
    AlignedBuffer encoded;                       // the index
    std::map<uint32_t, uint32_t> copied_blocks;  // from each slot
    size_t counted = 0;                          // of the moves, in copied_blocks
  };

  // Copies as many of `moves`, from the first one on, as the slot has room for, to stable media;
  // those that died meanwhile or cannot be read stay behind. `slot` is open. The slots that blocks
  // come from are pinned by the caller as long as this runs, and no longer: what follows needs a
  // slot of the SSD, which may be one of them.
  Task<Status> copy(uint32_t slot, const std::vector<ColdMove>& moves, Content& content);
  // Makes the copy count. `slot` is sealed when this ends with kOk.
  Task<Status> publish(uint32_t slot, const Content& content);
  uint64_t sunk_blocks() const { return sunk_blocks_; }

 private:
  enum class Read : uint8_t { kNot, kGood, kBad };
  struct Piece {
    AlignedBuffer buffer;
    std::vector<ColdMove> moves;  // where they go into the buffer: one behind the other
    std::vector<Read> read;
  };
  void count_reclaimed(Content& content);
  Task<void> read(Piece& piece);
  bool reads_on(const ColdMove& from, const ColdMove& last, const ColdMove& next) const;
  Task<void> read_run(Piece* piece, size_t first, size_t count);
  // Alone: what was wrong may have been the transfer, or a neighbour.
  Task<void> read_again(Piece& piece, size_t i);
  // Takes what is good over into `content`, one block behind the other. False: that is full.
  static bool pack(Piece& piece, Content& content, uint32_t& packed_blocks);
  Task<void> write(uint32_t slot, uint32_t position, AlignedBuffer buffer, uint32_t blocks,
                   Status* status);
  Task<void> point(uint32_t slot, const Content& content);

  LogWriter& writer_;
  BlockMap& map_;
  ColdIndexes& indexes_;
  uint64_t sunk_blocks_ = 0;
};

}  // namespace varve
