// Cleaner: wins slots back by moving what is still live in them to the end of the log.
//
// It works when free slots run low, one victim at a time. Moved blocks keep their sequence numbers
// and go to a stream of their own, apart from what users write. The victim becomes free by itself
// when the last block in it is published elsewhere, which is after it is durable there.
//
// Thread rule: one shard's thread. Ownership: writer and map are borrowed.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/log/log_writer.h"
#include "core/map/block_map.h"

namespace varve {

struct CleaningStats {
  uint64_t segments_cleaned = 0;
  uint64_t relocated_blocks = 0;
};

class Cleaner {
 public:
  Cleaner(LogWriter& writer, BlockMap& map);
  ~Cleaner();

  void start();
  // Ends when no cleaning is under way; none begins afterwards.
  Task<void> stop();
  const CleaningStats& stats() const { return stats_; }

 private:
  // Part of a victim that is moved at once: the live runs within a window of its slot.
  struct Window {
    std::vector<Append> moves;
    uint32_t first_position = 0;
    uint32_t end_position = 0;  // equal to first_position: nothing to read
  };

  Task<void> run();
  // From the first victim until there is nothing to do.
  void set_reclaiming(bool works);
  // Free slots, beside the read cache's share, that it begins below or, when it works, ends at.
  uint32_t enough_slots(bool working) const;
  // The victim is not reused before its cleaning has ended.
  Task<Status> clean_pinned(uint32_t victim);
  Task<Status> clean(uint32_t victim);
  // Collects live runs from `entry_index` on; advances it and `crc_index` past what was taken.
  Window collect(uint32_t victim, const Footer& footer, size_t& entry_index, size_t& crc_index,
                 const DataSequences& forget_below);
  void collect_entry(Window& window, uint32_t victim, const Entry& entry, const uint32_t* crcs,
                     const DataSequences& forget_below);
  void add_move(Window& window, uint32_t victim, const Entry& entry, uint32_t first, uint32_t count,
                const uint32_t* crcs);
  Task<Status> move(uint32_t victim, Window window);
  // The more often a block was moved, the longer it will live: each move takes it one stream on. A
  // victim goes to one stream, so that cleaning it takes at most the one slot that it gives back.
  LogStream& stream_for(uint32_t victim) const;
  static void check_move(const Append& move, std::vector<Append>& checked);
  // Reads and checks what the window's moves are to carry. What the device cannot read is left out
  // and stays where it is: another attempt, later, may succeed.
  Task<void> read_window(uint32_t victim, Window& window, AlignedBuffer& buffer);
  Task<void> read_singly(uint32_t victim, Window& window, AlignedBuffer& buffer);

  LogWriter& writer_;
  BlockMap& map_;
  CleaningStats stats_;
  uint64_t piece_began_ns_ = 0;  // the last window; 0: none since it rested
  bool stopping_ = false;
  TaskGroup tasks_;
};

}  // namespace varve
