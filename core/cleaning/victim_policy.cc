#include "core/cleaning/victim_policy.h"

namespace varve {
namespace {

constexpr uint32_t kMarksPerBlock = 64;
// Cleaning ahead of need is not worth it above this share of live blocks.
constexpr double kIdleLiveMax = 0.9;

double score(double live_share, double age, bool urgent) {
  if (urgent) return 1 - live_share;
  return (1 - live_share) * age / (1 + live_share);
}

}  // namespace

uint32_t moved_blocks(const Slot& slot) {
  return slot.live_blocks + (slot.live_marks + kMarksPerBlock - 1) / kMarksPerBlock;
}

std::optional<uint32_t> choose_victim(const SlotTable& slots, const VictimQuery& query) {
  std::optional<uint32_t> best;
  double best_score = 0;
  for (uint32_t index = 0; index < slots.count(); ++index) {
    const Slot& slot = slots.at(index);
    if (slot.state != SlotState::kSealed || slot.uncleanable) continue;
    const uint32_t live = moved_blocks(slot);
    if (live >= query.dense_blocks) continue;
    const double live_share = static_cast<double>(live) / query.dense_blocks;
    if (!query.urgent && live_share > kIdleLiveMax) continue;
    const double age = static_cast<double>(query.now - slot.generation);
    const double slot_score = score(live_share, age, query.urgent);
    if (!best || slot_score > best_score) {
      best = index;
      best_score = slot_score;
    }
  }
  return best;
}

}  // namespace varve
