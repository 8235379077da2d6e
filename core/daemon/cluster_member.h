// ClusterMember: this node's part in a cluster while varved runs: its plugins, its
// registration, its disk groups as members of groups, and the volumes that its clients have open.
//
//     load -> start -> join -> take_in (each disk group) -> ... -> end_opens -> end_waits -> leave
//
// What it tells and what it is asked meanwhile, joined or not, is in the second half.
//
// Thread rule: the shard's thread, load() before the loop runs. Ownership: borrows loop and disk
// groups; disk groups close after leave(). Errors: kUnavailable while it has not joined yet,
// kClosed after end_opens(), else as core/cluster.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/cluster/plugin_metadata.h"
#include "core/config/node_config.h"
#include "core/daemon/cluster_status.h"
#include "core/daemon/disk_group.h"
#include "core/daemon/node_transports.h"
#include "core/daemon/node_volumes.h"
#include "core/plugin/plugin_library.h"
#include "core/runtime/task_group.h"
#include "core/runtime/uring_loop.h"
#include "core/runtime/wait_list.h"
#include "core/volume/cluster_node.h"
#include "core/volume/cluster_volumes.h"
#include "core/volume/volume_table.h"

namespace varve {

class ClusterMember final : public VolumeDirectory {
 public:
  // Loads the plugins and lets them check their options. Opens nothing. Null after errors.
  static std::unique_ptr<ClusterMember> load(const std::string& plugin_directory,
                                             const NodeConfig& config, const std::string& version,
                                             std::vector<ConfigError>& errors);
  ~ClusterMember() override;
  ClusterMember(const ClusterMember&) = delete;
  ClusterMember& operator=(const ClusterMember&) = delete;

  // Opens the metadata store.
  Status start(UringLoop& loop, std::string node_name);
  // Ends when the node is registered, listens and knows the cluster's records; waits until somebody
  // has made the cluster. The error is for good, or kClosed.
  Task<Status> join();
  // Registers the disk group, which serves, and begins to take part with it. One that does not
  // belong to the cluster is dismissed.
  Task<Status> take_in(DiskGroup* group);
  // A disk group that may have been taken in got an HDD.
  void hdd_added();
  // Shutdown: nothing more is opened, joining ends; what clients have asked for goes on ...
  void end_opens();
  // ... for a while, and what then still waits for the cluster ends. Ends with end_waits().
  Task<void> end_waits_later();
  void end_waits();
  // Detaches the volumes, ends the offices and lets go of the plugins. Clients have gone by then.
  Task<void> leave();

  // VolumeDirectory:
  Result<Found> find(std::string_view name) override;
  std::vector<std::string> names() override;

  // The cluster's id, for `varve disk add`; kUnavailable with what it waits for.
  Result<Uuid> id() const;
  // Makes the cluster unless there is one; fine when it is the same.
  Task<Result<ClusterInitialised>> init(uint32_t copies);
  Task<Result<CreatedVolume>> create_volume(CreateVolume request);
  Task<Result<ChangedVolume>> resize_volume(ResizeVolume request);
  Task<Result<ChangedVolume>> set_volume_tier(SetVolumeTier request);
  Task<Result<VolumeStatus>> delete_volume(std::string name);
  // Snapshots are named VOLUME@SNAPSHOT. kBusy: another node holds the volume.
  Task<Result<std::vector<SnapshotStatus>>> create_snapshots(std::vector<std::string> names);
  Result<std::vector<SnapshotStatus>> snapshots(const std::string& volume) const;
  Result<SnapshotStatus> snapshot(const std::string& name) const;
  Task<Result<SnapshotStatus>> delete_snapshot(std::string name);
  Task<Result<AttachmentStatus>> attach(std::string name, bool force);
  Task<Result<AttachmentStatus>> detach(std::string name, bool force);
  Task<Result<std::vector<ClusterNodeStatus>>> nodes();
  ClusterStatus status() const;
  // What each transport found; after load().
  std::string transports_found() const { return transports_.found(); }
  std::vector<VolumeStatus> volumes() const;  // by name

 private:
  ClusterMember() = default;

  ClusterContext context() const;
  Status check_joined() const;
  void say(std::string state);
  Task<Status> find_cluster(Uuid* id);
  Task<Status> register_node_until_done(NodeRecord* record);
  Task<Status> start_view();
  Task<Status> check_not_newer(const Store* store);
  bool groups_are_missing() const;
  Task<void> plan();
  Task<void> stop_node();
  Task<void> let_go_of_volumes();
  Task<void> pause(uint64_t pause_ns);
  Task<void> seen(const ClusterVolume* volume);
  std::string node_words(NodeId id) const;
  bool is_heard(NodeId id) const;
  VolumeStatus status_of(const ClusterVolume& volume) const;
  SnapshotStatus status_of(const ClusterVolume& volume, const ClusterSnapshot& snapshot) const;
  AttachmentStatus attachment_of(const ClusterVolume& volume) const;
  GroupInSync in_sync_of(const GroupRecord& group) const;
  PeerStatus peer_status_of(const NodeRecord& node) const;

  std::unique_ptr<PluginLibrary> metadata_library_;
  std::vector<ServiceOption> metadata_options_;
  NodeTransports transports_;

  UringLoop* loop_ = nullptr;  // while started
  std::string node_name_;
  std::string version_;
  std::unique_ptr<PluginMetadata> metadata_;
  std::unique_ptr<WaitList> changed_;
  std::unique_ptr<TaskGroup> tasks_;
  uint64_t boot_ = 0;  // of this process
  Uuid id_{};
  std::string state_ = "starting";
  std::unique_ptr<ClusterNode> node_;
  std::unique_ptr<ClusterVolumes> volumes_;
  bool joined_ = false;
  bool ending_ = false;
  bool waits_ended_ = false;
  bool node_stopped_ = false;
};

}  // namespace varve
