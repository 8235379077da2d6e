// Volumes of the cluster: create, resize, set the tier, delete, attach, detach, in the metadata
// store alone.
//
// Attach and detach settle who may use a volume. That the groups know it too (and refuse who may
// not any more) is the caller's next step; see docs/replication.md, "Attach".
//
// All are idempotent: the same call again, also after kUnknown, leads to the same end; an attach
// that is repeated takes one more generation. Errors besides what is said below: as CasLoop;
// kInvalidArgument for names and sizes that cannot be; kNotFound: no volume of this name.
//
// Thread rule: one shard's thread. Parameters by value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/error.h"
#include "core/cluster/cas_loop.h"
#include "core/cluster/cluster_volume.h"
#include "core/cluster/planner_task.h"

namespace varve {

struct VolumeCreation {
  std::string name;
  uint64_t size_bytes = 0;
  uint32_t copies = 0;             // 0: the cluster's default
  NodeId node{};                   // that will probably use it: its groups are preferred
  std::optional<VolumeTier> tier;  // none: auto, or whatever one that exists has
};

struct VolumeCreated {
  ClusterVolume volume;
  bool existed = false;  // with this name, size, copies and tier
};

// kAlreadyExists: with another size, number of copies, or tier. kNoSpace: too few nodes have disk
// groups.
Task<Result<VolumeCreated>> create_volume(ClusterContext context, VolumeCreation wanted);

struct VolumeResize {
  std::string name;
  uint64_t size_bytes = 0;
};

struct VolumeChanged {
  ClusterVolume volume;
  bool changed = false;  // it was not so already
};

// Grows it; kInvalidArgument: it would shrink. The node that has it attached sees the new size in
// the record, tells the groups, and then serves it.
Task<Result<VolumeChanged>> resize_volume(ClusterContext context, VolumeResize wanted);

// Each disk group that holds the volume follows the record (ClusterNode). Of two changes at a time
// one is the last.
Task<Result<VolumeChanged>> set_volume_tier(ClusterContext context, std::string name,
                                            VolumeTier tier);

// The record stays, as deleted, until forget_volume(). kBusy: a node holds it, or it has snapshots.
Task<Result<ClusterVolume>> delete_volume(ClusterContext context, std::string name);

// Removes the record of a deleted volume, when every group has dropped its blocks. Fine when it is
// gone already; kBusy: it is not deleted.
Task<Status> forget_volume(ClusterContext context, VolumeId id);

struct VolumeAttachment {
  std::string name;
  NodeId node{};
  HolderMode mode = HolderMode::kReadWrite;
  bool force = false;  // also from a node that is not silent
};

// Raises the generation. kBusy: another node holds it and is not silent; the message names it.
// `silence` outlives the task.
Task<Result<ClusterVolume>> attach_volume(ClusterContext context, VolumeAttachment wanted,
                                          const NodeSilence* silence);

struct VolumeDetachment {
  std::string name;
  NodeId node{};            // that lets it go
  uint64_t generation = 0;  // of its attachment; 0: whatever it is
  bool force = false;       // also from another node; raises the generation, to fence it
};

// Fine when nobody holds it. kStale: attached again since `generation`; kBusy: another node holds
// it.
Task<Result<ClusterVolume>> detach_volume(ClusterContext context, VolumeDetachment wanted);

}  // namespace varve
