// The main program of a cluster simulation: seeds of one setup until time or number is reached, in
// several processes; one seed again; counts of all faults.
//
//   cluster_sim --seeds 5000 --seconds 170 --jobs 2     the gate
//   cluster_sim --seed 17 --verbose                     one seed again
//
// One seed in twenty runs twice and must give the same run.
#pragma once

#include "tests/sim/cluster/cluster_run.h"

namespace varve {

// Exit code. 0: everything held. 1: something was found, or a fault was never hit. 2: usage.
int cluster_sim_main(const ClusterSetup& setup, int argc, char** argv);

}  // namespace varve
