// take_snapshots(): snapshots of several volumes that this node has attached, at one instant.
//
//     reserve in the records -> hold writers -> wait for those under way -> cut -> let them go
//     -> every group knows -> commit in the records
//
// Writers wait from the hold on for the slowest change that is under way, and then for their own
// group to hear of the cut: no metadata store stands between. Whatever ends this early leaves
// volumes that go on in the next generation, and no snapshot.
//
// Thread rule: one shard's thread.
#pragma once

#include <memory>
#include <vector>

#include "core/cluster/snapshot_operations.h"
#include "core/runtime/task_group.h"
#include "core/volume/cluster_node.h"

namespace varve {

using AttachedVolume = std::shared_ptr<ReplicatedVolume>;

// `volumes` in the order of `names`; one call at a time. Telling the groups goes on in `telling`,
// which keeps the volumes, until it is done or they are closed. The volumes' records with the
// snapshots; errors as reserve_snapshots() and commit_snapshots(), and kUnavailable: writes, or a
// group, did not come to an end in time; kBusy, kClosed: a volume was taken away.
Task<Result<std::vector<ClusterVolume>>> take_snapshots(Runtime* runtime, ClusterNode* node,
                                                        TaskGroup* telling,
                                                        std::vector<AttachedVolume> volumes,
                                                        std::vector<SnapshotName> names);

}  // namespace varve
