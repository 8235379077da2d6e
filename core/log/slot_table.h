// SlotTable: what each slot of the devices holds now. In memory only; rebuilt by recovery. The
// slots of the SSD come first, those of HDDs behind them.
//
// A slot is free, open (a stream writes to it), sealing (full, its footer is on the way), or
// sealed. The map counts live blocks into it; readers pin slots so that none is reused under a
// read.
//
// Invariant 5: a slot becomes free only when nothing in it is live, and is handed out again only
// when nobody reads from it. Of an HDD's slot the index must be gone as well: such a slot is empty,
// until somebody has seen to that.
//
// Free slots may be lent to the read cache (core/tiering), which keeps what nobody needs in them.
// They stay free: a stream takes one at any moment, though those that are not lent first.
//
// Thread rule: one shard's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/ids.h"
#include "core/format/cold_index.h"
#include "core/format/segment_header.h"
#include "core/runtime/wait_list.h"

namespace varve {

enum class SlotState : uint8_t { kFree, kOpen, kSealing, kSealed };

inline constexpr Sequence kNoSequence = std::numeric_limits<Sequence>::max();

// Trim and damage marks share blocks when they are moved; 64 of them take at most one.
inline constexpr uint32_t kMarksPerBlock = 64;

// The lowest numbers of some entries of data, or of marks that it is damaged: what a trim hides.
// kIndexVolume counts on its own.
struct DataSequences {
  Sequence volumes = kNoSequence;
  Sequence indexes = kNoSequence;

  Sequence of(VolumeId volume) const { return volume == kIndexVolume ? indexes : volumes; }
  void add(const Entry& entry) {
    if (entry.op != EntryOp::kData && entry.op != EntryOp::kDamaged) return;
    Sequence& lowest = VolumeId{entry.volume} == kIndexVolume ? indexes : volumes;
    lowest = std::min(lowest, entry.sequence);
  }
  void add(const DataSequences& other) {
    volumes = std::min(volumes, other.volumes);
    indexes = std::min(indexes, other.indexes);
  }
};

struct Slot {
  SlotState state = SlotState::kFree;
  StreamKind stream = StreamKind::kFree;
  bool uncleanable = false;  // the device cannot read all of it: kept until nothing in it is live
  bool sinking = false;      // its blocks are being copied to an HDD: not for the cleaner
  bool cleaning = false;     // the cleaner is at it: nothing of it sinks
  bool healing = false;      // bytes of it are being put right: it is neither cleaned nor sunk
  bool lent = false;         // free, and the read cache's until a stream takes it
  bool barren = false;       // most of what is live in it may not sink to an HDD
  bool kept = false;         // the same, because of its volumes' tiers
  uint8_t moves = 0;         // relocated: as the segment header says
  uint32_t generation = 0;   // the opening that wrote what lies here; also its age
  uint32_t live_blocks = 0;  // data blocks that the map points at
  uint32_t live_marks = 0;   // blocks whose trim or damage mark stands here
  uint32_t pins = 0;         // readers
  uint32_t heat = 0;         // blocks read lately, in no exact sense
  uint32_t reclaimed_blocks = 0;  // set_reclaimed()
  // Lowest sequences of the data entries whose bytes lie here, also after the slot was freed: until
  // it is reused, recovery would still find them.
  DataSequences data_sequences;

  // What its live content takes when it is moved.
  uint32_t moved_blocks() const {
    return live_blocks + (live_marks + kMarksPerBlock - 1) / kMarksPerBlock;
  }
  // Of one write that lies in both, whether this slot holds the copy and `other` what it was copied
  // from, whose slot may have been given to others. A relocated segment may be older than what was
  // cleaned into it: cleaning moves to where blocks were moved more often, and in the last of these
  // streams, as in an only one, to a later segment.
  bool copied_from(const Slot& other) const;
};

class SlotTable {
 public:
  // `hot_count`: slots of the SSD.
  SlotTable(uint32_t hot_count, RunQueue& ready)
      : hot_count_(hot_count), slots_(hot_count), freed_(ready), changed_(ready) {}
  // Slots of one more HDD.
  void add_cold(uint32_t count) { slots_.resize(slots_.size() + count); }

  uint32_t count() const { return static_cast<uint32_t>(slots_.size()); }
  uint32_t hot_count() const { return hot_count_; }
  Slot& at(uint32_t slot) { return slots_[slot]; }
  const Slot& at(uint32_t slot) const { return slots_[slot]; }

  // What is live in this slot of the SSD is being moved away, which has made as much room so far
  // as if the slot became free bit by bit. 0: that has ended.
  void set_reclaimed(uint32_t slot, uint32_t blocks);
  uint64_t reclaimed_blocks() const { return reclaimed_blocks_; }

  // Of the SSD.
  uint32_t free_count() const { return static_cast<uint32_t>(free_.size()); }
  uint64_t hot_live_blocks() const { return hot_live_blocks_; }
  // The slot freed longest ago that nobody reads from; it becomes open. Nothing if there is none.
  std::optional<uint32_t> acquire(StreamKind stream, uint8_t moves = 0);
  // The read cache's from now on: the slot freed longest ago that nobody reads from, with a number
  // below `end`. Its header must be written before anything else of it. Nothing if none is to
  // spare.
  std::optional<uint32_t> lend(uint32_t end);
  // The read cache does not need it any more.
  void take_back(uint32_t slot);
  uint32_t lent_count() const { return lent_count_; }
  // Whether lend() may find one. What it leaves is the cleaner's reserve, `floor`, and, beyond the
  // read cache's share, as much as that for the next writes.
  bool may_lend(uint32_t floor) const {
    const uint32_t left = floor + 1 + (lent_count_ < cache_share() ? 0 : cache_share_);
    return cache_share_ > 0 && lent_count_ < hot_count_ / 2 && free_count() > lent_count_ + left;
  }
  // Told of each lent slot that a stream takes.
  void set_lent_taken(std::function<void(uint32_t)> taken) { lent_taken_ = std::move(taken); }
  // Free slots that cleaning keeps for the read cache, while not more than `live_max` blocks of the
  // SSD are live.
  void set_cache_share(uint32_t slots, uint64_t live_max) {
    cache_share_ = slots;
    cache_live_max_ = live_max;
  }
  uint32_t cache_share() const { return hot_live_blocks_ <= cache_live_max_ ? cache_share_ : 0; }
  // REQUIRES nothing live in it. A slot of an HDD becomes empty.
  void release(uint32_t slot);
  // An HDD's slot is written to from now on. REQUIRES it to be free, and its index gone.
  void open_cold(uint32_t slot);
  // Slots of HDDs in which nothing is live any more, each told once.
  std::vector<uint32_t> take_empty_cold() { return std::exchange(empty_cold_, {}); }
  // The footer is durable. A slot in which nothing is live becomes free at once.
  void set_sealed(uint32_t slot);

  void add_live(uint32_t slot, uint32_t blocks, uint32_t marks);
  // A sealed slot in which nothing is live any more becomes free.
  void drop_live(uint32_t slot, uint32_t blocks, uint32_t marks);

  void pin(uint32_t slot) { ++slots_[slot].pins; }
  void unpin(uint32_t slot);

  // Woken when a slot may have become free.
  WaitList& freed() { return freed_; }
  // Woken when the cleaner should look again: a slot was taken, sealed, or is wanted.
  WaitList& changed() { return changed_; }
  // changed() is also woken when a sealed slot's moved_blocks() falls below this. 0: never.
  void set_wanted_below(uint32_t blocks) { wanted_below_blocks_ = blocks; }

  // The next opening's number.
  uint32_t next_generation() const { return next_generation_; }
  void set_next_generation(uint32_t next) { next_generation_ = next; }
  bool any_sealing() const;

  // The lowest numbers in any slot but `except`, freed ones included.
  DataSequences data_sequences(uint32_t except) const;
  // The same for each slot.
  std::vector<DataSequences> data_sequences_of_others() const;

 private:
  const uint32_t hot_count_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> empty_cold_;
  uint64_t hot_live_blocks_ = 0;
  uint64_t reclaimed_blocks_ = 0;
  std::deque<uint32_t> free_;
  WaitList freed_;
  WaitList changed_;
  uint32_t wanted_below_blocks_ = 0;
  uint32_t lent_count_ = 0;
  uint32_t cache_share_ = 0;
  uint64_t cache_live_max_ = 0;
  std::function<void(uint32_t)> lent_taken_;
  uint32_t next_generation_ = 1;
};

}  // namespace varve
