// SpacePacer: how fast users may write while space is being reclaimed, and how hard that works. As
// room becomes less users become slower, until they take no more than what is reclaimed; they are
// not stopped and let go.
//
// Room is what users can still write, with what is on its way to become free counted as far as it
// has come, so that it changes by and by, too. Who reclaims rests the longer the more room there
// is. Users may write what was reclaimed in the mean of the last half second, or would have been
// without rests, and what is above the range's low end within a second; so room settles there while
// they want more than is reclaimed.
//
// Thread rule: one shard's thread. Ownership: borrows the clock. Units: blocks, nanoseconds.
#pragma once

#include <cstdint>

#include "core/runtime/clock.h"

namespace varve {

// Room in which users become slower: above `high` they write as fast as they can, and at `low` no
// more than what is reclaimed.
struct RoomRange {
  int64_t low = 0;
  int64_t high = 0;
};

enum class Reclaimer : uint8_t {
  kCleaner,  // rests as rest_ns() says
  kTier,     // goes as fast as HDDs do
};

class SpacePacer {
 public:
  explicit SpacePacer(const Clock& clock) : clock_(clock) {}

  // Whether it reclaims space now. While nobody does users have no limit: nothing would be gained.
  void set_reclaiming(Reclaimer who, bool works);
  bool reclaiming() const { return cleaner_works_ || tier_works_; }

  // How long the next batch has to wait; then it is asked again. 0: not at all.
  uint64_t wait_ns(int64_t room, RoomRange range);
  // A batch has taken as much.
  void took(uint32_t blocks);

  // How long who reclaims space rests after a piece of work that took as long.
  static uint64_t rest_ns(uint64_t worked_ns, int64_t room, RoomRange range);

 private:
  // Of its time, that the cleaner works.
  static double work_share(int64_t room, RoomRange range);
  void learn(uint64_t now_ns, int64_t room, RoomRange range);
  double rate(int64_t above_low) const;  // blocks per ns

  const Clock& clock_;
  bool cleaner_works_ = false;
  bool tier_works_ = false;
  uint64_t ended_ns_ = 0;        // since then nobody reclaims
  double allowance_ = 0;         // blocks; negative: taken in advance
  uint64_t allowed_ns_ = 0;      // allowance_ is as of then
  double reclaimed_per_ns_ = 0;  // blocks, in the mean, as if the cleaner did not rest
  bool measured_ = false;        // that mean
  // The sample that is being taken: when it began, the room then, and what users took since.
  uint64_t sampled_ns_ = 0;
  int64_t sampled_room_ = 0;
  uint64_t taken_blocks_ = 0;
};

}  // namespace varve
