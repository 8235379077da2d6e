// SeedRun: one seed from an empty disk to its last crash: lives of a store under a workload, with
// crash points taken all along, each judged on a copy; one of them becomes the next life.
//
// Thread rule: one thread. Nothing outlives the call but the result.
#pragma once

#include <cstdint>

#include "tests/sim/fault_counts.h"
#include "tests/sim/report.h"

namespace varve {

struct SeedResult {
  uint64_t hash = 0;  // of everything that happened
  uint64_t crash_points = 0;
  uint64_t device_writes = 0;
  uint64_t bytes_written = 0;
  bool wrapped = false;  // slots were reused
  bool cleaned = false;  // blocks were moved
};

// Fails the process through `report` when the store breaks the contract.
SeedResult run_seed(uint64_t seed, Report& report, FaultCounts& counts);

}  // namespace varve
