// ReadCache: blocks of HDDs that are read again and again, kept in slots of the SSD that are free.
//
// Nothing of it is durable, and nothing needs it: its slots stay free (SlotTable lends them), a
// stream takes one at any moment, and after a restart they are as empty as all free ones. Before a
// slot is used its header is written durably as that of a free slot under a new generation, so that
// recovery looks for nothing in it.
//
// What is let in: a block that is read from the HDD for the second time before as many others were
// as the cache can hold; a block that served reads until it was pushed out; anything while there is
// room to grow. So one reading of everything pushes nothing out, at the price of one more HDD read
// of each block that stays. Not let in: what belongs to a sequential read (a MiB and more, one
// block behind the other on the HDD), which an HDD serves well.
//
// Blocks are gathered in memory, where they are found at once, and written in pieces of up to 1
// MiB. While that goes on nothing is let in: no read ever waits for it. The slot filled first is
// emptied first. Whoever reads must check what it gets, as always.
//
// Thread rule: one shard's thread. Borrows the writer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/log/log_writer.h"
#include "core/tiering/cache_index.h"
#include "core/tiering/read_cache_stats.h"

namespace varve {

class ReadCache {
 public:
  explicit ReadCache(LogWriter& writer);
  ~ReadCache();

  // Ends when nothing is on its way; nothing begins afterwards.
  Task<void> stop();

  // A read of these blocks of a slot of an HDD begins. Whether it goes on with a long sequential
  // one.
  bool note(const ColdPlace& first, uint32_t count);
  // True: all of them are in `out`, as far as the SSD tells, unchecked. Else `out` is unspecified.
  Task<bool> read(ColdPlace first, uint32_t count, std::byte* out);
  // What read() gave for this block was wrong.
  void drop(const ColdPlace& place);
  // They were read from the HDD and are good; `bypass`: they are not let in. The slot is pinned.
  void fill(const ColdPlace& first, uint32_t count, const std::byte* data, bool bypass);
  void count_hits(uint32_t blocks) { stats_.hit_blocks += blocks; }

  // Told how much memory it may take, now and whenever it wants more. Without it: any.
  void set_memory_room(std::function<uint64_t()> room) { memory_room_ = std::move(room); }
  // What it takes to find what it holds.
  uint64_t memory_bytes() const {
    return index_.memory_bytes() + remembered_.capacity() * sizeof(uint32_t);
  }
  // What is left of that without any slot.
  uint64_t memory_bytes_min() const { return index_.table_bytes(); }
  // Gives slots up until it takes no more than this, as far as there are any.
  void shrink(uint64_t memory_bytes_max);

  ReadCacheStats stats() const;

 private:
  // Neighbours in the cache.
  struct Piece {
    CachePlace first;
    uint32_t count = 0;
    std::byte* out = nullptr;
  };
  // A read that may go on.
  struct Stream {
    uint32_t slot = 0;
    uint32_t next_position = 0;
    uint32_t blocks = 0;  // so far
    uint64_t used = 0;    // when it went on last
  };
  static constexpr size_t kStreams = 64;

  // Finds them all, or nothing. Copies what is still in memory, pins the slots of the rest.
  bool find(const ColdPlace& first, uint32_t count, std::byte* out, std::vector<Piece>& pieces);
  Task<void> read_piece(Piece piece, bool* good);
  bool in_memory(const CachePlace& place) const;
  bool lets_in(const ColdPlace& place);
  void remember(const ColdPlace& place);
  // Whether one more slot may be had, as far as slots and memory go.
  bool may_grow() const;
  void fit_remembered();
  // False: there is no room in memory just now.
  bool add(const ColdPlace& place, const std::byte* data);
  // Writes what was gathered, if anything, and goes on behind it, in another slot if need be.
  Task<void> advance();
  Task<bool> write_gathered();
  Task<bool> take_slot();
  Task<Status> write_header(uint32_t slot);
  void write_failed();
  void give_up_slot(uint32_t slot);
  void slot_taken(uint32_t slot);

  LogWriter& writer_;
  std::function<uint64_t()> memory_room_;
  CacheIndex index_;
  const uint32_t piece_blocks_;
  std::deque<uint32_t> lent_;  // in the order in which they were filled
  // What is being gathered: from `gathered_first_` on in `slot_`, `gathered_` blocks so far.
  uint32_t slot_ = kNoSlot;
  uint32_t gathered_first_ = 0;
  uint32_t gathered_ = 0;
  AlignedBuffer buffer_;
  bool busy_ = false;  // advance() is under way
  bool stopping_ = false;
  std::array<Stream, kStreams> streams_;
  uint64_t reads_ = 0;
  std::vector<uint32_t> remembered_;  // fingerprints of places, each where its hash says
  ReadCacheStats stats_;
  TaskGroup tasks_;
};

}  // namespace varve
