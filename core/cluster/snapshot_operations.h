// Snapshots of the cluster's volumes, in the metadata store alone. That the groups know of it is
// the caller's next step; see docs/replication.md, "Snapshots".
//
// A snapshot is taken in three steps: reserve_snapshots(), which keeps a generation of each volume
// for it; the cut, by the node that holds the volumes; commit_snapshots(), from which on it exists.
// What was reserved and not committed is forgotten by the next attach or reservation.
//
// All are idempotent as in volume_operations.h, with its errors. Thread rule: one shard's thread.
// Parameters by value.
#pragma once

#include <string>
#include <vector>

#include "core/cluster/cas_loop.h"
#include "core/cluster/cluster_volume.h"

namespace varve {

struct SnapshotName {
  std::string volume;
  std::string snapshot;
};

struct SnapshotReservation {
  std::vector<SnapshotName> names;
  uint64_t token = 0;
  // As they are with it, in the order of the names; each has one snapshot with pending == token.
  std::vector<ClusterVolume> volumes;
};

// All of them or none. `node` holds every volume. kBusy: it does not; kAlreadyExists;
// kInvalidArgument: a volume twice; kNoSpace: too many snapshots.
Task<Result<SnapshotReservation>> reserve_snapshots(ClusterContext context,
                                                    std::vector<SnapshotName> names, NodeId node);
// kBusy: somebody has attached one of the volumes since.
Task<Result<std::vector<ClusterVolume>>> commit_snapshots(ClusterContext context,
                                                          SnapshotReservation reservation);

// The members give up by themselves what only it showed. kNotFound; kBusy: a clone stands on it.
Task<Result<ClusterVolume>> delete_snapshot(ClusterContext context, SnapshotName name);

}  // namespace varve
