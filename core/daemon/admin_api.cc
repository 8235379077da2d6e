#include "core/daemon/admin_api.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/base/text.h"
#include "core/base/units.h"
#include "core/cluster/cluster_record.h"
#include "core/cluster/record_text.h"
#include "core/daemon/http_status.h"
#include "core/daemon/metrics.h"

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
          {"map_bytes", stats.map_bytes}};
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

// The members of a request's body. Every member must be taken; what is wrong is kept for status().
class Body {
 public:
  explicit Body(const std::string& text)
      : json_(Json::parse(text, nullptr, /*allow_exceptions=*/false)) {
    if (!json_.is_object()) fail("the body must be a JSON object");
  }

  std::string take_string(const char* key, bool required) {
    const Json* value = take(key, required);
    if (value == nullptr) return {};
    if (!value->is_string()) fail(text(key, " must be a string"));
    return value->is_string() ? value->get<std::string>() : std::string();
  }
  uint64_t take_number(const char* key, bool required, uint64_t max) {
    const Json* value = take(key, required);
    if (value == nullptr) return 0;
    const bool fits = value->is_number_unsigned() && value->get<uint64_t>() <= max;
    if (!fits) fail(text(key, " must be a whole number from 0 to ", max));
    return fits ? value->get<uint64_t>() : 0;
  }
  std::vector<std::string> take_strings(const char* key) {
    const Json* value = take(key, true);
    std::vector<std::string> strings;
    if (value == nullptr) return strings;
    if (!value->is_array() || value->empty()) fail(text(key, " must be a list of strings"));
    for (const Json& item : *value) {
      if (item.is_string())
        strings.push_back(item.get<std::string>());
      else
        fail(text(key, " must be a list of strings"));
    }
    return strings;
  }
  bool take_bool(const char* key) {
    const Json* value = take(key, false);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fail(text(key, " must be true or false"));
    return value->is_boolean() && value->get<bool>();
  }
  Status status() const {
    if (!wrong_.empty()) return {ErrorCode::kInvalidArgument, wrong_};
    if (taken_ == json_.size()) return {};
    return {ErrorCode::kInvalidArgument, text("unknown member in the body; known: ", known_)};
  }

 private:
  const Json* take(const char* key, bool required) {
    known_ += text(known_.empty() ? "" : ", ", key);
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    if (found != json_.end()) {
      ++taken_;
      return &*found;
    }
    if (required) fail(text(key, " is missing"));
    return nullptr;
  }
  void fail(const std::string& why) {
    if (wrong_.empty()) wrong_ = why;
  }

  Json json_;
  size_t taken_ = 0;
  std::string known_;
  std::string wrong_;
};

AdminReply get_healthz(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return {200, "ok\n", "text/plain"};
}

AdminReply get_readyz(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  const int status = node->state == NodeState::kReady ? 200 : 503;
  return {status, text(node_state_name(node->state), "\n"), "text/plain"};
}

AdminReply get_metrics(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return {200, metrics_text(*node), "text/plain; version=0.0.4"};
}

AdminReply get_status(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return reply_json(200, to_json(*node));
}

AdminReply get_volumes(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return reply_json(200, {{"volumes", list_json(node->volumes)}});
}

AdminReply post_volumes(AdminBackend& backend, const AdminRequest& request) {
  constexpr uint64_t kSizeMax = std::numeric_limits<int64_t>::max();
  Body body(request.body);
  CreateVolume create;
  create.name = body.take_string("name", true);
  create.size_bytes = body.take_number("size_bytes", true, kSizeMax);
  create.disk_group = body.take_string("disk_group", false);
  create.copies = static_cast<uint32_t>(body.take_number("copies", false, kCopiesMax));
  create.encrypted = body.take_bool("encrypted");
  create.wrapping_key = body.take_string("wrapping_key", false);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  if (!create.encrypted && !create.wrapping_key.empty())
    return error_reply(
        {ErrorCode::kInvalidArgument, "wrapping_key is for encrypted volumes: say encrypted, too"});
  const auto created = backend.create_volume(create);
  if (!created.ok()) return error_reply(created.status());
  std::string message = created->existed ? "exists already with this size" : "created";
  if (created->volume.size_bytes != create.size_bytes) {
    message += text("; size rounded up from ", create.size_bytes, " to ",
                    created->volume.size_bytes, " bytes");
  }
  return reply_json(
      created->existed ? 200 : 201,
      {{"volume", to_json(created->volume)}, {"created", !created->existed}, {"message", message}});
}

AdminReply post_resize(AdminBackend& backend, const AdminRequest& request) {
  Body body(request.body);
  ResizeVolume resize;
  resize.name = request.name;
  resize.size_bytes = body.take_number("size_bytes", true, std::numeric_limits<int64_t>::max());
  resize.disk_group = body.take_string("disk_group", false);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto resized = backend.resize_volume(resize);
  if (!resized.ok()) return error_reply(resized.status());
  std::string message = resized->changed ? "resized" : "has this size already";
  if (resized->volume.size_bytes != resize.size_bytes) {
    message += text("; size rounded up from ", resize.size_bytes, " to ",
                    resized->volume.size_bytes, " bytes");
  }
  return reply_json(200, {{"volume", to_json(resized->volume)}, {"message", message}});
}

AdminReply post_rewrap(AdminBackend& backend, const AdminRequest& request) {
  Body body(request.body);
  RewrapVolume rewrap;
  rewrap.name = request.name;
  rewrap.wrapping_key = body.take_string("wrapping_key", true);
  rewrap.disk_group = body.take_string("disk_group", false);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto volume = backend.rewrap_volume(rewrap);
  if (!volume.ok()) return error_reply(volume.status());
  return reply_json(
      200, {{"volume", to_json(*volume)},
            {"message", text("its data key is wrapped by ", volume->wrapping_key, " now")}});
}

AdminReply get_volume(AdminBackend& backend, const AdminRequest& request) {
  const std::string name = request.name;
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  for (const VolumeStatus& volume : node->volumes) {
    if (volume.name == name) return reply_json(200, {{"volume", to_json(volume)}});
  }
  return error_reply({ErrorCode::kNotFound, text("no volume ", name)});
}

AdminReply delete_volume(AdminBackend& backend, const AdminRequest& request) {
  const auto deleted = backend.delete_volume(request.name, request.parameter("disk_group"));
  if (!deleted.ok()) return error_reply(deleted.status());
  return reply_json(200, {{"volume", to_json(*deleted)}, {"message", "deleted"}});
}

AdminReply get_snapshots(AdminBackend& backend, const AdminRequest& request) {
  const auto snapshots = backend.snapshots(request.parameter("volume"));
  if (!snapshots.ok()) return error_reply(snapshots.status());
  return reply_json(200, {{"snapshots", list_json(*snapshots)}});
}

AdminReply post_snapshots(AdminBackend& backend, const AdminRequest& request) {
  Body body(request.body);
  const std::vector<std::string> names = body.take_strings("snapshots");
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto made = backend.create_snapshots(names);
  if (!made.ok()) return error_reply(made.status());
  return reply_json(201, {{"snapshots", list_json(*made)}, {"message", "created"}});
}

AdminReply get_snapshot(AdminBackend& backend, const AdminRequest& request) {
  const auto snapshot = backend.snapshot(request.name);
  if (!snapshot.ok()) return error_reply(snapshot.status());
  Json json = to_json(*snapshot);
  if (!snapshot->disk_group.empty()) {  // not known in a cluster
    json["used_bytes"] = snapshot->used_bytes;
    json["exclusive_bytes"] = snapshot->exclusive_bytes;
  }
  return reply_json(200, {{"snapshot", json}});
}

AdminReply delete_snapshot(AdminBackend& backend, const AdminRequest& request) {
  const auto deleted = backend.delete_snapshot(request.name);
  if (!deleted.ok()) return error_reply(deleted.status());
  return reply_json(200, {{"snapshot", to_json(*deleted)}, {"message", "deleted"}});
}

AdminReply post_rollback(AdminBackend& backend, const AdminRequest& request) {
  const auto volume = backend.roll_back(request.name);
  if (!volume.ok()) return error_reply(volume.status());
  return reply_json(200, {{"volume", to_json(*volume)}, {"message", "rolled back"}});
}

AdminReply post_clone(AdminBackend& backend, const AdminRequest& request) {
  Body body(request.body);
  CloneVolume clone;
  clone.snapshot = request.name;
  clone.name = body.take_string("name", true);
  clone.size_bytes = body.take_number("size_bytes", false, std::numeric_limits<int64_t>::max());
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto made = backend.clone_volume(clone);
  if (!made.ok()) return error_reply(made.status());
  return reply_json(201, {{"volume", to_json(*made)}, {"message", "cloned"}});
}

AdminReply get_changes(AdminBackend& backend, const AdminRequest& request) {
  AskChanges ask;
  ask.since = request.name;
  ask.until = request.parameter("until");
  const std::string offset = request.parameter("offset");
  std::from_chars(offset.data(), offset.data() + offset.size(), ask.offset);
  const auto changes = backend.changes(ask);
  if (!changes.ok()) return error_reply(changes.status());
  return reply_json(200,
                    {{"changes", list_json(changes->runs)}, {"next_offset", changes->next_offset}});
}

AdminReply get_disk_groups(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return reply_json(200, {{"disk_groups", list_json(node->disk_groups)}});
}

AdminReply post_disk_groups(AdminBackend& backend, const AdminRequest& request) {
  Body body(request.body);
  AddDisk add;
  add.disk_group = body.take_string("disk_group", true);
  add.size_bytes = body.take_number("size_bytes", false, std::numeric_limits<int64_t>::max());
  add.segment_bytes = static_cast<uint32_t>(
      body.take_number("segment_bytes", false, std::numeric_limits<uint32_t>::max()));
  add.wipe = body.take_bool("wipe");
  add.hdd = body.take_string("hdd", false);
  add.hdd_size_bytes =
      body.take_number("hdd_size_bytes", false, std::numeric_limits<int64_t>::max());
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto operation = backend.add_disk(add);
  if (!operation.ok()) return error_reply(operation.status());
  return reply_json(202, {{"operation", to_json(*operation)}});
}

AdminReply post_scrub(AdminBackend& backend, const AdminRequest& request) {
  constexpr uint64_t kRateMax = uint64_t{1} << 40;
  constexpr uint64_t kRate = 100 << 20;
  Body body(request.body);
  const uint64_t rate = body.take_number("bytes_per_second", false, kRateMax);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto operation = backend.scrub(request.name, rate == 0 ? kRate : rate);
  if (!operation.ok()) return error_reply(operation.status());
  return reply_json(202, {{"operation", to_json(*operation)}});
}

AdminReply get_operation(AdminBackend& backend, const AdminRequest& request) {
  const std::string digits = request.name;
  uint64_t id = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), id);
  const auto operation = backend.operation(id);
  if (!operation.ok()) return error_reply(operation.status());
  return reply_json(200, {{"operation", to_json(*operation)}});
}

AdminReply post_cluster(AdminBackend& backend, const AdminRequest& request) {
  Body body(request.body);
  const uint64_t copies = body.take_number("copies", false, kCopiesMax);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto cluster = backend.cluster_init(static_cast<uint32_t>(copies));
  if (!cluster.ok()) return error_reply(cluster.status());
  return reply_json(cluster->existed ? 200 : 201,
                    {{"cluster", {{"id", cluster->id}, {"copies", cluster->copies}}},
                     {"message", cluster->existed ? "is initialised already" : "initialised"}});
}

AdminReply get_nodes(AdminBackend& backend, const AdminRequest&) {
  const auto nodes = backend.nodes();
  if (!nodes.ok()) return error_reply(nodes.status());
  return reply_json(200, {{"nodes", list_json(*nodes)}});
}

using Attaching = Result<AttachmentStatus> (AdminBackend::*)(const std::string& volume, bool force);

AdminReply post_attachment(AdminBackend& backend, const AdminRequest& request,
                           Attaching attaching) {
  Body body(request.body);
  const bool force = body.take_bool("force");
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto attachment = (backend.*attaching)(request.name, force);
  if (!attachment.ok()) return error_reply(attachment.status());
  return reply_json(200, {{"attachment", to_json(*attachment)}});
}

AdminReply post_attach(AdminBackend& backend, const AdminRequest& request) {
  return post_attachment(backend, request, &AdminBackend::attach);
}

AdminReply post_detach(AdminBackend& backend, const AdminRequest& request) {
  return post_attachment(backend, request, &AdminBackend::detach);
}

constexpr AdminRoute kRoutes[] = {
    {"GET", "/healthz", "/healthz", get_healthz},
    {"GET", "/readyz", "/readyz", get_readyz},
    {"GET", "/metrics", "/metrics", get_metrics},
    {"GET", "/v1/status", "/v1/status", get_status},
    {"GET", "/v1/volumes", "/v1/volumes", get_volumes},
    {"POST", "/v1/volumes", "/v1/volumes", post_volumes},
    {"GET", "/v1/volumes/{name}", "/v1/volumes/([^/]+)", get_volume},
    {"DELETE", "/v1/volumes/{name}", "/v1/volumes/([^/]+)", delete_volume},
    {"POST", "/v1/volumes/{name}/resize", "/v1/volumes/([^/]+)/resize", post_resize},
    {"POST", "/v1/volumes/{name}/rewrap", "/v1/volumes/([^/]+)/rewrap", post_rewrap},
    {"POST", "/v1/volumes/{name}/attach", "/v1/volumes/([^/]+)/attach", post_attach},
    {"POST", "/v1/volumes/{name}/detach", "/v1/volumes/([^/]+)/detach", post_detach},
    {"GET", "/v1/snapshots", "/v1/snapshots", get_snapshots},
    {"POST", "/v1/snapshots", "/v1/snapshots", post_snapshots},
    {"GET", "/v1/snapshots/{name}", "/v1/snapshots/([^/]+)", get_snapshot},
    {"DELETE", "/v1/snapshots/{name}", "/v1/snapshots/([^/]+)", delete_snapshot},
    {"POST", "/v1/snapshots/{name}/rollback", "/v1/snapshots/([^/]+)/rollback", post_rollback},
    {"POST", "/v1/snapshots/{name}/clone", "/v1/snapshots/([^/]+)/clone", post_clone},
    {"GET", "/v1/snapshots/{name}/changes", "/v1/snapshots/([^/]+)/changes", get_changes},
    {"POST", "/v1/cluster", "/v1/cluster", post_cluster},
    {"GET", "/v1/nodes", "/v1/nodes", get_nodes},
    {"GET", "/v1/disk-groups", "/v1/disk-groups", get_disk_groups},
    {"POST", "/v1/disk-groups", "/v1/disk-groups", post_disk_groups},
    {"POST", "/v1/disk-groups/{name}/scrub", "/v1/disk-groups/([^/]+)/scrub", post_scrub},
    {"GET", "/v1/operations/{id}", "/v1/operations/([0-9]+)", get_operation},
};

}  // namespace

std::span<const AdminRoute> admin_routes() {
  return kRoutes;
}

AdminReply error_reply(const Status& status) {
  return reply_json(
      http_status(status.code()),
      {{"error", {{"code", error_name(status.code())}, {"message", status.message()}}}});
}

}  // namespace varve
