#include "tests/sim/cluster/cluster_faults.h"

#include "core/base/text.h"

namespace varve {

const char* cluster_fault_name(ClusterFault fault) {
  static constexpr const char* kNames[kClusterFaultCount] = {
      "message late",
      "one direction stalled",
      "connection broken",
      "connect refused",
      "connect timed out",
      "one-way partition",
      "two-way partition",
      "connection timed out in a partition",
      "message of an old connection arrived late",
      "send told to wait",
      "receive buffers missing",
      "memory of a send kept for long",
      "node killed",
      "power cut of one node",
      "power cut of all nodes",
      "crash with device requests in flight",
      "crash while starting",
      "node paused",
      "device slow",
      "commit unknown, applied",
      "commit unknown, not applied",
      "commit unknown, applied late",
      "commit unknown, refused late",
      "metadata store unavailable",
      "metadata store slow",
      "stale range",
      "changes lost, resync later",
      "changes merged",
      "node cut off from the metadata store",
      "offices handed over",
  };
  return kNames[static_cast<size_t>(fault)];
}

std::string ClusterFaultCounts::table() const {
  std::string out;
  for (size_t i = 0; i < kClusterFaultCount; ++i) {
    std::string line = cluster_fault_name(static_cast<ClusterFault>(i));
    line.resize(44, ' ');
    out += text("  ", line, hits[i], "\n");
  }
  return out;
}

}  // namespace varve
