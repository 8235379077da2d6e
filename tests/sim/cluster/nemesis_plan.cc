#include "tests/sim/cluster/nemesis_plan.h"

#include "core/base/text.h"
#include "core/runtime/random.h"

namespace varve {

const char* fault_class_name(FaultClass fault) {
  static constexpr const char* kNames[kFaultClassCount] = {
      "kill",         "power-cut", "all-power-cut", "crash-loop",   "pause",      "partition",
      "one-way",      "break",     "late",          "stall",        "busy",       "buffers",
      "connect-fail", "linger",    "clock-rate",    "slow-device",  "md-unknown", "md-unavailable",
      "md-slow",      "md-stale",  "watch-lost",    "md-partition", "migrate",    "hand-over",
  };
  return kNames[static_cast<size_t>(fault)];
}

NemesisPlan draw_nemesis_plan(uint64_t seed) {
  Random random(seed ^ 0x3b9f02ce7d61a854);
  const auto between = [&](uint64_t low, uint64_t high) {
    return low + random.below(high - low + 1);
  };
  NemesisPlan plan;
  plan.node_count = static_cast<uint32_t>(random.chance(2, 3) ? 3 : between(4, 5));
  plan.volume_count = static_cast<uint32_t>(random.chance(1, 2) ? 1 : between(2, 3));
  plan.volume_blocks = static_cast<uint32_t>(random.chance(1, 3) ? between(1, 3) : between(4, 32));
  plan.depth = static_cast<uint32_t>(random.chance(1, 4) ? 1 : between(2, 8));
  plan.op_blocks_max = static_cast<uint32_t>(random.chance(1, 2) ? 1 : between(2, 4));
  plan.read_percent = static_cast<uint32_t>(between(20, 70));
  plan.trim_percent = static_cast<uint32_t>(random.chance(1, 3) ? 0 : between(1, 25));
  plan.think_max_ns = between(1, 100) * kMillisecond;
  plan.safety_ns = between(5, 30) * 1000 * kMillisecond;
  // Many faults at once hide what a few do to a cluster that works otherwise.
  const uint64_t on_percent = random.chance(1, 4) ? 15 : 60;
  for (uint32_t& strength : plan.strength) {
    const bool on = random.chance(on_percent, 100);
    const auto drawn = static_cast<uint32_t>(between(1, 1000));
    strength = on ? drawn : 0;
  }
  plan.snapshots = Random(seed ^ 0x61c8864680b583eb).chance(1, 2);
  plan.tiers = seed % 8 == 6;  // none of those in cluster_mutants.txt: they go on as before
  return plan;
}

SimNetworkOptions NemesisPlan::network() const {
  SimNetworkOptions options;
  options.late_per_mille = of(FaultClass::kLate) / 20;
  options.break_per_100k = of(FaultClass::kBreak) / 4;
  options.stall_per_100k = of(FaultClass::kStall) / 4;
  options.busy_per_mille = of(FaultClass::kBusy) / 10;
  options.buffers_missing_per_mille = of(FaultClass::kBuffersMissing) / 10;
  options.linger_per_mille = of(FaultClass::kLinger);
  options.connect_fail_per_mille = of(FaultClass::kConnectFail) / 4;
  return options;
}

SimMetadataOptions NemesisPlan::metadata() const {
  SimMetadataOptions options;
  options.unknown_per_mille = of(FaultClass::kMetadataUnknown) / 3;
  options.unavailable_per_mille = of(FaultClass::kMetadataUnavailable) / 4;
  options.slow_per_mille = of(FaultClass::kMetadataSlow) / 4;
  options.stale_per_mille = of(FaultClass::kMetadataStale) / 3;
  options.watch_lost_per_mille = of(FaultClass::kWatchLost) / 2;
  return options;
}

SimDeviceOptions NemesisPlan::device() const {
  SimDeviceOptions options;
  options.slow_per_mille = of(FaultClass::kSlowDevice) / 20;
  return options;
}

std::string NemesisPlan::text() const {
  std::string out =
      varve::text(node_count, " nodes, ", volume_count, " volumes of ", volume_blocks,
                  " blocks, depth ", depth, ", up to ", op_blocks_max, " blocks, ", read_percent,
                  " % reads, ", trim_percent, " % trims, ", snapshots ? "snapshots, " : "",
                  tiers ? "tiers, " : "", safety_ns / 1'000'000'000, " s;");
  for (size_t i = 0; i < kFaultClassCount; ++i) {
    if (strength[i] == 0) continue;
    out += varve::text(" ", fault_class_name(static_cast<FaultClass>(i)), "=", strength[i]);
  }
  return out;
}

}  // namespace varve
