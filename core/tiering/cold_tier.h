// ColdTier: the HDDs of a disk group. Writes always land on the SSD; when that fills up, what is
// cold sinks to the HDDs, so that the SSD stays empty enough for its cleaning to be cheap.
//
// One task does everything, one slot of an HDD at a time: it lets blocks sink, packs slots of HDDs
// that are partly dead, and makes empty ones free by erasing their indexes. What is overwritten
// lands on the SSD by itself.
//
// Thread rule: one shard's thread. Everything passed in is borrowed.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "core/log/log_writer.h"
#include "core/map/block_map.h"
#include "core/tiering/cold_indexes.h"
#include "core/tiering/demotion_policy.h"
#include "core/tiering/sinker.h"

namespace varve {

struct TieringStats {
  uint64_t demoted_blocks = 0;  // SSD to HDD
  uint64_t packed_blocks = 0;   // HDD to HDD
};

class ColdTier {
 public:
  // `sunk` is called whenever the SSD may have got room.
  ColdTier(LogWriter& writer, BlockMap& map, std::function<void()> sunk);
  ~ColdTier();

  ColdIndexes& indexes() { return indexes_; }
  const ColdIndexes& indexes() const { return indexes_; }

  // The slots of all HDDs are in the geometry, the slot table and the map, and the log was
  // replayed: takes the indexes into account. `take` gets the content of each slot. kDamaged.
  Task<Status> load(std::function<void(uint32_t slot, const ColdIndex&)> take);
  // The slots of an HDD that was added just now: nothing of theirs is in force.
  void add_free(uint32_t first, uint32_t count);

  // Says whether a volume's blocks are to stay on the SSD, unless writers wait for room that
  // nothing else can make.
  void set_keeps(std::function<bool(VolumeId)> keeps) { keeps_ = std::move(keeps); }
  // It says otherwise now.
  void keeps_changed();

  void start();
  // Ends when nothing is on its way; nothing begins afterwards.
  Task<void> stop();

  // Blocks of the SSD above which sinking begins, and down to which it goes on.
  void set_hot_limits(uint64_t low_blocks, uint64_t high_blocks);
  uint32_t free_count() const { return static_cast<uint32_t>(free_.size()); }
  // Whether the SSD is full enough that blocks sink, as far as HDDs have room.
  bool sinking() const { return sinking_; }
  // Writing to this slot of an HDD failed.
  std::optional<uint32_t> failed_slot() const { return failed_slot_; }
  const TieringStats& stats() const { return stats_; }

 private:
  enum class Did : uint8_t { kNothing, kSomething, kInVain };

  Task<void> run();
  Task<Did> step();
  // Empty slots become free, as far as the log has room for it.
  Task<void> retire_empty();
  Task<Status> retire(uint32_t slot);
  void add_packing(std::vector<uint32_t>& victims) const;
  Task<Status> move(std::vector<uint32_t> victims);
  Task<Status> publish(uint32_t target, const Sinker::Content& content);
  // What failed its checksums goes on as marks that say so: its slot can become empty.
  Task<Status> mark_damaged(const std::vector<ColdMove>& bad);
  Task<Status> collect_all(const std::vector<uint32_t>& victims, std::vector<ColdMove>& moves);
  // Whether what was copied is worth being published.
  bool wins(const std::vector<uint32_t>& victims, const Sinker::Content& content) const;
  // A slot to write to: no index of it is in force, and nobody reads from it.
  std::optional<uint32_t> take_free();
  // `kept_blocks`: what is live, too, but is to stay.
  Task<Status> collect(uint32_t victim, std::vector<ColdMove>& moves, uint64_t& kept_blocks);
  void collect_entry(uint32_t victim, const Entry& entry, const uint32_t* crcs,
                     std::vector<ColdMove>& moves, uint64_t& kept_blocks) const;
  bool may_sink(const Entry& entry) const;
  Task<void> load_slot(uint32_t slot, const std::function<void(uint32_t, const ColdIndex&)>* take,
                       Status* status);
  // Whether the SSD has no slot left for writers.
  bool urgent() const;
  // With `kept_too` what is to stay on the SSD, as well.
  std::vector<uint32_t> choose_demotion(bool kept_too) const;
  // Whether writers wait for room that nothing else can make.
  bool stuck() const;
  // LogWriter's question, once the cleaner is at its end: will blocks sink all the same?
  bool relief() const;

  LogWriter& writer_;
  BlockMap& map_;
  const std::function<void()> sunk_;
  std::function<bool(VolumeId)> keeps_;
  ColdIndexes indexes_;
  Sinker sinker_;
  std::deque<uint32_t> free_;   // no index of theirs is in force
  std::deque<uint32_t> empty_;  // nothing in them is live, but their indexes are still there
  uint64_t low_blocks_ = 0;
  uint64_t high_blocks_ = 0;
  bool sinking_ = false;           // between the two limits: on the way down
  bool busy_ = false;              // in a step
  bool keeping_ = true;            // in this step, what is to stay on the SSD stays
  bool kept_back_ = false;         // the last step left blocks where they are to stay
  bool vain_ = false;              // the last step won nothing: no relief is promised
  mutable bool promised_ = false;  // relief() said yes: who waits is woken when that is over
  bool stopping_ = false;
  std::optional<uint32_t> failed_slot_;
  TieringStats stats_;
  TaskGroup tasks_;
};

}  // namespace varve
