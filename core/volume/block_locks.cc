#include "core/volume/block_locks.h"

#include <iterator>

#include "core/base/check.h"

namespace varve {

BlockLocks::Hold::Hold(BlockLocks& locks, BlockRange range, Mode mode)
    : locks_(locks), range_(range), mode_(mode) {
  locks_.add(*this);
}

BlockLocks::Hold::~Hold() {
  VARVE_CHECK(blocker_count_ == 0);
  locks_.remove(*this);
}

bool BlockLocks::Hold::conflicts_with(const Hold& other) const {
  const bool overlap = range_.first < other.range_.end() && other.range_.first < range_.end();
  return overlap && (mode_ == Mode::kExclusive || other.mode_ == Mode::kExclusive);
}

BlockLocks::~BlockLocks() {
  VARVE_CHECK(holds_.empty());
}

void BlockLocks::add(Hold& hold) {
  if (hold.mode_ == Mode::kExclusive) ++exclusive_count_;
  if (exclusive_count_ > 0)
    for (const Hold& earlier : holds_)
      if (hold.conflicts_with(earlier)) ++hold.blocker_count_;
  if (hold.blocker_count_ > 0) ++blocked_count_;
  holds_.push_back(hold);
}

void BlockLocks::remove(Hold& hold) {
  auto later = holds_.erase(holds_.iterator_to(hold));
  for (; blocked_count_ > 0 && later != holds_.end(); ++later) {
    if (!later->conflicts_with(hold)) continue;
    if (--later->blocker_count_ > 0) continue;
    --blocked_count_;
    ready_.push(later->waiter_);
  }
  if (hold.mode_ == Mode::kExclusive) --exclusive_count_;
}

}  // namespace varve
