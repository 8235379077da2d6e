// How a cluster, its nodes and their disk groups come into being.
//
// All are idempotent: the same call again is fine, also after kUnknown. Besides what is said below
// they fail as CasLoop does, and with kDamaged or kNewerFormat for records that cannot be read.
//
// Thread rule: one shard's thread. Parameters by value.
#pragma once

#include "core/base/error.h"
#include "core/cluster/cas_loop.h"
#include "core/cluster/cluster_record.h"
#include "core/cluster/node_record.h"

namespace varve {

// `copies` as in ClusterRecord. kAlreadyExists: initialised with another id or other copies.
Task<Result<ClusterRecord>> cluster_init(ClusterContext context, Uuid id, uint32_t copies);

// kNotFound: there is no cluster yet; revision 0 is never returned.
Task<Result<Versioned<ClusterRecord>>> read_cluster(CasLoop* loop);

// By name; `wanted.id` is not looked at. What has changed is written. kInvalidArgument.
Task<Result<NodeRecord>> register_node(ClusterContext context, NodeRecord wanted);

// By uuid; `wanted.id` and `wanted.state` are not looked at. kInvalidArgument; kAlreadyExists: it
// belongs to another node; kNotFound: it was removed from the cluster for good.
Task<Result<DiskGroupRecord>> register_disk_group(ClusterContext context, DiskGroupRecord wanted);

}  // namespace varve
