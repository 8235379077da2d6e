// plan_cluster: creates the groups that the planner finds missing.
//
// One node plans at a time: it holds the planner record, takes it when nobody does or the holder's
// node is silent, and each of its changes has that record's revision among its conditions. The
// revision of the cluster's record is another one: what was registered or created meanwhile makes
// the change fail, and it is planned again.
//
// Thread rule: one shard's thread. Errors: as CasLoop.
#pragma once

#include "core/base/error.h"
#include "core/cluster/cas_loop.h"
#include "core/cluster/cluster_record.h"

namespace varve {

// What this node has heard of others lately. Only convenience rests on it, no safety.
class NodeSilence {
 public:
  virtual ~NodeSilence() = default;
  // Nothing was heard of it for the grace time.
  virtual bool is_silent(NodeId node) const = 0;
};

struct PlanningDone {
  size_t groups_created = 0;
};

// kBusy: another node plans, and it is not silent. `silence` outlives the task.
Task<Result<PlanningDone>> plan_cluster(ClusterContext context, NodeId self,
                                        const NodeSilence* silence);

// Creates what is missing for `copies` (0: the cluster's default). Used by plan_cluster, with its
// record among the conditions, and by whoever creates a volume with a number of copies of its own
// (`planner_revision` 0: no such condition).
Task<Result<PlanningDone>> create_missing_groups(CasLoop* loop, uint32_t copies,
                                                 uint64_t planner_revision);

}  // namespace varve
