// ClusterVolumes: the cluster's volumes that this node has attached: the first opening attaches a
// volume, all openings share it, the last one that ends detaches it.
//
// Thread rule: one shard's thread. Ownership: borrows runtime and node. At the end: close(); every
// client lets go of its volumes; await drained(); then ClusterNode::stop().
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/cluster/cluster_volume.h"
#include "core/runtime/task_group.h"
#include "core/runtime/turn.h"
#include "core/runtime/wait_list.h"
#include "core/volume/cluster_node.h"
#include "core/volume/group_snapshot.h"
#include "core/volume/replicated_snapshot.h"
#include "core/volume/volume_table.h"

namespace varve {

class ClusterVolumes final : public VolumeOpener {
 public:
  ClusterVolumes(Runtime& runtime, ClusterNode& node);
  ~ClusterVolumes() override;

  // kBusy: another node holds it and is not silent; `force` takes it all the same. Waits for groups
  // that have no primary. kNotFound, kClosed.
  Task<Result<std::shared_ptr<VolumeShare>>> open(std::string name, bool force) override;

  // Keeps it attached until detach(), whether a client has it open or not.
  Task<Result<ClusterVolume>> attach(std::string name, bool force);
  // kBusy: a client of this node has it open, or another node holds it; `force` takes it away.
  Task<Result<ClusterVolume>> detach(std::string name, bool force);
  // One of each volume, all of one instant. Volumes that nobody holds are attached for it. kBusy:
  // another node holds one; and as take_snapshots().
  Task<Result<std::vector<ClusterVolume>>> snapshot(std::vector<SnapshotName> names);
  // kNotFound; kBusy: a client of this node has it open.
  Task<Result<ClusterVolume>> delete_snapshot(SnapshotName name);

  // Gives back what this node held when its last process ended. Before the first open().
  Task<void> detach_leftovers();

  // True while a client of this node has the volume, or VOLUME@SNAPSHOT, open or attach() keeps it.
  bool in_use(std::string_view name) const;

  // Nothing more is opened; what has not been opened yet ends with kClosed.
  void end_opens();
  // Operations that wait for the cluster end with kClosed, and every later one.
  void close();
  // Ends when everything that nobody uses any more is detached.
  Task<void> drained() { return tasks_.done(); }

 private:
  class Backend;
  class SnapshotBackend;
  struct Entry {
    std::weak_ptr<VolumeShare> share;
    std::shared_ptr<VolumeShare> kept;   // by attach()
    ReplicatedVolume* volume = nullptr;  // of `share`
    bool opening = false;
  };

  Task<Result<std::shared_ptr<VolumeShare>>> open_first(std::string name, bool force);
  Task<Result<std::shared_ptr<VolumeShare>>> open_snapshot(std::string name);
  Task<Result<std::vector<ClusterVolume>>> snapshot_now(std::vector<SnapshotName> names);
  void forget_unused();
  // Lets attached volumes grow to the size that their records say.
  void follow_sizes();
  Task<void> grow(std::shared_ptr<VolumeShare> share, ReplicatedVolume* volume,
                  uint64_t size_bytes);
  Task<void> give_back(std::unique_ptr<ReplicatedVolume> volume);

  Runtime& runtime_;
  ClusterNode& node_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::set<const ReplicatedVolume*> growing_;
  std::map<std::string, std::weak_ptr<VolumeShare>, std::less<>> snapshots_;  // VOLUME@SNAPSHOT
  std::set<ReplicatedSnapshot*> open_snapshots_;
  Turn snapshot_turn_;
  WaitList changed_;
  TaskGroup tasks_;
  bool closed_ = false;
};

}  // namespace varve
