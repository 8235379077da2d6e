#include "core/daemon/admin_backend.h"

#include <chrono>
#include <ctime>

#include "core/daemon/cluster_member.h"
#include "core/daemon/shard_call.h"

namespace varve {
namespace {

constexpr std::chrono::milliseconds kStatusDeadline(5'000);
constexpr std::chrono::milliseconds kChangeDeadline(30'000);  // waits for durable writes

Status no_cluster() {
  return {ErrorCode::kUnsupported,
          "this node is in no cluster: its config has no [metadata] and [transport]"};
}

}  // namespace

Result<NodeStatus> ShardBackend::status() {
  auto status = call_shard<NodeStatus>(loop_, node_.requests(), kStatusDeadline,
                                       [this] { return node_.status_later(); });
  if (!status.ok()) return status;
  status->certificate_expires = gate_.certificate_expires();
  status->certificate_problem = gate_.certificate_problem(std::time(nullptr));
  return status;
}

Result<CreatedVolume> ShardBackend::create_volume(const CreateVolume& request) {
  return call_shard<CreatedVolume>(loop_, node_.requests(), kChangeDeadline,
                                   [this, request] { return node_.create_volume(request); });
}

Result<ChangedVolume> ShardBackend::resize_volume(const ResizeVolume& request) {
  return call_shard<ChangedVolume>(loop_, node_.requests(), kChangeDeadline,
                                   [this, request] { return node_.resize_volume(request); });
}

Result<ChangedVolume> ShardBackend::set_volume_tier(const SetVolumeTier& request) {
  return call_shard<ChangedVolume>(loop_, node_.requests(), kChangeDeadline,
                                   [this, request] { return node_.set_volume_tier(request); });
}

Result<VolumeStatus> ShardBackend::rewrap_volume(const RewrapVolume& request) {
  return call_shard<VolumeStatus>(loop_, node_.requests(), kChangeDeadline,
                                  [this, request] { return node_.rewrap_volume(request); });
}

Result<VolumeStatus> ShardBackend::delete_volume(const std::string& name,
                                                 const std::string& disk_group) {
  return call_shard<VolumeStatus>(
      loop_, node_.requests(), kChangeDeadline,
      [this, name, disk_group] { return node_.delete_volume(name, disk_group); });
}

Result<std::vector<SnapshotStatus>> ShardBackend::create_snapshots(
    const std::vector<std::string>& names) {
  return call_shard<std::vector<SnapshotStatus>>(
      loop_, node_.requests(), kChangeDeadline,
      [this, names] { return node_.create_snapshots(names); });
}

Result<std::vector<SnapshotStatus>> ShardBackend::snapshots(const std::string& volume) {
  return call_shard<std::vector<SnapshotStatus>>(
      loop_, node_.requests(), kStatusDeadline, [this, volume] { return node_.snapshots(volume); });
}

Result<SnapshotStatus> ShardBackend::snapshot(const std::string& name) {
  return call_shard<SnapshotStatus>(loop_, node_.requests(), kChangeDeadline,
                                    [this, name] { return node_.snapshot(name); });
}

Result<SnapshotStatus> ShardBackend::delete_snapshot(const std::string& name) {
  return call_shard<SnapshotStatus>(loop_, node_.requests(), kChangeDeadline,
                                    [this, name] { return node_.delete_snapshot(name); });
}

Result<VolumeStatus> ShardBackend::roll_back(const std::string& snapshot) {
  return call_shard<VolumeStatus>(loop_, node_.requests(), kChangeDeadline,
                                  [this, snapshot] { return node_.roll_back(snapshot); });
}

Result<VolumeStatus> ShardBackend::clone_volume(const CloneVolume& request) {
  return call_shard<VolumeStatus>(loop_, node_.requests(), kChangeDeadline,
                                  [this, request] { return node_.clone_volume(request); });
}

Result<ChangesPage> ShardBackend::changes(const AskChanges& request) {
  return call_shard<ChangesPage>(loop_, node_.requests(), kChangeDeadline,
                                 [this, request] { return node_.changes(request); });
}

Result<OperationStatus> ShardBackend::add_disk(const AddDisk& request) {
  return call_shard<OperationStatus>(loop_, node_.requests(), kStatusDeadline,
                                     [this, request] { return node_.add_disk(request); });
}

Result<OperationStatus> ShardBackend::scrub(const std::string& disk_group,
                                            uint64_t bytes_per_second) {
  return call_shard<OperationStatus>(
      loop_, node_.requests(), kStatusDeadline,
      [this, disk_group, bytes_per_second] { return node_.scrub(disk_group, bytes_per_second); });
}

Result<OperationStatus> ShardBackend::operation(uint64_t id) {
  return call_shard<OperationStatus>(loop_, node_.requests(), kStatusDeadline,
                                     [this, id] { return node_.operation(id); });
}

Result<ClusterInitialised> ShardBackend::cluster_init(uint32_t copies) {
  ClusterMember* const cluster = node_.cluster();
  if (cluster == nullptr) return no_cluster();
  return call_shard<ClusterInitialised>(loop_, node_.requests(), kChangeDeadline,
                                        [cluster, copies] { return cluster->init(copies); });
}

Result<std::vector<ClusterNodeStatus>> ShardBackend::nodes() {
  ClusterMember* const cluster = node_.cluster();
  if (cluster == nullptr) return no_cluster();
  return call_shard<std::vector<ClusterNodeStatus>>(loop_, node_.requests(), kStatusDeadline,
                                                    [cluster] { return cluster->nodes(); });
}

Result<AttachmentStatus> ShardBackend::attach(const std::string& volume, bool force) {
  ClusterMember* const cluster = node_.cluster();
  if (cluster == nullptr) return no_cluster();
  return call_shard<AttachmentStatus>(
      loop_, node_.requests(), kChangeDeadline,
      [cluster, volume, force] { return cluster->attach(volume, force); });
}

Result<AttachmentStatus> ShardBackend::detach(const std::string& volume, bool force) {
  ClusterMember* const cluster = node_.cluster();
  if (cluster == nullptr) return no_cluster();
  return call_shard<AttachmentStatus>(
      loop_, node_.requests(), kChangeDeadline,
      [cluster, volume, force] { return cluster->detach(volume, force); });
}

}  // namespace varve
