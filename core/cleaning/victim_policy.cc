#include "core/cleaning/victim_policy.h"

#include <algorithm>
#include <cmath>

namespace varve {
namespace {

// Cleaning ahead of need is not worth it above this share of live blocks.
constexpr uint32_t kIdleLivePercent = 90;

double score(double live_share, double age, bool most) {
  if (most) return 1 - live_share;
  return (1 - live_share) * std::sqrt(age) / (1 + live_share);
}

}  // namespace

uint32_t victim_limit_blocks(const VictimQuery& query) {
  if (query.urgent) return query.dense_blocks;
  return std::min(query.dense_blocks, query.dense_blocks * kIdleLivePercent / 100 + 1);
}

std::optional<uint32_t> choose_victim(const SlotTable& slots, const VictimQuery& query) {
  std::optional<uint32_t> best;
  double best_score = 0;
  const uint32_t limit = victim_limit_blocks(query);
  for (uint32_t index = 0; index < slots.hot_count(); ++index) {
    const Slot& slot = slots.at(index);
    if (slot.state != SlotState::kSealed || slot.uncleanable || slot.sinking || slot.healing)
      continue;
    if (slot.moved_blocks() >= limit) continue;
    const double live_share = static_cast<double>(slot.moved_blocks()) / query.dense_blocks;
    const double age = static_cast<double>(query.now - slot.generation);
    const double slot_score = score(live_share, age, query.short_of_reserve);
    if (!best || slot_score > best_score) {
      best = index;
      best_score = slot_score;
    }
  }
  return best;
}

}  // namespace varve
