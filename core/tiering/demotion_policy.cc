#include "core/tiering/demotion_policy.h"

#include <algorithm>
#include <tuple>

namespace varve {
namespace {

// A slot is in use for reading when as many of its blocks were read lately: one of eight.
constexpr uint32_t kReadShare = 8;
// Packing is not worth it above this share of live blocks.
constexpr uint32_t kPackLivePercent = 90;

bool sinks(const Slot& slot, const DemotionQuery& query) {
  if (slot.state != SlotState::kSealed || slot.uncleanable || slot.cleaning || slot.barren ||
      slot.healing)
    return false;
  if (slot.live_blocks == 0 || (slot.kept && !query.kept_too)) return false;
  return query.urgent || slot.live_blocks * 2 >= query.dense_blocks;
}

auto warmth(const Slot& slot) {
  const bool read = uint64_t{slot.heat} * kReadShare > slot.live_blocks;
  return std::tuple(read, -int{slot.moves}, slot.generation);
}

// The first of `candidates` that have `wanted_blocks` together.
void keep_first(const SlotTable& slots, uint64_t wanted_blocks, std::vector<uint32_t>& candidates) {
  uint64_t blocks = 0;
  size_t count = 0;
  while (count < candidates.size() && blocks < wanted_blocks)
    blocks += slots.at(candidates[count++]).live_blocks;
  candidates.resize(count);
}

}  // namespace

std::vector<uint32_t> choose_sinking(const SlotTable& slots, const DemotionQuery& query) {
  std::vector<uint32_t> chosen;
  for (uint32_t slot = 0; slot < slots.hot_count(); ++slot)
    if (sinks(slots.at(slot), query)) chosen.push_back(slot);
  std::sort(chosen.begin(), chosen.end(),
            [&](uint32_t a, uint32_t b) { return warmth(slots.at(a)) < warmth(slots.at(b)); });
  keep_first(slots, query.wanted_blocks, chosen);
  return chosen;
}

std::vector<uint32_t> choose_packing(const SlotTable& slots, uint32_t data_blocks) {
  std::vector<uint32_t> chosen;
  for (uint32_t slot = slots.hot_count(); slot < slots.count(); ++slot) {
    const Slot& held = slots.at(slot);
    if (held.state != SlotState::kSealed || held.live_blocks == 0 || held.uncleanable ||
        held.healing)
      continue;
    if (held.live_blocks * 100ull < data_blocks * uint64_t{kPackLivePercent})
      chosen.push_back(slot);
  }
  std::sort(chosen.begin(), chosen.end(), [&](uint32_t a, uint32_t b) {
    return slots.at(a).live_blocks < slots.at(b).live_blocks;
  });
  keep_first(slots, data_blocks, chosen);
  // One alone would only change places.
  if (chosen.size() < 2) chosen.clear();
  return chosen;
}

}  // namespace varve
