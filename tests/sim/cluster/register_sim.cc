// register_sim: the simulated cluster by itself, with the register for a program
// (register_program.h).
#include "tests/sim/cluster/cluster_sim.h"
#include "tests/sim/cluster/register_program.h"

int main(int argc, char** argv) {
  varve::ClusterSetup setup;
  setup.device_bytes = varve::RegisterProgram::device_bytes();
  setup.factory = [](const varve::NodeEnvironment& environment) {
    return std::make_unique<varve::RegisterProgram>(environment, varve::PlantedFault::kNone);
  };
  return varve::cluster_sim_main(setup, argc, argv);
}
