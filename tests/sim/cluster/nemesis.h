// Nemesis: does to a simulated cluster what the plan says, until it is told to heal everything.
//
// Thread rule: the loop's thread. Ownership: borrows everything; outlives the loop's events.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "tests/sim/cluster/cluster_trace.h"
#include "tests/sim/cluster/nemesis_plan.h"
#include "tests/sim/cluster/sim_cluster_node.h"

namespace varve {

using SimClusterNodes = std::vector<std::unique_ptr<SimClusterNode>>;

class Nemesis {
 public:
  Nemesis(SimLoop& loop, SimNetwork& network, SimMetadata& store, SimClusterNodes& nodes,
          const NemesisPlan& plan, uint64_t seed, ClusterFaultCounts& counts, ClusterTrace& trace);
  Nemesis(const Nemesis&) = delete;
  Nemesis& operator=(const Nemesis&) = delete;

  void start();
  // Call after every step of the loop: crashes at device requests happen here.
  void after_step();
  // Everything works and every node lives from now on.
  void heal();

 private:
  struct Trap {
    uint64_t io_events = 0;
    CrashKind kind{};
  };
  void tick();
  // True with the class's strength times `per_mille`.
  bool strikes(FaultClass fault, uint64_t per_mille);
  void crash(uint32_t node, CrashKind kind);
  void crash_soon(CrashKind kind);
  void cut_power_of_all();
  void restart_later(uint32_t node, uint64_t delay_max_ns);
  void pause();
  void part(bool both_ways);
  void hand_over();
  void offices_come_back(uint32_t node);
  void slow_a_device();
  void cut_from_store();
  uint32_t any_node() { return static_cast<uint32_t>(random_.below(nodes_.size())); }
  // Mostly short.
  uint64_t draw_duration_ns(uint64_t max_ns);
  template <typename Action>
  void later(uint64_t delay_ns, Action action);

  SimLoop& loop_;
  SimNetwork& network_;
  SimMetadata& store_;
  SimClusterNodes& nodes_;
  const NemesisPlan plan_;
  Random random_;
  ClusterFaultCounts& counts_;
  ClusterTrace& trace_;
  std::vector<std::optional<Trap>> traps_;  // by node
  bool active_ = false;
};

}  // namespace varve
