#include "core/daemon/admin_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/base/units.h"
#include "core/cluster/record_text.h"
#include "core/daemon/http_status.h"

namespace varve {
namespace {

using Json = nlohmann::json;

AdminReply reply_json(int status, const Json& body) {
  // Names come from disk and config: bytes that are no UTF-8 must not stop the answer.
  return {status, body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"};
}

Json to_json(const VolumeStatus& volume) {
  Json json = {{"name", volume.name},
               {"disk_group", volume.disk_group},
               {"size_bytes", volume.size_bytes},
               {"used_bytes", volume.used_bytes},
               {"tier", tier_name(volume.tier)},
               {"in_use", volume.in_use}};
  if (!volume.wrapping_key.empty()) {
    json["wrapping_key"] = volume.wrapping_key;
    json["key_is_here"] = volume.key_is_here;
  }
  if (volume.copies == 0) return json;
  json["copies"] = volume.copies;
  json["attached_on"] = volume.attached_on;
  return json;
}

Json to_json(const SnapshotStatus& snapshot) {
  return {{"volume", snapshot.volume},
          {"name", snapshot.name},
          {"disk_group", snapshot.disk_group},
          {"size_bytes", snapshot.size_bytes},
          {"created_seconds", snapshot.created_seconds},
          {"in_use", snapshot.in_use}};
}

Json to_json(const ChangesPage::Run& run) {
  return {{"offset", run.offset}, {"bytes", run.bytes}};
}

Json to_json(const Progress& progress) {
  return {{"done", progress.done}, {"total", progress.total}};
}

Json to_json(const OperationStatus& operation) {
  return {{"id", operation.id},
          {"what", operation.what},
          {"state", operation_state_name(operation.state)},
          {"step", operation.step},
          {"progress", to_json(operation.progress)},
          {"message", operation.message}};
}

Json to_json(const StoreStats& stats) {
  return {{"slot_count", stats.slot_count},
          {"free_slot_count", stats.free_slot_count},
          {"user_blocks_written", stats.user_blocks_written},
          {"relocated_blocks_written", stats.relocated_blocks_written},
          {"header_blocks_written", stats.header_blocks_written},
          {"footer_blocks_written", stats.footer_blocks_written},
          {"group_commit_count", stats.group_commit_count},
          {"device_write_count", stats.device_write_count},
          {"segments_cleaned", stats.segments_cleaned},
          {"demoted_blocks_written", stats.demoted_blocks_written},
          {"packed_blocks_written", stats.packed_blocks_written},
          {"read_cache_hit_blocks", stats.read_cache.hit_blocks},
          {"read_cache_missed_blocks", stats.read_cache.missed_blocks},
          {"read_cache_filled_blocks", stats.read_cache.filled_blocks},
          {"read_cache_bypassed_blocks", stats.read_cache.bypassed_blocks},
          {"read_cache_bad_blocks", stats.read_cache.bad_blocks},
          {"read_cache_held_blocks", stats.read_cache.held_blocks},
          {"read_cache_room_blocks", stats.read_cache.room_blocks},
          {"read_cache_memory_bytes", stats.read_cache.memory_bytes},
          {"map_bytes", stats.map_bytes},
          {"slot_table_bytes", stats.slot_table_bytes},
          {"log_buffer_bytes", stats.log_buffer_bytes},
          {"memory_bytes", stats.memory_bytes()},
          {"memory_max_bytes", stats.memory_max_bytes}};
}

Json to_json(const ScrubStats& scrub) {
  return {{"passes_done", scrub.passes_done},
          {"checked_bytes", scrub.checked_blocks * kBlockBytes},
          {"bad_blocks", scrub.bad_blocks},
          {"slots_left", scrub.slots_left},
          {"bytes_per_second", scrub.bytes_per_second}};
}

// Blocks beyond what there is room for leave none.
uint64_t free_bytes(uint64_t capacity_blocks, uint64_t live_blocks) {
  return (capacity_blocks - std::min(capacity_blocks, live_blocks)) * kBlockBytes;
}

Json to_json(const DeviceStatus& device) {
  Json json = {{"path", device.path},
               {"tier", device.tier},
               {"serving", device.serving},
               {"reason", device.reason}};
  if (!device.serving) return json;
  const DeviceStats& stats = device.stats;
  const uint64_t capacity_bytes = stats.capacity_blocks * kBlockBytes;
  json["id"] = uuid_text(stats.id);
  json["device_bytes"] = device.device_bytes;
  json["capacity_bytes"] = capacity_bytes;
  json["reserved_bytes"] = device.device_bytes - std::min(device.device_bytes, capacity_bytes);
  json["live_bytes"] = stats.live_blocks * kBlockBytes;
  json["dead_bytes"] = device.dead_bytes;
  json["free_bytes"] = free_bytes(stats.capacity_blocks, stats.live_blocks);
  json["slot_count"] = stats.slot_count;
  json["free_slot_count"] = stats.free_slot_count;
  json["write_failed"] = stats.failed;
  return json;
}

Json to_json(const GroupStatus& group) {
  Json json = {{"name", group.name},
               {"path", group.path},
               {"state", group_state_name(group.state)},
               {"reason", group.reason},
               {"durability", group.durability},
               {"write_cache", group.write_cache},
               {"devices", Json::array()}};
  for (const DeviceStatus& device : group.devices) json["devices"].push_back(to_json(device));
  if (group.state == GroupState::kRecovering) json["recovery"] = to_json(group.recovery);
  if (group.state != GroupState::kServing) return json;
  const StoreStats& stats = group.stats;
  json["device_bytes"] = group.device_bytes;
  json["capacity_bytes"] = stats.capacity_blocks * kBlockBytes;
  json["live_bytes"] = stats.live_blocks * kBlockBytes;
  json["dead_bytes"] = group.dead_bytes;
  json["free_bytes"] = free_bytes(stats.capacity_blocks, stats.live_blocks);
  json["sinking"] = stats.sinking;
  json["fill_percent"] = fill_basis_points(stats) / 100.0;
  json["create_refused_percent"] = kCreateRefusedPercent;
  json["writes_wait_percent"] = kWritesWaitPercent;
  json["damaged_blocks"] = stats.damaged_blocks;
  json["write_failed"] = stats.failed;
  json["waiting_write_count"] = group.waiting_write_count;
  json["volume_count"] = group.volume_count;
  json["scrub"] = to_json(stats.scrub);
  json["stats"] = to_json(stats);
  return json;
}

Json to_json(const ServiceStatus& service) {
  return {{"plugin", service.plugin},
          {"version", service.version},
          {"serving", service.serving},
          {"reason", service.reason},
          {"open_volume_count", service.open_volume_count},
          {"in_flight_count", service.in_flight_count}};
}

Json to_json(const ClusterNodeStatus& node) {
  return {{"id", node.id},
          {"name", node.name},
          {"address", node.address},
          {"version", node.version},
          {"heard", node.heard},
          {"disk_group_count", node.disk_group_count},
          {"capacity_bytes", node.capacity_bytes},
          {"group_count", node.group_count},
          {"primary_count", node.primary_count}};
}

Json to_json(const GroupInSync& group) {
  return {{"id", group.id},           {"epoch", group.epoch},
          {"members", group.members}, {"in_sync", group.in_sync},
          {"primary", group.primary}, {"office_here", group.office_here}};
}

Json to_json(const TransportStatus& transport) {
  return {{"name", transport.name},
          {"address", transport.address},
          {"used", transport.problem.empty()},
          {"problem", transport.problem}};
}

Json to_json(const PeerStatus& peer) {
  return {{"node", peer.node},       {"transport", peer.transport},
          {"address", peer.address}, {"fallback", peer.fallback},
          {"problem", peer.problem}, {"fallback_count", peer.fallback_count}};
}

Json to_json(const AttachmentStatus& attachment) {
  return {{"volume", attachment.volume},
          {"node", attachment.node},
          {"generation", attachment.generation}};
}

template <typename T>
Json list_json(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(to_json(value));
  return list;
}

Json to_json(const ClusterStatus& cluster) {
  return {{"joined", cluster.joined},
          {"state", cluster.state},
          {"id", cluster.id},
          {"node_id", cluster.node_id},
          {"group_count", cluster.group_count},
          {"degraded_group_count", cluster.degraded_group_count},
          {"silent_primary_count", cluster.silent_primary_count},
          {"office_count", cluster.office_count},
          {"silent_nodes", cluster.silent_nodes},
          {"groups", list_json(cluster.groups)},
          {"transports", list_json(cluster.transports)},
          {"peers", list_json(cluster.peers)}};
}

Json to_json(const NodeStatus& node) {
  Json json = {{"node", node.name},
               {"version", VARVE_VERSION},
               {"state", node_state_name(node.state)},
               {"disk_groups", list_json(node.disk_groups)},
               {"services", list_json(node.services)},
               {"volume_count", node.volumes.size()},
               {"problems", problems_of(node)}};
  if (node.cluster) json["cluster"] = to_json(*node.cluster);
  if (node.certificate_expires != 0) json["certificate_expires_seconds"] = node.certificate_expires;
  return json;
}

}  // namespace

struct AdminBody::Members {
  const Json* take(const char* key, bool required) {
    known += text(known.empty() ? "" : ", ", key);
    if (!json.is_object()) return nullptr;
    const auto found = json.find(key);
    if (found != json.end()) {
      ++taken;
      return &*found;
    }
    if (required) fail(text(key, " is missing"));
    return nullptr;
  }
  void fail(const std::string& why) {
    if (wrong.empty()) wrong = why;
  }

  Json json;
  size_t taken = 0;
  std::string known;
  std::string wrong;
};

AdminBody::AdminBody(const std::string& text) : members_(std::make_unique<Members>()) {
  members_->json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!members_->json.is_object()) members_->fail("the body must be a JSON object");
}

AdminBody::~AdminBody() = default;

std::string AdminBody::take_string(const char* key, bool required) {
  const Json* value = members_->take(key, required);
  if (value == nullptr) return {};
  if (!value->is_string()) members_->fail(text(key, " must be a string"));
  return value->is_string() ? value->get<std::string>() : std::string();
}

uint64_t AdminBody::take_number(const char* key, bool required, uint64_t max) {
  const Json* value = members_->take(key, required);
  if (value == nullptr) return 0;
  const bool fits = value->is_number_unsigned() && value->get<uint64_t>() <= max;
  if (!fits) members_->fail(text(key, " must be a whole number from 0 to ", max));
  return fits ? value->get<uint64_t>() : 0;
}

std::vector<std::string> AdminBody::take_strings(const char* key) {
  const Json* value = members_->take(key, true);
  std::vector<std::string> strings;
  if (value == nullptr) return strings;
  if (!value->is_array() || value->empty()) members_->fail(text(key, " must be a list of strings"));
  for (const Json& item : *value) {
    if (item.is_string())
      strings.push_back(item.get<std::string>());
    else
      members_->fail(text(key, " must be a list of strings"));
  }
  return strings;
}

bool AdminBody::take_bool(const char* key) {
  const Json* value = members_->take(key, false);
  if (value == nullptr) return false;
  if (!value->is_boolean()) members_->fail(text(key, " must be true or false"));
  return value->is_boolean() && value->get<bool>();
}

std::optional<VolumeTier> AdminBody::take_tier(bool required) {
  const Json* value = members_->take("tier", required);
  if (value == nullptr) return std::nullopt;
  std::optional<VolumeTier> tier;
  if (value->is_string()) tier = parse_tier(value->get<std::string>());
  if (!tier) members_->fail(text("tier must be ", kTierNames));
  return tier;
}

Status AdminBody::status() const {
  if (!members_->wrong.empty()) return {ErrorCode::kInvalidArgument, members_->wrong};
  if (members_->taken == members_->json.size()) return {};
  return {ErrorCode::kInvalidArgument,
          text("unknown member in the body; known: ", members_->known)};
}

AdminReply error_reply(const Status& status) {
  return reply_json(
      http_status(status.code()),
      {{"error", {{"code", error_name(status.code())}, {"message", status.message()}}}});
}

AdminReply node_reply(const NodeStatus& node) {
  return reply_json(200, to_json(node));
}

AdminReply volumes_reply(const std::vector<VolumeStatus>& volumes) {
  return reply_json(200, {{"volumes", list_json(volumes)}});
}

AdminReply volume_reply(const VolumeStatus& volume) {
  return reply_json(200, {{"volume", to_json(volume)}});
}

AdminReply volume_reply(int status, const VolumeStatus& volume, const std::string& message) {
  return reply_json(status, {{"volume", to_json(volume)}, {"message", message}});
}

AdminReply created_reply(const CreatedVolume& created, const std::string& message) {
  return reply_json(
      created.existed ? 200 : 201,
      {{"volume", to_json(created.volume)}, {"created", !created.existed}, {"message", message}});
}

AdminReply snapshots_reply(const std::vector<SnapshotStatus>& snapshots) {
  return reply_json(200, {{"snapshots", list_json(snapshots)}});
}

AdminReply snapshots_made_reply(const std::vector<SnapshotStatus>& snapshots) {
  return reply_json(201, {{"snapshots", list_json(snapshots)}, {"message", "created"}});
}

AdminReply snapshot_reply(const SnapshotStatus& snapshot) {
  Json json = to_json(snapshot);
  if (!snapshot.disk_group.empty()) {  // not known in a cluster
    json["used_bytes"] = snapshot.used_bytes;
    json["exclusive_bytes"] = snapshot.exclusive_bytes;
  }
  return reply_json(200, {{"snapshot", json}});
}

AdminReply snapshot_deleted_reply(const SnapshotStatus& snapshot) {
  return reply_json(200, {{"snapshot", to_json(snapshot)}, {"message", "deleted"}});
}

AdminReply changes_reply(const ChangesPage& changes) {
  return reply_json(200,
                    {{"changes", list_json(changes.runs)}, {"next_offset", changes.next_offset}});
}

AdminReply disk_groups_reply(const std::vector<GroupStatus>& groups) {
  return reply_json(200, {{"disk_groups", list_json(groups)}});
}

AdminReply operation_reply(int status, const OperationStatus& operation) {
  return reply_json(status, {{"operation", to_json(operation)}});
}

AdminReply cluster_reply(const ClusterInitialised& cluster) {
  return reply_json(cluster.existed ? 200 : 201,
                    {{"cluster", {{"id", cluster.id}, {"copies", cluster.copies}}},
                     {"message", cluster.existed ? "is initialised already" : "initialised"}});
}

AdminReply nodes_reply(const std::vector<ClusterNodeStatus>& nodes) {
  return reply_json(200, {{"nodes", list_json(nodes)}});
}

AdminReply attachment_reply(const AttachmentStatus& attachment) {
  return reply_json(200, {{"attachment", to_json(attachment)}});
}

}  // namespace varve
