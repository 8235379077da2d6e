// ClusterRun: one seed of a simulated cluster from its first start to the last read.
//
// Safety: clients work while the nemesis does what the plan allows. Heal: all nodes live, all links
// work. Liveness: every operation ends and everything is in sync again within bounds of simulated
// time. Then every volume is attached anew, every block read, and the in-sync members compared.
//
// Thread rule: one thread. A run that failed cannot be unwound; its memory is left behind.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/sim/cluster/cluster_faults.h"
#include "tests/sim/cluster/nemesis_plan.h"
#include "tests/sim/cluster/node_program.h"
#include "tests/sim/cluster/sim_metadata.h"

namespace varve {

// What is under test.
struct ClusterSetup {
  NodeProgramFactory factory;
  uint64_t device_bytes = 0;
  // Puts what the cluster needs to exist into the metadata store. May be empty.
  std::function<void(SimMetadata&, const NemesisPlan&, const std::vector<std::string>& volumes)>
      prepare;
  // Nodes whose crash, and so on, the program is not made for may be spared here. May be empty.
  std::function<void(NemesisPlan&)> adjust;
  uint64_t end_ops_ns = 60'000'000'000;  // after the healing
  uint64_t settle_ns = 60'000'000'000;
};

struct ClusterResult {
  std::string failure;  // empty: all held. Else what was wrong, and the state of the nodes
  uint64_t hash = 0;    // of everything that happened
  uint64_t ops = 0;
  uint64_t ops_failed = 0;
  uint64_t reads_checked = 0;  // blocks
  uint64_t snapshots = 0;      // requests that were answered
  uint64_t snapshot_blocks_checked = 0;
  uint64_t messages = 0;
  uint64_t virtual_ns = 0;
  ClusterFaultCounts counts;
};

// `verbose` prints what happens to the cluster as it happens.
ClusterResult run_cluster_seed(const ClusterSetup& setup, uint64_t seed, bool verbose = false);

}  // namespace varve
