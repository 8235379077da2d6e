#include "tests/sim/seed_plan.h"

#include "core/base/text.h"
#include "core/base/units.h"
#include "core/log/geometry.h"
#include "core/runtime/random.h"

namespace varve {

uint64_t mix_seed(uint64_t seed, uint64_t a, uint64_t b) {
  Random random(seed ^ (a * 0x9e3779b97f4a7c15) ^ (b * 0xd1b54a32d192ed03));
  random.next();
  return random.next();
}

SeedPlan draw_plan(uint64_t seed) {
  Random random(mix_seed(seed, 1));
  const auto between = [&](uint32_t low, uint32_t high) {
    return low + static_cast<uint32_t>(random.below(high - low + 1));
  };
  SeedPlan plan;
  plan.segment_bytes = random.chance(3, 4) ? 64 * 1024 : 128 * 1024;
  plan.slot_count = plan.segment_bytes == 64 * 1024 ? between(14, 40) : between(12, 20);
  plan.batches_in_flight_max = between(1, 3);
  plan.queue_depth = random.chance(1, 4) ? 1 : between(2, 16);
  plan.volume_count = between(1, 3);
  plan.fill_percent = random.chance(1, 5) ? between(90, 125) : between(15, 90);
  plan.life_count = between(1, 3);
  plan.ops_per_life = between(150, 500);
  plan.crash_points_per_life = between(10, 28);
  if (random.chance(1, 6)) {  // crash after crash: what each recovery leaves behind adds up
    plan.life_count = between(5, 12);
    plan.ops_per_life = between(10, 80);
    plan.crash_points_per_life = between(3, 10);
  }

  plan.write_blocks_max = between(1, 8);
  plan.fixed_size = random.chance(1, 3);
  plan.large_per_mille = random.chance(1, 3) ? between(1, 80) : 0;
  plan.hot_per_mille = random.chance(1, 2) ? between(300, 950) : 0;
  plan.sequential = random.chance(1, 5);
  plan.write_weight = 100;
  plan.read_weight = between(5, 80);
  plan.trim_weight = random.chance(3, 4) ? between(1, 50) : 0;
  plan.status_weight = between(1, 20);
  plan.volume_weight = random.chance(1, 2) ? between(1, 6) : 0;
  plan.close_percent = between(0, 100);
  plan.damage_percent = random.chance(2, 3) ? between(5, 40) : 0;
  plan.recovery_crash_percent = random.chance(2, 3) ? between(5, 50) : 0;
  plan.device_error_percent = random.chance(1, 4) ? between(10, 60) : 0;

  plan.device.delay_min_ns = between(1, 20) * 1000;
  plan.device.delay_spread_ns = random.chance(1, 4) ? 0 : between(1, 200) * 1000;
  plan.device.slow_per_mille = random.chance(1, 2) ? between(1, 100) : 0;
  plan.device.discard_zeroes_per_mille = random.chance(1, 2) ? 0 : between(1, 1000);
  plan.device.durable_history_max = 64;

  plan.view_weight = random.chance(1, 2) ? between(1, 25) : 0;
  plan.keep_moves_apart = plan.slot_count >= 16 && random.chance(1, 2);
  plan.cold_slot_count = random.chance(1, 2) ? between(4, 9) : 0;
  plan.scrub_weight = random.chance(1, 3) ? 1 : 0;
  plan.tier_weight = plan.cold_slot_count > 0 && random.chance(1, 3) ? between(1, 5) : 0;
  return plan;
}

uint64_t SeedPlan::ssd_bytes() const {
  return 3 * kSuperblockSpacing + uint64_t{slot_count} * segment_bytes;
}

uint64_t SeedPlan::device_bytes() const {
  if (cold_slot_count == 0) return ssd_bytes();
  const uint64_t cold_segment_bytes = uint64_t{kColdSegmentFactor} * segment_bytes;
  return ssd_bytes() + kSuperblockSpacing + (uint64_t{cold_slot_count} + 1) * cold_segment_bytes;
}

std::string SeedPlan::text() const {
  return varve::text(
      "segments of ", segment_bytes / 1024, " KiB in ", slot_count, " slots, ", cold_slot_count,
      " of an HDD, ", batches_in_flight_max, " batches in flight, depth ", queue_depth, ", ",
      volume_count, " volumes filled to ", fill_percent, " %, ", life_count, " lives of ",
      ops_per_life, " ops, writes up to ", write_blocks_max, " blocks, views ", view_weight,
      keep_moves_apart ? ", moves apart" : "", tier_weight > 0 ? ", tiers" : "");
}

}  // namespace varve
