#include "core/daemon/node_status.h"

#include "core/base/text.h"

namespace varve {
namespace {

// The devices that failed, or the SSD where nobody knows.
std::string failed_paths(const GroupStatus& group) {
  std::string paths;
  for (const DeviceStatus& device : group.devices) {
    if (!device.stats.failed) continue;
    paths += text(paths.empty() ? "" : ", ", device.tier == "hdd" ? "HDD " : "", device.path);
  }
  return paths.empty() ? group.path : paths;
}

void add_group_problems(const GroupStatus& group, std::vector<std::string>& problems) {
  const std::string subject = text("disk group ", group.name);
  if (group.state == GroupState::kNotFormatted) {
    problems.push_back(text(subject, " is not formatted: run varve disk add ", group.name));
  } else if (group.state == GroupState::kNotServed) {
    problems.push_back(text(subject, " is not served: ", group.reason));
  }
  if (group.state != GroupState::kServing) return;
  const StoreStats& stats = group.stats;
  if (stats.failed) {
    problems.push_back(text(subject, " takes no writes: a write to ", failed_paths(group),
                            " failed; reads go on. Look at the device, then restart varved"));
  }
  for (const DeviceStatus& device : group.devices) {
    if (device.serving) continue;
    problems.push_back(text(subject, " does not use HDD ", device.path, ": ", device.reason,
                            "; varve disk add ", group.name, " adds it"));
  }
  if (stats.damaged_blocks > 0) {
    problems.push_back(text(subject, " has ", stats.damaged_blocks,
                            " damaged blocks: reading them fails with an I/O error"));
  }
  const uint32_t full_percent = fill_basis_points(stats) / 100;
  if (group.waiting_write_count > 0) {
    problems.push_back(text(subject, " is full (", full_percent, "%): ", group.waiting_write_count,
                            " writes wait for space; trim or delete volumes"));
  } else if (full_percent >= kCreateRefusedPercent) {
    problems.push_back(text(subject, " is ", full_percent, "% full: new volumes are refused from ",
                            kCreateRefusedPercent, "%, writes wait from ", kWritesWaitPercent,
                            "%"));
  }
}

void add_twins(const NodeStatus& node, std::vector<std::string>& problems) {
  for (size_t i = 1; i < node.volumes.size(); ++i) {
    const VolumeStatus& left = node.volumes[i - 1];
    const VolumeStatus& right = node.volumes[i];
    if (left.name != right.name) continue;
    problems.push_back(text("volume ", left.name, " is on disk groups ", left.disk_group, " and ",
                            right.disk_group,
                            ": not served until one is deleted (varve volume "
                            "delete ",
                            left.name, " --disk-group GROUP)"));
  }
}

void add_missing_keys(const NodeStatus& node, std::vector<std::string>& problems) {
  for (const VolumeStatus& volume : node.volumes) {
    if (volume.key_is_here) continue;
    problems.push_back(text("volume ", volume.name,
                            " is not served: this node's key file does not ",
                            "have its wrapping key ", volume.wrapping_key));
  }
}

void add_cluster_problems(const ClusterStatus& cluster, std::vector<std::string>& problems) {
  if (cluster.name_taken) {
    problems.push_back(
        "another daemon has registered under this node's name: stop one of them, and "
        "give each node a name of its own");
  }
  if (!cluster.joined) problems.push_back(text("cluster: ", cluster.state));
  for (const std::string& node : cluster.silent_nodes)
    problems.push_back(text("node ", node, " is silent"));
  if (cluster.degraded_group_count > 0) {
    problems.push_back(text(cluster.degraded_group_count, " of ", cluster.group_count,
                            " groups are degraded: not all members are in sync"));
  }
  if (cluster.silent_primary_count > 0) {
    problems.push_back(text(cluster.silent_primary_count, " of ", cluster.group_count,
                            " groups wait for a primary: its node is silent"));
  }
  for (const TierDifferenceStatus& one : cluster.tier_differences) {
    problems.push_back(text("volume ", one.volume, " has tier ", one.held, " on disk group ",
                            one.disk_group, " of this node, not ", one.wanted, ": ", one.why));
  }
  for (const auto& [key, why] : cluster.unreadable)
    problems.push_back(text("metadata record ", key, " cannot be read: ", why));
  if (!cluster.metadata_problem.empty())
    problems.push_back(text("metadata plugin: ", cluster.metadata_problem));
  for (const TransportStatus& transport : cluster.transports) {
    if (!transport.problem.empty())
      problems.push_back(text("transport ", transport.name, " is not used: ", transport.problem));
  }
  for (const PeerStatus& peer : cluster.peers)
    if (!peer.problem.empty()) problems.push_back(text("node ", peer.node, ": ", peer.problem));
}

}  // namespace

std::string_view group_state_name(GroupState state) {
  switch (state) {
    case GroupState::kRecovering:
      return "recovering";
    case GroupState::kServing:
      return "serving";
    case GroupState::kFormatting:
      return "formatting";
    case GroupState::kNotFormatted:
      return "not formatted";
    case GroupState::kNotServed:
      return "not served";
  }
  return "unknown";
}

std::string_view node_state_name(NodeState state) {
  switch (state) {
    case NodeState::kStarting:
      return "starting";
    case NodeState::kReady:
      return "ready";
    case NodeState::kStopping:
      return "stopping";
  }
  return "unknown";
}

std::string_view operation_state_name(OperationStatus::State state) {
  switch (state) {
    case OperationStatus::State::kRunning:
      return "running";
    case OperationStatus::State::kDone:
      return "done";
    case OperationStatus::State::kFailed:
      return "failed";
  }
  return "unknown";
}

uint32_t fill_basis_points(const StoreStats& stats) {
  if (stats.capacity_blocks == 0) return 0;
  return static_cast<uint32_t>(stats.live_blocks * 10000 / stats.capacity_blocks);
}

std::vector<std::string> problems_of(const NodeStatus& node) {
  std::vector<std::string> problems;
  for (const GroupStatus& group : node.disk_groups) add_group_problems(group, problems);
  if (node.cluster)
    add_cluster_problems(*node.cluster, problems);
  else
    add_twins(node, problems);
  add_missing_keys(node, problems);
  for (const ServiceStatus& service : node.services) {
    if (service.reason.empty()) continue;
    problems.push_back(text("service ", service.plugin, " does not serve: ", service.reason));
  }
  if (!node.certificate_problem.empty()) problems.push_back(node.certificate_problem);
  return problems;
}

}  // namespace varve
