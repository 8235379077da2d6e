// Scrubber: reads everything that is live and checks it, slot by slot, so that what went bad is
// found while another copy is still good. Blocks of all versions, on the SSD and on HDDs; those
// that are moved meanwhile are checked by who moves them.
//
// Reads are of up to 256 KiB, one at a time, and paced. A bad block is marked in the map, as if a
// client had read it; who has another copy may put it where the bad bytes are.
//
// Thread rule: one shard's thread. Everything passed in is borrowed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/log/log_writer.h"
#include "core/map/block_map.h"
#include "core/store/store.h"
#include "core/tiering/cold_indexes.h"

namespace varve {

class Scrubber {
 public:
  Scrubber(LogWriter& writer, BlockMap& map, ColdIndexes& indexes);
  ~Scrubber();

  void start();
  // Ends when nothing is on its way; nothing begins afterwards.
  Task<void> stop();

  // As Store says.
  void set_interval(uint64_t pass_seconds);
  void begin_pass(uint64_t bytes_per_second);
  void set_healer(Store::Healer healer);
  ScrubStats stats() const;

 private:
  // A live block of the slot that is being checked.
  struct Block {
    const Entry* entry = nullptr;
    uint32_t crc = 0;
    uint16_t within = 0;  // the entry

    uint32_t position() const { return entry->position + uint32_t{within}; }
    uint64_t block() const { return entry->first_block() + within; }
  };

  Task<void> run();
  Task<void> check_next();
  Task<void> check_slot(uint32_t slot);
  Task<std::optional<Footer>> read_content(uint32_t slot);
  std::vector<Block> live_blocks(uint32_t slot, const Footer& content) const;
  Task<void> check_run(uint32_t slot, std::span<const Block> run);
  // Looks once more: what was wrong may have been the transfer.
  Task<void> check_again(uint32_t slot, Block block);
  void found_good(uint32_t slot, Block block);
  void found_bad(uint32_t slot, Block block, bool readable);
  bool heal_due() const;
  Task<void> heal_all();
  Task<void> pace(uint64_t bytes);
  uint64_t pass_rate() const;

  LogWriter& writer_;
  BlockMap& map_;
  ColdIndexes& indexes_;
  Store::Healer healer_;
  std::deque<BadBlock> damaged_;  // for the healer
  uint64_t next_heal_ns_ = 0;     // not earlier
  AlignedBuffer buffer_;
  uint64_t interval_ns_ = 0;   // 0: no pass begins by itself
  uint64_t next_pass_ns_ = 0;  // when the next one begins by itself
  uint64_t wanted_rate_ = 0;   // bytes per second of a pass that was asked for; 0: of its own
  uint64_t next_read_ns_ = 0;  // not earlier
  uint32_t next_slot_ = 0;
  uint32_t unreadable_in_row_ = 0;
  uint32_t slots_left_ = 0;  // in this pass; 0: none is under way
  bool stopping_ = false;
  ScrubStats stats_;
  WaitList wake_;
  TaskGroup tasks_;
};

}  // namespace varve
