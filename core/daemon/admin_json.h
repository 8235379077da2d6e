// The admin API's JSON: what a request's body says, and replies. nlohmann-json stays in
// admin_json.cc.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/daemon/admin_api.h"

namespace varve {

// The members of a request's body. Every member must be taken; what is wrong is kept for status(),
// the first of it. What is not there, and not required, is empty, 0 or false.
class AdminBody {
 public:
  explicit AdminBody(const std::string& text);
  ~AdminBody();
  AdminBody(const AdminBody&) = delete;
  AdminBody& operator=(const AdminBody&) = delete;

  std::string take_string(const char* key, bool required);
  uint64_t take_number(const char* key, bool required, uint64_t max);
  std::vector<std::string> take_strings(const char* key);
  bool take_bool(const char* key);
  std::optional<VolumeTier> take_tier(bool required);  // of "tier"
  Status status() const;

 private:
  struct Members;
  std::unique_ptr<Members> members_;
};

AdminReply node_reply(const NodeStatus& node);
AdminReply volumes_reply(const std::vector<VolumeStatus>& volumes);
AdminReply volume_reply(const VolumeStatus& volume);
AdminReply volume_reply(int status, const VolumeStatus& volume, const std::string& message);
AdminReply created_reply(const CreatedVolume& created, const std::string& message);
AdminReply snapshots_reply(const std::vector<SnapshotStatus>& snapshots);
AdminReply snapshots_made_reply(const std::vector<SnapshotStatus>& snapshots);
AdminReply snapshot_reply(const SnapshotStatus& snapshot);
AdminReply snapshot_deleted_reply(const SnapshotStatus& snapshot);
AdminReply changes_reply(const ChangesPage& changes);
AdminReply disk_groups_reply(const std::vector<GroupStatus>& groups);
AdminReply operation_reply(int status, const OperationStatus& operation);
AdminReply cluster_reply(const ClusterInitialised& cluster);
AdminReply nodes_reply(const std::vector<ClusterNodeStatus>& nodes);
AdminReply attachment_reply(const AttachmentStatus& attachment);

}  // namespace varve
