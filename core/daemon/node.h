// Node: everything that one varved serves, on one shard: its disk groups, its volumes, its
// services.
//
//     run(): recover the disk groups -> join the cluster, if it is of one -> start the services ->
//            serve until stop() -> drain, leave the cluster and seal
//
// Thread rule: the loop's thread. Ownership: borrows the loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "core/daemon/disk_add.h"
#include "core/daemon/disk_group.h"
#include "core/daemon/node_status.h"
#include "core/daemon/node_volumes.h"
#include "core/daemon/service.h"
#include "core/daemon/volume_keys.h"
#include "core/runtime/task.h"
#include "core/runtime/task_group.h"
#include "core/runtime/uring_loop.h"
#include "core/runtime/wait_list.h"
#include "core/volume/volume_table.h"

namespace varve {

class ClusterMember;

class Node {
 public:
  // `cluster`: null for a node that stands alone. `keys`: what the config's key file holds.
  Node(UringLoop& loop, const NodeConfig& config, std::vector<std::unique_ptr<Service>> services,
       std::unique_ptr<ClusterMember> cluster, std::optional<KeyRing> keys = {});
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Serves until stop() was called and everything is closed, `close_front` (which ends requests
  // from other threads) included. The error says why a service could not start.
  Task<Status> run(std::function<void()> close_front);
  // Asks run() to end. Again: no effect.
  void stop();
  // Stopping takes too long: gives up on plugins that have not stopped.
  void stop_deadline();

  // Ends when the node became ready, or an operation or a service ended: look again.
  Task<void> changed() { co_await changed_.wait(); }

  // Requests from other threads run in this group (see shard_call.h).
  TaskGroup& requests() { return requests_; }

  NodeStatus status() const;
  Task<Result<NodeStatus>> status_later() { co_return status(); }
  Task<Result<CreatedVolume>> create_volume(CreateVolume request);
  Task<Result<ChangedVolume>> resize_volume(ResizeVolume request);
  Task<Result<ChangedVolume>> set_volume_tier(SetVolumeTier request);
  Task<Result<VolumeStatus>> rewrap_volume(RewrapVolume request);
  Task<Result<VolumeStatus>> delete_volume(std::string name, std::string disk_group);
  // As NodeVolumes has them, or ClusterMember. kUnsupported: not in a cluster.
  Task<Result<std::vector<SnapshotStatus>>> create_snapshots(std::vector<std::string> names);
  Task<Result<std::vector<SnapshotStatus>>> snapshots(std::string volume);
  Task<Result<SnapshotStatus>> snapshot(std::string name);
  Task<Result<SnapshotStatus>> delete_snapshot(std::string name);
  Task<Result<VolumeStatus>> roll_back(std::string snapshot);
  Task<Result<VolumeStatus>> clone_volume(CloneVolume request);
  Task<Result<ChangesPage>> changes(AskChanges request);
  // Starts the work; its state is in operation(). kNotFound, kAlreadyExists, kBusy.
  Task<Result<OperationStatus>> add_disk(AddDisk request);
  // A pass over what the disk group holds, at this rate in bytes per second; its state is in
  // operation(). kNotFound; kBusy: it is not serving.
  Task<Result<OperationStatus>> scrub(std::string disk_group, uint64_t rate);
  Task<Result<OperationStatus>> operation(uint64_t id);
  // Null: the node stands alone. Good while a request of requests() runs.
  ClusterMember* cluster() { return cluster_.get(); }

  // After run(): long work on another thread did not end. The process must end without destructors.
  bool work_left() const { return work_.running() > 0; }

 private:
  Task<void> open_groups();
  Task<Status> join_cluster();
  Task<void> take_in_groups();
  Status start_services();
  void look_after_services();
  Task<void> stop_services();
  Task<void> stop_front(std::function<void()> close_front);
  Task<void> close_groups();
  bool services_stopped();
  Status refused_in_clusters(std::string_view what) const;
  Result<DiskGroup*> group_to_add(const AddDisk& request) const;
  Task<void> run_add_disk(DiskGroup* group, AddDisk request, Uuid cluster,
                          OperationStatus* operation);
  Task<Status> format_group(DiskGroup* group, AddDisk request, Uuid cluster,
                            OperationStatus* operation);
  OperationStatus& add_operation(std::string what);
  Task<void> run_scrub(DiskGroup* group, uint64_t rate, OperationStatus* operation);
  bool only_files_are_being_made() const;

  UringLoop& loop_;
  const std::string name_;
  NodeState state_ = NodeState::kStarting;
  std::vector<std::unique_ptr<DiskGroup>> groups_;
  std::vector<std::unique_ptr<Service>> services_;
  std::unique_ptr<ClusterMember> cluster_;
  VolumeKeys keys_;
  NodeVolumes volumes_;  // without a cluster
  VolumeTable table_;
  WaitList changed_;  // stop was asked for, or as in changed()
  bool stop_asked_ = false;
  TaskGroup requests_;
  TaskGroup work_;                                  // operations
  std::map<uint64_t, OperationStatus> operations_;  // the last kOperationsKept
  uint64_t next_operation_id_ = 1;
};

}  // namespace varve
