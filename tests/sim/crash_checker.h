// CrashChecker: recovers what a crash left and holds it against the model.
//
// Each image is opened, read in full and judged, then (maybe after a power cut) again: recovery of
// a recovery changes nothing. Sometimes recovery itself is crashed at one of its own writes, and
// what that leaves goes the same way. A store that refuses to serve must have had a reason, and
// must not have written.
//
// Thread rule: one thread. Ownership: borrows plan, report and counts.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/store/store.h"
#include "tests/sim/block_model.h"
#include "tests/sim/damage.h"
#include "tests/sim/fault_counts.h"
#include "tests/sim/report.h"
#include "tests/sim/seed_plan.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_loop.h"
#include "tests/sim/sim_parts.h"

namespace varve {

// What a crash left: the image, and what may be wrong with it.
struct CrashCase {
  DiskState disk;
  Damage damage;
  uint64_t seed = 0;   // of everything random from here on
  uint32_t depth = 0;  // recoveries that were crashed before
};

struct Recovered {
  DiskState disk;
  std::vector<RecoveredVolume> volumes;
};

class CrashChecker {
 public:
  CrashChecker(const SeedPlan& plan, const Report& report, FaultCounts& counts);

  // Nothing: the store refuses to serve, rightly. `keep_image`: what recovery left is wanted.
  std::optional<Recovered> check(const BlockModel& model, CrashCase crash, bool keep_image);
  uint64_t checked() const { return checked_; }
  uint64_t hash() const { return hash_; }

 private:
  // One life of a recovered store without any writes of a client.
  struct Look {
    std::vector<RecoveredVolume> volumes;
    StoreStats stats;
  };
  struct Nested {
    uint64_t at_write = 0;  // crash when this many writes were submitted; 0: not at all
    std::optional<DiskState> disk;
  };

  std::unique_ptr<Store> open(SimLoop& loop, SimDevice& device, SimParts& parts,
                              const CrashCase& crash, Nested& nested);
  std::unique_ptr<Store> refused(const Status& status, const SimDevice& device,
                                 const CrashCase& crash);
  Look look(SimLoop& loop, Store& store, const BlockModel& model);
  Task<void> read_all(Store& store, const BlockModel& model, std::vector<RecoveredVolume>* out);
  Task<void> read_view(Store& store, VolumeView view, uint32_t family,
                       std::vector<BlockValue>& values);
  Task<void> read_run(Store& store, VolumeView view, uint32_t family,
                      std::vector<BlockValue>& values, BlockRange range);
  void put_down(SimLoop& loop, SimDevice& device, std::unique_ptr<Store> store);
  // `hidden`: blocks may be live that no look has read, and cleaning may find them damaged.
  void compare(const CrashCase& crash, const Look& first, const Look& second, bool hidden);

  const SeedPlan& plan_;
  const Report& report_;
  FaultCounts& counts_;
  std::unique_ptr<std::byte[]> memory_;
  std::byte* buffer_;
  uint64_t checked_ = 0;
  uint64_t hash_ = 0;
};

}  // namespace varve
