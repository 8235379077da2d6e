#include "core/log/space_pacer.h"

#include <algorithm>

#include "core/runtime/timer_queue.h"

namespace varve {
namespace {

constexpr uint64_t kSampleNs = 20 * kMillisecond;
// A sample that took longer says nothing: nobody wrote.
constexpr uint64_t kSampleMaxNs = 1000 * kMillisecond;
constexpr double kMeanNs = 500.0 * kMillisecond;
// What is above the low end is given away in as long.
constexpr double kSettleNs = 1000.0 * kMillisecond;
// Below the low end users still get some of what is reclaimed,
constexpr double kUserShareMin = 0.2;
// and a little in any case: trims make room, too.
constexpr double kRateMin = 100 / 1e9;
constexpr uint64_t kWaitMaxNs = 5 * kMillisecond;
// What may be saved up while nobody writes.
constexpr double kSavedNs = 2.0 * kMillisecond;

constexpr double kReclaimShareMin = 0.1;
constexpr uint64_t kRestMaxNs = 100 * kMillisecond;

}  // namespace

void SpacePacer::set_reclaiming(Reclaimer who, bool works) {
  const bool before = reclaiming();
  (who == Reclaimer::kCleaner ? cleaner_works_ : tier_works_) = works;
  const uint64_t now_ns = clock_.monotonic_ns();
  if (before && !reclaiming()) ended_ns_ = now_ns;
  // A pause is no part of a sample, and nobody owes what was taken in it: there was no limit. One
  // between two pieces of work takes no time.
  if (before || !reclaiming() || now_ns == ended_ns_) return;
  sampled_ns_ = 0;
  allowance_ = 0;
  allowed_ns_ = now_ns;
}

double SpacePacer::work_share(int64_t room, RoomRange range) {
  const double width = static_cast<double>(std::max<int64_t>(range.high - range.low, 1));
  return std::clamp(static_cast<double>(range.high - room) / width, kReclaimShareMin, 1.0);
}

void SpacePacer::learn(uint64_t now_ns, int64_t room, RoomRange range) {
  const uint64_t took_ns = now_ns - sampled_ns_;
  if (took_ns < kSampleNs) return;
  if (took_ns <= kSampleMaxNs) {
    const int64_t reclaimed = room - sampled_room_ + static_cast<int64_t>(taken_blocks_);
    const double share = tier_works_ ? 1 : work_share(room, range);
    const double per_ns =
        std::max(0.0, static_cast<double>(reclaimed) / static_cast<double>(took_ns)) / share;
    const double weight = measured_ ? std::min(1.0, static_cast<double>(took_ns) / kMeanNs) : 1.0;
    reclaimed_per_ns_ += (per_ns - reclaimed_per_ns_) * weight;
    measured_ = true;
  }
  sampled_ns_ = now_ns;
  sampled_room_ = room;
  taken_blocks_ = 0;
}

double SpacePacer::rate(int64_t above_low) const {
  const double given = static_cast<double>(above_low) / kSettleNs;
  return std::max({reclaimed_per_ns_ + given, reclaimed_per_ns_ * kUserShareMin, kRateMin});
}

uint64_t SpacePacer::wait_ns(int64_t room, RoomRange range) {
  const uint64_t now_ns = clock_.monotonic_ns();
  learn(now_ns, room, range);
  const uint64_t since_ns = now_ns - allowed_ns_;
  allowed_ns_ = now_ns;
  if (!reclaiming() || room >= range.high || !measured_) {
    allowance_ = 0;
    return 0;
  }
  const double per_ns = rate(room - range.low);
  allowance_ = std::min(allowance_ + per_ns * static_cast<double>(since_ns), per_ns * kSavedNs);
  if (allowance_ >= 0) return 0;
  return static_cast<uint64_t>(
      std::clamp(-allowance_ / per_ns, 1.0, static_cast<double>(kWaitMaxNs)));
}

uint64_t SpacePacer::rest_ns(uint64_t worked_ns, int64_t room, RoomRange range) {
  const double rest = static_cast<double>(worked_ns) * (1 / work_share(room, range) - 1);
  return static_cast<uint64_t>(std::min(rest, static_cast<double>(kRestMaxNs)));
}

void SpacePacer::took(uint32_t blocks) {
  allowance_ -= blocks;
  taken_blocks_ += blocks;
}

}  // namespace varve
