#include "tests/sim/cluster/cluster_run.h"

#include <memory>

#include "core/base/text.h"
#include "tests/sim/cluster/cluster_trace.h"
#include "tests/sim/cluster/cluster_workload.h"
#include "tests/sim/cluster/leave_behind.h"
#include "tests/sim/cluster/nemesis.h"

namespace varve {

namespace {

constexpr uint64_t kStepLimit = 400'000'000;

struct World {
  NemesisPlan plan;
  ClusterFaultCounts counts;
  SimLoop loop;
  ClusterTrace trace{loop};
  ClusterChecker checker{loop};
  SimNetwork network;
  SimMetadata store;
  SimClusterNodes nodes;
  std::unique_ptr<Nemesis> nemesis;
  std::unique_ptr<ClusterWorkload> workload;
  uint64_t steps = 0;

  World(const ClusterSetup& setup, const NemesisPlan& drawn, uint64_t seed)
      : plan(drawn),
        loop(seed),
        network(loop, plan.node_count, {}, seed, counts),
        store(loop, plan.node_count, {}, seed, counts) {
    Random random(seed ^ 0x94d3b87a6c05e21f);
    SimClusterNodeOptions options{.device_bytes = setup.device_bytes,
                                  .device = plan.device(),
                                  .clock_spread_ppm = plan.clock_spread_ppm()};
    for (uint32_t node = 0; node < plan.node_count; ++node) {
      nodes.push_back(std::make_unique<SimClusterNode>(loop, network, store, node, options,
                                                       setup.factory, random.next(), counts));
    }
    std::vector<std::string> volumes;
    for (uint32_t i = 0; i < plan.volume_count; ++i) volumes.push_back(text("volume", i + 1));
    if (setup.prepare) setup.prepare(store, plan, volumes);
    nemesis =
        std::make_unique<Nemesis>(loop, network, store, nodes, plan, random.next(), counts, trace);
    workload = std::make_unique<ClusterWorkload>(loop, nodes, checker, plan, volumes, random.next(),
                                                 trace);
  }

  std::string failure() const {
    if (!workload->failure().empty()) return workload->failure();
    if (!network.offence().empty()) return network.offence();
    for (const auto& node : nodes) {
      if (std::string wrong = node->failure(); !wrong.empty()) return wrong;
    }
    return {};
  }
  bool failed() const {
    if (!workload->failure().empty() || !network.offence().empty()) return true;
    for (const auto& node : nodes) {
      if (node->failed()) return true;
    }
    return false;
  }
  enum class End { kDone, kFailed, kTime, kStuck };
  // Until `done`, a failure, or so much simulated time.
  template <typename Done>
  End step_until(Done done, uint64_t limit_ns) {
    const uint64_t deadline_ns = loop.monotonic_ns() + limit_ns;
    while (!done()) {
      if (failed()) return End::kFailed;
      if (loop.monotonic_ns() > deadline_ns) return End::kTime;
      if (++steps > kStepLimit || !loop.step()) return End::kStuck;
      nemesis->after_step();
    }
    return failed() ? End::kFailed : End::kDone;
  }
  bool settled() const {
    for (const auto& node : nodes) {
      if (!node->settled()) return false;
    }
    return true;
  }
};

// What went wrong in one of the phases; empty when nothing did.
std::string run_phases(World& world, const ClusterSetup& setup) {
  using End = World::End;
  for (const auto& node : world.nodes) node->restart();
  world.workload->start();
  world.nemesis->start();
  const uint64_t end_ns = world.plan.safety_ns;
  const auto over = [&] { return world.loop.monotonic_ns() >= end_ns; };
  if (world.step_until(over, end_ns + 1) == End::kFailed) return world.failure();

  world.nemesis->heal();
  world.workload->stop();
  const auto quiet = [&] { return world.workload->ended(); };
  End end = world.step_until(quiet, setup.end_ops_ns);
  if (end == End::kFailed) return world.failure();
  if (end != End::kDone) {
    return text(end == End::kTime ? "operations have not ended in time after the healing:\n"
                                  : "operations can no longer end:\n",
                world.workload->open_text());
  }
  const auto settled = [&] { return world.settled(); };
  end = world.step_until(settled, setup.settle_ns);
  if (end == End::kFailed) return world.failure();
  if (end != End::kDone) return "not everything is in sync again after the healing\n";

  world.workload->start_final_reads();
  end = world.step_until(quiet, setup.end_ops_ns);
  if (end == End::kFailed) return world.failure();
  if (end != End::kDone) {
    return text("the last reads have not ended:\n", world.workload->open_text());
  }
  // What is put down now is no fault that was met.
  const ClusterFaultCounts met = world.counts;
  for (const auto& node : world.nodes) node->crash(CrashKind::kPowerCut);
  world.counts = met;
  return world.failure();
}

}  // namespace

ClusterResult run_cluster_seed(const ClusterSetup& setup, uint64_t seed, bool verbose) {
  NemesisPlan plan = draw_nemesis_plan(seed);
  if (setup.adjust) setup.adjust(plan);
  auto world = std::make_unique<World>(setup, plan, seed);
  world->trace.set_verbose(verbose);
  world->trace.say("plan: ", plan.text());
  ClusterResult result;
  result.failure = run_phases(*world, setup);
  result.hash = world->loop.hash();
  result.ops = world->workload->ops_done();
  result.ops_failed = world->workload->ops_failed();
  result.reads_checked = world->checker.reads_checked();
  result.snapshots = world->workload->snapshots_made();
  result.snapshot_blocks_checked = world->workload->snapshot_blocks_checked();
  result.messages = world->network.messages_delivered();
  result.virtual_ns = world->loop.monotonic_ns();
  result.counts = world->counts;
  if (result.failure.empty()) return result;
  if (!result.failure.ends_with('\n')) result.failure += '\n';
  for (const auto& node : world->nodes) result.failure += node->state_line() + "\n";
  result.failure += world->network.state_text();
  result.failure += text("  plan: ", plan.text(), "\n", world->trace.last_lines());
  leave_behind(std::move(world));
  return result;
}

}  // namespace varve
