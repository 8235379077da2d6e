#include "core/daemon/metrics.h"

#include <functional>
#include <string_view>

#include "core/base/text.h"
#include "core/base/units.h"

namespace varve {
namespace {

// A label's value may hold anything; three characters have a meaning.
std::string label(std::string_view name, std::string_view value) {
  std::string out = text(name, "=\"");
  for (const char letter : value) {
    if (letter == '\\' || letter == '"') out += '\\';
    if (letter == '\n') {
      out += "\\n";
    } else {
      out += letter;
    }
  }
  return out + "\"";
}

void begin(std::string& out, std::string_view name, std::string_view type, std::string_view help) {
  out += text("# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
}

void sample(std::string& out, std::string_view name, std::string_view labels, uint64_t value) {
  out += name;
  if (!labels.empty()) out += text("{", labels, "}");
  out += text(" ", value, "\n");
}

struct GroupMetric {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  uint64_t (*value)(const GroupStatus& group);
};

constexpr GroupMetric kGroupMetrics[] = {
    {"varve_disk_group_device_bytes", "gauge", "Size of the devices.",
     [](const GroupStatus& group) { return group.device_bytes; }},
    {"varve_disk_group_capacity_bytes", "gauge", "Data that fits after reserves.",
     [](const GroupStatus& group) { return group.stats.capacity_blocks * kBlockBytes; }},
    {"varve_disk_group_live_bytes", "gauge", "Blocks that volumes hold.",
     [](const GroupStatus& group) { return group.stats.live_blocks * kBlockBytes; }},
    {"varve_disk_group_dead_bytes", "gauge", "Old blocks, headers and footers in used segments.",
     [](const GroupStatus& group) { return group.dead_bytes; }},
    {"varve_disk_group_write_limit_bytes", "gauge", "Live bytes at which writes wait.",
     [](const GroupStatus& group) { return group.stats.write_limit_blocks * kBlockBytes; }},
    {"varve_disk_group_slots", "gauge", "Segment slots of the SSD.",
     [](const GroupStatus& group) { return group.stats.slot_count; }},
    {"varve_disk_group_free_slots", "gauge", "Segment slots of the SSD that hold nothing.",
     [](const GroupStatus& group) { return group.stats.free_slot_count; }},
    {"varve_disk_group_damaged_blocks", "gauge", "Blocks known to fail their checksum.",
     [](const GroupStatus& group) { return group.stats.damaged_blocks; }},
    {"varve_disk_group_repaired_blocks_total", "counter", "Damaged blocks fetched from elsewhere.",
     [](const GroupStatus& group) { return group.stats.repaired_blocks; }},
    {"varve_disk_group_scrubbed_bytes_total", "counter", "Read and checked in the background.",
     [](const GroupStatus& group) { return group.stats.scrub.checked_blocks * kBlockBytes; }},
    {"varve_disk_group_scrub_passes_total", "counter", "Passes in which everything was checked.",
     [](const GroupStatus& group) { return group.stats.scrub.passes_done; }},
    {"varve_disk_group_scrub_bad_blocks_total", "counter", "Bad blocks that these checks found.",
     [](const GroupStatus& group) { return group.stats.scrub.bad_blocks; }},
    {"varve_disk_group_failed", "gauge", "1 after a device write failed: reads only.",
     [](const GroupStatus& group) { return uint64_t{group.stats.failed}; }},
    {"varve_disk_group_waiting_writes", "gauge", "Writes that wait for space.",
     [](const GroupStatus& group) { return group.waiting_write_count; }},
    {"varve_disk_group_map_bytes", "gauge", "Memory that the map takes.",
     [](const GroupStatus& group) { return group.stats.map_bytes; }},
    {"varve_disk_group_slot_table_bytes", "gauge", "Memory that the table of segments takes.",
     [](const GroupStatus& group) { return group.stats.slot_table_bytes; }},
    {"varve_disk_group_log_buffer_bytes", "gauge",
     "Memory of the log's batches, beside the budget.",
     [](const GroupStatus& group) { return group.stats.log_buffer_bytes; }},
    {"varve_disk_group_memory_bytes", "gauge",
     "Memory that map, table of segments and read cache take together.",
     [](const GroupStatus& group) { return group.stats.memory_bytes(); }},
    {"varve_disk_group_memory_max_bytes", "gauge", "What they may take: memory_max of the config.",
     [](const GroupStatus& group) { return group.stats.memory_max_bytes; }},
    {"varve_disk_group_user_blocks_written_total", "counter", "Blocks written for clients.",
     [](const GroupStatus& group) { return group.stats.user_blocks_written; }},
    {"varve_disk_group_relocated_blocks_written_total", "counter", "Blocks moved by cleaning.",
     [](const GroupStatus& group) { return group.stats.relocated_blocks_written; }},
    {"varve_disk_group_header_blocks_written_total", "counter", "Batch and segment headers.",
     [](const GroupStatus& group) { return group.stats.header_blocks_written; }},
    {"varve_disk_group_footer_blocks_written_total", "counter", "Segment footers.",
     [](const GroupStatus& group) { return group.stats.footer_blocks_written; }},
    {"varve_disk_group_group_commits_total", "counter", "User batches made durable.",
     [](const GroupStatus& group) { return group.stats.group_commit_count; }},
    {"varve_disk_group_device_writes_total", "counter", "Writes sent to the device.",
     [](const GroupStatus& group) { return group.stats.device_write_count; }},
    {"varve_disk_group_segments_cleaned_total", "counter", "Segments emptied for reuse.",
     [](const GroupStatus& group) { return group.stats.segments_cleaned; }},
    {"varve_disk_group_sinking", "gauge", "1 while the SSD is so full that blocks sink to HDDs.",
     [](const GroupStatus& group) { return uint64_t{group.stats.sinking}; }},
    {"varve_disk_group_demoted_blocks_written_total", "counter", "Blocks sunk from SSD to HDD.",
     [](const GroupStatus& group) { return group.stats.demoted_blocks_written; }},
    {"varve_disk_group_packed_blocks_written_total", "counter",
     "Blocks moved within HDDs, to win back room.",
     [](const GroupStatus& group) { return group.stats.packed_blocks_written; }},
    {"varve_disk_group_read_cache_hit_blocks_total", "counter",
     "Blocks on HDDs that were read from the SSD.",
     [](const GroupStatus& group) { return group.stats.read_cache.hit_blocks; }},
    {"varve_disk_group_read_cache_missed_blocks_total", "counter",
     "Blocks that were read from HDDs.",
     [](const GroupStatus& group) { return group.stats.read_cache.missed_blocks; }},
    {"varve_disk_group_read_cache_filled_blocks_total", "counter",
     "Blocks read from HDDs that were let in.",
     [](const GroupStatus& group) { return group.stats.read_cache.filled_blocks; }},
    {"varve_disk_group_read_cache_bypassed_blocks_total", "counter",
     "Blocks of sequential reads from HDDs.",
     [](const GroupStatus& group) { return group.stats.read_cache.bypassed_blocks; }},
    {"varve_disk_group_read_cache_bad_blocks_total", "counter",
     "Blocks that had gone bad in the read cache.",
     [](const GroupStatus& group) { return group.stats.read_cache.bad_blocks; }},
    {"varve_disk_group_read_cache_held_blocks", "gauge", "Blocks in the read cache.",
     [](const GroupStatus& group) { return group.stats.read_cache.held_blocks; }},
    {"varve_disk_group_read_cache_room_blocks", "gauge",
     "Blocks that fit into the read cache's slots.",
     [](const GroupStatus& group) { return group.stats.read_cache.room_blocks; }},
    {"varve_disk_group_read_cache_memory_bytes", "gauge",
     "Memory that the read cache's index takes.",
     [](const GroupStatus& group) { return group.stats.read_cache.memory_bytes; }},
};

struct DeviceMetric {
  std::string_view name;
  std::string_view help;
  uint64_t (*value)(const DeviceStatus& device);
};

constexpr DeviceMetric kDeviceMetrics[] = {
    {"varve_device_bytes", "Size of the device.",
     [](const DeviceStatus& device) { return device.device_bytes; }},
    {"varve_device_capacity_bytes", "Data that fits after reserves.",
     [](const DeviceStatus& device) { return device.stats.capacity_blocks * kBlockBytes; }},
    {"varve_device_live_bytes", "Blocks that volumes hold.",
     [](const DeviceStatus& device) { return device.stats.live_blocks * kBlockBytes; }},
    {"varve_device_dead_bytes", "Old blocks, headers and footers in used segments.",
     [](const DeviceStatus& device) { return device.dead_bytes; }},
    {"varve_device_slots", "Segment slots.",
     [](const DeviceStatus& device) { return device.stats.slot_count; }},
    {"varve_device_free_slots", "Segment slots that hold nothing.",
     [](const DeviceStatus& device) { return device.stats.free_slot_count; }},
    {"varve_device_write_failed", "1 after a write to it failed: its disk group only reads.",
     [](const DeviceStatus& device) { return uint64_t{device.stats.failed}; }},
};

// Of the disk groups that serve: `value` of each device, or of those that are in use.
template <typename Value>
void add_device_samples(std::string& out, std::string_view name, const NodeStatus& node,
                        bool in_use, const Value& value) {
  for (const GroupStatus& group : node.disk_groups) {
    if (group.state != GroupState::kServing) continue;
    for (const DeviceStatus& device : group.devices) {
      if (in_use && !device.serving) continue;
      const std::string labels =
          text(label("disk_group", group.name), ",", label("device", device.path), ",",
               label("tier", device.tier));
      sample(out, name, labels, value(device));
    }
  }
}

void add_devices(std::string& out, const NodeStatus& node) {
  begin(out, "varve_device_serving", "gauge", "1 while its disk group uses the device.");
  add_device_samples(out, "varve_device_serving", node, false,
                     [](const DeviceStatus& device) { return uint64_t{device.serving}; });
  for (const DeviceMetric& metric : kDeviceMetrics) {
    begin(out, metric.name, "gauge", metric.help);
    add_device_samples(out, metric.name, node, true, metric.value);
  }
}

void add_groups(std::string& out, const NodeStatus& node) {
  begin(out, "varve_disk_group_serving", "gauge", "1 while the disk group serves its volumes.");
  for (const GroupStatus& group : node.disk_groups) {
    sample(out, "varve_disk_group_serving", label("disk_group", group.name),
           group.state == GroupState::kServing ? 1 : 0);
  }
  for (const GroupMetric& metric : kGroupMetrics) {
    begin(out, metric.name, metric.type, metric.help);
    for (const GroupStatus& group : node.disk_groups) {
      if (group.state != GroupState::kServing) continue;
      sample(out, metric.name, label("disk_group", group.name), metric.value(group));
    }
  }
}

void add_volumes(std::string& out, const NodeStatus& node) {
  const auto add = [&](std::string_view name, std::string_view help, const auto& value) {
    begin(out, name, "gauge", help);
    for (const VolumeStatus& volume : node.volumes) {
      sample(out, name,
             text(label("volume", volume.name), ",", label("disk_group", volume.disk_group)),
             value(volume));
    }
  };
  add("varve_volume_size_bytes", "Size that clients see.",
      [](const VolumeStatus& volume) { return volume.size_bytes; });
  add("varve_volume_used_bytes", "Blocks that hold data.",
      [](const VolumeStatus& volume) { return volume.used_bytes; });
  add("varve_volume_in_use", "1 while a client has the volume open.",
      [](const VolumeStatus& volume) { return uint64_t{volume.in_use}; });
}

void add_services(std::string& out, const NodeStatus& node) {
  const auto add = [&](std::string_view name, std::string_view help, const auto& value) {
    begin(out, name, "gauge", help);
    // Two sections may run the same plugin: their place in the config tells them apart.
    for (size_t i = 0; i < node.services.size(); ++i) {
      sample(out, name,
             text(label("plugin", node.services[i].plugin), ",", label("service", text(i))),
             value(node.services[i]));
    }
  };
  add("varve_service_serving", "1 while the service takes clients.",
      [](const ServiceStatus& service) { return uint64_t{service.serving}; });
  add("varve_service_open_volumes", "Volumes that clients have open.",
      [](const ServiceStatus& service) { return service.open_volume_count; });
  add("varve_service_operations_in_flight", "Operations that are not answered yet.",
      [](const ServiceStatus& service) { return service.in_flight_count; });
}

void add_cluster(std::string& out, const ClusterStatus& cluster) {
  const auto add = [&out](std::string_view name, std::string_view help, uint64_t value) {
    begin(out, name, "gauge", help);
    sample(out, name, "", value);
  };
  add("varve_cluster_joined", "1 while the node is part of its cluster.", cluster.joined);
  if (!cluster.joined) return;
  add("varve_cluster_groups", "Groups of the whole cluster.", cluster.group_count);
  add("varve_cluster_degraded_groups", "Groups of which not all members are in sync.",
      cluster.degraded_group_count);
  add("varve_cluster_silent_primaries", "Groups whose primary was not heard of lately.",
      cluster.silent_primary_count);
  add("varve_cluster_silent_nodes", "Nodes that were not heard of lately.",
      cluster.silent_nodes.size());
  add("varve_cluster_offices", "Groups that this node is the primary of.", cluster.office_count);
  begin(out, "varve_peer_connected", "gauge", "1 for the transport over which a node is reached.");
  for (const PeerStatus& peer : cluster.peers) {
    if (!peer.transport.empty())
      sample(out, "varve_peer_connected",
             text(label("node", peer.node), ",", label("transport", peer.transport)), 1);
  }
  begin(out, "varve_peer_on_fallback", "gauge", "1 while it is not the most wanted transport.");
  for (const PeerStatus& peer : cluster.peers)
    sample(out, "varve_peer_on_fallback", label("node", peer.node), !peer.fallback.empty());
  begin(out, "varve_peer_fallbacks_total", "counter", "Connections over a less wanted transport.");
  for (const PeerStatus& peer : cluster.peers)
    sample(out, "varve_peer_fallbacks_total", label("node", peer.node), peer.fallback_count);
}

}  // namespace

std::string metrics_text(const NodeStatus& node) {
  std::string out;
  begin(out, "varve_ready", "gauge", "1 while the node serves.");
  sample(out, "varve_ready", "", node.state == NodeState::kReady ? 1 : 0);
  add_groups(out, node);
  add_devices(out, node);
  add_volumes(out, node);
  add_services(out, node);
  if (node.cluster) add_cluster(out, *node.cluster);
  if (node.certificate_expires > 0) {
    constexpr std::string_view kExpiry = "varve_certificate_expiry_timestamp_seconds";
    begin(out, kExpiry, "gauge", "When this node's certificate expires, as Unix time.");
    sample(out, kExpiry, "", static_cast<uint64_t>(node.certificate_expires));
  }
  begin(out, "varve_loop_enters_total", "counter", "io_uring_enter system calls of the shard.");
  sample(out, "varve_loop_enters_total", "", node.loop.enter_count);
  begin(out, "varve_loop_submissions_total", "counter", "Requests given to the kernel.");
  sample(out, "varve_loop_submissions_total", "", node.loop.submission_count);
  begin(out, "varve_loop_completions_total", "counter", "Requests that the kernel answered.");
  sample(out, "varve_loop_completions_total", "", node.loop.completion_count);
  return out;
}

}  // namespace varve
