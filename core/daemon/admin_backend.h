// AdminBackend: what the admin API can ask the node. ShardBackend asks a real one.
//
// Thread rule: any thread but the shard's; calls block until the answer is there or the deadline
// has passed (kBusy).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/daemon/admin_gate.h"
#include "core/daemon/cluster_status.h"
#include "core/daemon/disk_add.h"
#include "core/daemon/node.h"
#include "core/daemon/node_status.h"
#include "core/daemon/node_volumes.h"
#include "core/runtime/uring_loop.h"

namespace varve {

class AdminBackend {
 public:
  virtual ~AdminBackend() = default;
  virtual Result<NodeStatus> status() = 0;
  virtual Result<CreatedVolume> create_volume(const CreateVolume& request) = 0;
  virtual Result<ChangedVolume> resize_volume(const ResizeVolume& request) = 0;
  virtual Result<ChangedVolume> set_volume_tier(const SetVolumeTier& request) = 0;
  virtual Result<VolumeStatus> rewrap_volume(const RewrapVolume& request) = 0;
  virtual Result<VolumeStatus> delete_volume(const std::string& name,
                                             const std::string& disk_group) = 0;
  // Snapshots are named VOLUME@SNAPSHOT. kUnsupported, of roll_back() and what follows: the node is
  // in a cluster.
  virtual Result<std::vector<SnapshotStatus>> create_snapshots(
      const std::vector<std::string>& names) = 0;
  virtual Result<std::vector<SnapshotStatus>> snapshots(const std::string& volume) = 0;
  virtual Result<SnapshotStatus> snapshot(const std::string& name) = 0;
  virtual Result<SnapshotStatus> delete_snapshot(const std::string& name) = 0;
  virtual Result<VolumeStatus> roll_back(const std::string& snapshot) = 0;
  virtual Result<VolumeStatus> clone_volume(const CloneVolume& request) = 0;
  virtual Result<ChangesPage> changes(const AskChanges& request) = 0;
  virtual Result<OperationStatus> add_disk(const AddDisk& request) = 0;
  virtual Result<OperationStatus> scrub(const std::string& disk_group,
                                        uint64_t bytes_per_second) = 0;
  virtual Result<OperationStatus> operation(uint64_t id) = 0;
  // kUnsupported, this and what follows: the node is in no cluster.
  virtual Result<ClusterInitialised> cluster_init(uint32_t copies) = 0;
  virtual Result<std::vector<ClusterNodeStatus>> nodes() = 0;
  virtual Result<AttachmentStatus> attach(const std::string& volume, bool force) = 0;
  virtual Result<AttachmentStatus> detach(const std::string& volume, bool force) = 0;
};

// Ownership: borrows all three; they must outlive it and every call on it.
class ShardBackend final : public AdminBackend {
 public:
  ShardBackend(UringLoop& loop, Node& node, const AdminGate& gate)
      : loop_(loop), node_(node), gate_(gate) {}

  Result<NodeStatus> status() override;
  Result<CreatedVolume> create_volume(const CreateVolume& request) override;
  Result<ChangedVolume> resize_volume(const ResizeVolume& request) override;
  Result<ChangedVolume> set_volume_tier(const SetVolumeTier& request) override;
  Result<VolumeStatus> rewrap_volume(const RewrapVolume& request) override;
  Result<VolumeStatus> delete_volume(const std::string& name,
                                     const std::string& disk_group) override;
  Result<std::vector<SnapshotStatus>> create_snapshots(
      const std::vector<std::string>& names) override;
  Result<std::vector<SnapshotStatus>> snapshots(const std::string& volume) override;
  Result<SnapshotStatus> snapshot(const std::string& name) override;
  Result<SnapshotStatus> delete_snapshot(const std::string& name) override;
  Result<VolumeStatus> roll_back(const std::string& snapshot) override;
  Result<VolumeStatus> clone_volume(const CloneVolume& request) override;
  Result<ChangesPage> changes(const AskChanges& request) override;
  Result<OperationStatus> add_disk(const AddDisk& request) override;
  Result<OperationStatus> scrub(const std::string& disk_group, uint64_t bytes_per_second) override;
  Result<OperationStatus> operation(uint64_t id) override;
  Result<ClusterInitialised> cluster_init(uint32_t copies) override;
  Result<std::vector<ClusterNodeStatus>> nodes() override;
  Result<AttachmentStatus> attach(const std::string& volume, bool force) override;
  Result<AttachmentStatus> detach(const std::string& volume, bool force) override;

 private:
  UringLoop& loop_;
  Node& node_;
  const AdminGate& gate_;
};

}  // namespace varve
