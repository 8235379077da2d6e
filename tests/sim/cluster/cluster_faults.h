// ClusterFaultCounts: how often each thing that the cluster simulator must have met was met.
//
// Thread rule: plain values. They live in memory shared between processes, so no pointers here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace varve {

enum class ClusterFault : uint8_t {
  kMessageLate,       // a message took many times as long as usual
  kDirectionStalled,  // nothing arrived in one direction for a while
  kConnectionBroken,  // and what was on its way was lost from some point on
  kConnectRefused,
  kConnectTimedOut,
  kPartitionOneWay,
  kPartitionTwoWay,
  kPartitionTimedOut,  // a connection ended because of a partition
  kOldConnectionLate,  // a message arrived after a newer connection between the nodes was made
  kSendBusy,
  kBuffersMissing,  // a message waited for a receive buffer
  kSentLate,        // the memory of a send came back long after the message had arrived
  kNodeKilled,
  kNodePowerCut,
  kAllPowerCut,
  kCrashInIo,  // device requests were in flight
  kCrashInStart,
  kNodePaused,
  kDeviceSlow,
  kCommitUnknownApplied,
  kCommitUnknownNotApplied,
  kCommitLate,         // applied after its caller had been told that nobody knows
  kCommitLateRefused,  // arrived late, and its conditions did not hold any more
  kMetadataUnavailable,
  kMetadataSlow,
  kRangeStale,
  kWatchLost,
  kWatchMerged,
  kMetadataPartition,
  kHandedOver,  // no fault: an office that nothing was wrong with
  kCount,
};

inline constexpr size_t kClusterFaultCount = static_cast<size_t>(ClusterFault::kCount);

const char* cluster_fault_name(ClusterFault fault);

struct ClusterFaultCounts {
  std::array<uint64_t, kClusterFaultCount> hits{};

  void add(ClusterFault fault, uint64_t count = 1) { hits[static_cast<size_t>(fault)] += count; }
  uint64_t of(ClusterFault fault) const { return hits[static_cast<size_t>(fault)]; }
  void add(const ClusterFaultCounts& other) {
    for (size_t i = 0; i < kClusterFaultCount; ++i) hits[i] += other.hits[i];
  }
  // One line per kind.
  std::string table() const;
};

}  // namespace varve
