// The simulated cluster, tried with a program that is right and with the same one with faults.
#include "tests/sim/cluster/cluster_run.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/sim/cluster/register_program.h"

namespace varve {
namespace {

ClusterSetup setup_with(PlantedFault fault) {
  ClusterSetup setup;
  setup.device_bytes = RegisterProgram::device_bytes();
  // Short, with many crashes: what is planted is simple.
  setup.adjust = [](NemesisPlan& plan) {
    plan.snapshots = false;  // it has none
    plan.safety_ns /= 3;
    plan.strength[static_cast<size_t>(FaultClass::kPowerCut)] = 1000;
  };
  setup.factory = [fault](const NodeEnvironment& environment) {
    return std::make_unique<RegisterProgram>(environment, fault);
  };
  return setup;
}

TEST_CASE("a right program passes under all faults, and one seed is one run") {
  const ClusterSetup setup = setup_with(PlantedFault::kNone);
  ClusterFaultCounts counts;
  uint64_t ops = 0;
  uint64_t failed = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    INFO("seed " << seed);
    const ClusterResult result = run_cluster_seed(setup, seed);
    INFO(result.failure);
    REQUIRE(result.failure.empty());
    counts.add(result.counts);
    ops += result.ops;
    failed += result.ops_failed;
    if (seed % 20 == 0) CHECK(run_cluster_seed(setup, seed).hash == result.hash);
  }
  INFO(counts.table());
  CHECK(ops > 10'000);
  CHECK(failed < ops / 2);
  for (const ClusterFault fault :
       {ClusterFault::kNodeKilled, ClusterFault::kNodePowerCut, ClusterFault::kAllPowerCut,
        ClusterFault::kCrashInIo, ClusterFault::kCrashInStart, ClusterFault::kNodePaused,
        ClusterFault::kDeviceSlow, ClusterFault::kMessageLate, ClusterFault::kConnectionBroken,
        ClusterFault::kPartitionOneWay, ClusterFault::kPartitionTwoWay,
        ClusterFault::kPartitionTimedOut, ClusterFault::kOldConnectionLate}) {
    INFO(cluster_fault_name(fault));
    CHECK(counts.of(fault) > 0);
  }
}

// The seed that found it; 0: none did.
uint64_t hunt(PlantedFault fault, uint64_t seeds, std::string& failure) {
  const ClusterSetup setup = setup_with(fault);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    failure = run_cluster_seed(setup, seed).failure;
    if (!failure.empty()) return seed;
  }
  return 0;
}

TEST_CASE("planted faults are found") {
  struct Planted {
    PlantedFault fault;
    const char* name;
    const char* found;  // part of what is said
  };
  for (const Planted planted :
       {Planted{PlantedFault::kAnswersEarly, "answers early", "history of"},
        Planted{PlantedFault::kForgetsFence, "forgets fence", "history of"},
        Planted{PlantedFault::kStaleReads, "stale reads", "history of"},
        Planted{PlantedFault::kLosesReplies, "loses replies", "operations"},
        Planted{PlantedFault::kTornBlocks, "torn blocks", "garbage"},
        Planted{PlantedFault::kReusesMemory, "reuses memory", "memory of a send changed"},
        Planted{PlantedFault::kHangsAtStop, "hangs at stop", "does not come to an end"}}) {
    std::string failure;
    const uint64_t seed = hunt(planted.fault, 300, failure);
    INFO(planted.name << " at seed " << seed << ": " << failure);
    CHECK(seed != 0);
    CHECK(failure.find(planted.found) != std::string::npos);
  }
}

// A register whose first starts find no metadata store.
class LateProgram final : public RegisterProgram {
 public:
  explicit LateProgram(const NodeEnvironment& environment)
      : RegisterProgram(environment, PlantedFault::kNone), life_(environment.life) {}
  Task<Status> start() override {
    if (life_ % 3 != 0) co_return ErrorCode::kUnavailable;
    Status status = co_await RegisterProgram::start();
    co_return status;
  }

 private:
  const uint64_t life_;
};

TEST_CASE("a node that does not reach the metadata store at its start is started again") {
  ClusterSetup setup = setup_with(PlantedFault::kNone);
  setup.factory = [](const NodeEnvironment& environment) {
    return std::make_unique<LateProgram>(environment);
  };
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const ClusterResult result = run_cluster_seed(setup, seed);
    INFO(result.failure);
    CHECK(result.failure.empty());
    CHECK(result.ops > 0);
  }
}

TEST_CASE("every fault class is on in about half of the plans") {
  std::array<uint32_t, kFaultClassCount> on{};
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    const NemesisPlan plan = draw_nemesis_plan(seed);
    for (size_t i = 0; i < kFaultClassCount; ++i) on[i] += plan.strength[i] > 0;
    CHECK(plan.node_count >= 3);
    CHECK(plan.node_count <= 5);
  }
  for (const uint32_t count : on) {
    CHECK(count > 400);
    CHECK(count < 600);
  }
}

}  // namespace
}  // namespace varve
