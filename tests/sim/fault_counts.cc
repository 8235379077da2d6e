#include "tests/sim/fault_counts.h"

namespace varve {

const char* fault_name(Fault fault) {
  static constexpr const char* kNames[kFaultCount] = {
      "torn write (front or back lost)",
      "unflushed write kept in part (any subset)",
      "unflushed write dropped",
      "unflushed write kept",
      "bit flip in a durable block",
      "acknowledged batch dropped",
      "process killed, disk cache kept",
      "power cut after recovery",
      "device failed a write",
      "crash in recovery",
      "crash in cleaning",
      "crash with blocks on their way to an HDD",
      "crash with blocks on an HDD",
      "crash with blocks in the read cache",
      "block read from the read cache",
      "crash in close",
      "crash with nothing in flight",
      "crash after earlier damage",
      "stale blocks in a reused slot",
      "slot reused (store wrapped)",
      "damaged block answered",
      "store refused to serve",
      "no space answered",
      "write in flight survived",
      "write in flight lost",
      "trim remembered over a crash",
      "volume create in flight",
      "volume delete in flight",
      "snapshot in flight",
      "snapshot made under writes",
      "volume rolled back",
      "snapshot cloned",
      "volume grown",
      "tier of a volume set",
      "scrub ended",
      "snapshot read after a crash",
  };
  return kNames[static_cast<size_t>(fault)];
}

}  // namespace varve
