// What ClusterMember is asked and what it tells.
#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/cluster/cluster_birth.h"
#include "core/cluster/record_text.h"
#include "core/cluster/volume_operations.h"
#include "core/daemon/cluster_member.h"

namespace varve {
namespace {

// How often and how long a new volume is looked for among what this node knows.
constexpr int kLooksForVolume = 100;
constexpr uint64_t kLookForVolumeNs = 10 * kMillisecond;

Uuid draw_uuid(Random& random) {
  Uuid uuid{};
  for (std::byte& byte : uuid) byte = static_cast<std::byte>(random.next());
  return uuid;
}

Status check_no_disk_group(const std::string& asked_for) {
  if (asked_for.empty()) return {};
  return {ErrorCode::kInvalidArgument,
          "in a cluster the volume's copies are on several disk groups, which the cluster picks: "
          "say no disk group"};
}

}  // namespace

Task<Result<ClusterInitialised>> ClusterMember::init(uint32_t copies) {
  if (ending_) co_return ErrorCode::kClosed;
  if (loop_ == nullptr) co_return Status(ErrorCode::kUnavailable, "varved is still starting");
  CasLoop loop(context());
  const auto found = co_await read_cluster(&loop);
  if (!found.ok() && found.code() != ErrorCode::kNotFound) co_return found.status();
  const bool existed = found.ok();
  Uuid id = draw_uuid(loop_->runtime().random);
  if (existed) id = found->record.id;
  // An init without copies asks for nothing that an existing cluster could contradict.
  if (existed && copies == 0) copies = found->record.copies;
  const auto record = co_await cluster_init(context(), id, copies);
  if (!record.ok()) co_return record.status();
  changed_->wake_all();
  if (!existed) log_info("cluster", text("initialised with id ", uuid_text(record->id)));
  co_return ClusterInitialised{uuid_text(record->id), record->copies, existed};
}

// Ends soon, as a rule when the view shows the volume with its size and tier: what is listed next
// has them.
Task<void> ClusterMember::seen(const ClusterVolume* volume) {
  for (int i = 0; i < kLooksForVolume && !ending_; ++i) {
    const auto* const known = node_->view().volume(volume->id);
    const bool shown = known != nullptr && known->record.size_bytes >= volume->size_bytes &&
                       known->record.tier == volume->tier;
    if (shown) co_return;
    co_await pause(kLookForVolumeNs);
  }
}

Task<Result<CreatedVolume>> ClusterMember::create_volume(CreateVolume request) {
  VARVE_CO_TRY(check_joined());
  VARVE_CO_TRY(check_no_disk_group(request.disk_group));
  VolumeCreation wanted;
  wanted.name = request.name;
  wanted.size_bytes = round_up(request.size_bytes, kBlockBytes);
  wanted.copies = request.copies;
  wanted.node = node_->node();
  wanted.tier = request.tier;
  const auto created = co_await varve::create_volume(node_->context(), wanted);
  if (!created.ok()) co_return created.status();
  co_await seen(&created->volume);
  const ClusterVolume& volume = created->volume;
  if (!created->existed) {
    log_info("volume", text("created ", volume.name, " of ", volume.size_bytes, " bytes with ",
                            volume.copies, volume.copies == 1 ? " copy" : " copies", " on ",
                            volume.groups.size(), " groups"));
  }
  co_return CreatedVolume{status_of(volume), created->existed};
}

Task<Result<ChangedVolume>> ClusterMember::resize_volume(ResizeVolume request) {
  VARVE_CO_TRY(check_joined());
  VolumeResize wanted;
  wanted.name = request.name;
  wanted.size_bytes = round_up(request.size_bytes, kBlockBytes);
  const auto resized = co_await varve::resize_volume(node_->context(), wanted);
  if (!resized.ok()) co_return resized.status();
  co_await seen(&resized->volume);
  const ClusterVolume& volume = resized->volume;
  if (resized->changed)
    log_info("volume", text(volume.name, " shall have ", volume.size_bytes, " bytes"));
  co_return ChangedVolume{status_of(volume), resized->changed};
}

Task<Result<ChangedVolume>> ClusterMember::set_volume_tier(SetVolumeTier request) {
  VARVE_CO_TRY(check_joined());
  VARVE_CO_TRY(check_no_disk_group(request.disk_group));
  const auto set = co_await varve::set_volume_tier(node_->context(), request.name, request.tier);
  if (!set.ok()) co_return set.status();
  co_await seen(&set->volume);
  if (set->changed)
    log_info("volume", text(request.name, " shall have tier ", tier_name(request.tier)));
  co_return ChangedVolume{status_of(set->volume), set->changed};
}

Task<Result<VolumeStatus>> ClusterMember::delete_volume(std::string name) {
  VARVE_CO_TRY(check_joined());
  // Its last client may just have gone: the volume is being detached then.
  if (!volumes_->in_use(name)) co_await volumes_->drained();
  const auto deleted = co_await varve::delete_volume(node_->context(), name);
  if (!deleted.ok()) co_return deleted.status();
  log_info("volume", text("deleted ", name));
  VolumeStatus volume = status_of(*deleted);
  volume.name = name;
  co_return volume;
}

Task<Result<AttachmentStatus>> ClusterMember::attach(std::string name, bool force) {
  VARVE_CO_TRY(check_joined());
  const auto attached = co_await volumes_->attach(std::move(name), force);
  if (!attached.ok()) co_return attached.status();
  co_return attachment_of(*attached);
}

Task<Result<AttachmentStatus>> ClusterMember::detach(std::string name, bool force) {
  VARVE_CO_TRY(check_joined());
  const auto detached = co_await volumes_->detach(std::move(name), force);
  if (!detached.ok()) co_return detached.status();
  co_return attachment_of(*detached);
}

std::string ClusterMember::node_words(NodeId id) const {
  if (id == NodeId{}) return {};
  const auto* node = node_->view().node(id);
  return node == nullptr ? text("number ", static_cast<uint32_t>(id)) : node->record.name;
}

bool ClusterMember::is_heard(NodeId id) const {
  return id == node_->node() || !node_->is_silent(id);
}

AttachmentStatus ClusterMember::attachment_of(const ClusterVolume& volume) const {
  return {volume.name, node_words(volume.holder), volume.generation};
}

VolumeStatus ClusterMember::status_of(const ClusterVolume& volume) const {
  VolumeStatus status;
  status.name = volume.name;
  status.size_bytes = volume.size_bytes;
  status.tier = volume.tier;
  status.copies = volume.copies;
  status.attached_on = node_words(volume.holder);
  status.in_use = volume.holder != NodeId{};
  return status;
}

std::vector<VolumeStatus> ClusterMember::volumes() const {
  std::vector<VolumeStatus> volumes;
  if (!joined_) return volumes;
  for (const auto& [id, volume] : node_->view().volumes())
    if (!volume.record.deleted) volumes.push_back(status_of(volume.record));
  std::sort(volumes.begin(), volumes.end(),
            [](const auto& left, const auto& right) { return left.name < right.name; });
  return volumes;
}

Task<Result<std::vector<ClusterNodeStatus>>> ClusterMember::nodes() {
  VARVE_CO_TRY(check_joined());
  std::map<NodeId, ClusterNodeStatus> nodes;
  const ClusterView& view = node_->view();
  for (const auto& [id, node] : view.nodes()) {
    ClusterNodeStatus& status = nodes[id];
    status.id = static_cast<uint32_t>(id);
    status.name = node.record.name;
    status.address = node.record.address;
    status.version = node.record.version;
    status.heard = is_heard(id);
  }
  for (const auto& [id, group] : view.disk_groups()) {
    if (group.record.state == DiskGroupState::kRemoved) continue;
    ++nodes[group.record.node].disk_group_count;
    nodes[group.record.node].capacity_bytes += group.record.capacity_bytes;
  }
  for (const auto& [id, group] : view.groups()) {
    for (const GroupMember& member : group.record.members) {
      ++nodes[member.node].group_count;
      if (member.disk_group == group.record.primary) ++nodes[member.node].primary_count;
    }
  }
  std::vector<ClusterNodeStatus> list;
  list.reserve(nodes.size());
  for (auto& [id, node] : nodes) list.push_back(std::move(node));
  co_return list;
}

GroupInSync ClusterMember::in_sync_of(const GroupRecord& group) const {
  GroupInSync status;
  status.id = static_cast<uint32_t>(group.id);
  status.epoch = group.epoch;
  for (const GroupMember& member : group.members) {
    std::string name = node_words(member.node);
    if (member.disk_group == group.primary) status.primary = name;
    if (group.is_in_sync(member.disk_group)) status.in_sync.push_back(name);
    status.members.push_back(std::move(name));
  }
  return status;
}

PeerStatus ClusterMember::peer_status_of(const NodeRecord& node) const {
  const PeerConnection now = node_->peers().connection(node.id);
  return {.node = node.name,
          .transport = now.transport,
          .address = now.address,
          .fallback = now.fallback,
          .problem = now.problem,
          .fallback_count = now.fallback_count};
}

ClusterStatus ClusterMember::status() const {
  ClusterStatus status;
  status.state = state_;
  status.joined = joined_;
  if (metadata_ != nullptr) status.metadata_problem = metadata_->broken_why();
  status.transports = transports_.status(node_ == nullptr ? nullptr : &node_->peers());
  if (!joined_) return status;
  const ClusterView& view = node_->view();
  status.id = uuid_text(id_);
  status.node_id = static_cast<uint32_t>(node_->node());
  const auto* self = view.node(node_->node());
  status.name_taken = self != nullptr && self->record.boot != boot_;
  for (const auto& [id, node] : view.nodes()) {
    if (!is_heard(id)) status.silent_nodes.push_back(node.record.name);
    if (id != node_->node()) status.peers.push_back(peer_status_of(node.record));
  }
  for (const auto& [id, group] : view.groups()) {
    ++status.group_count;
    const GroupRecord& record = group.record;
    if (record.in_sync.size() < record.members.size()) ++status.degraded_group_count;
    const GroupMember* primary = record.member(record.primary);
    if (primary != nullptr && !is_heard(primary->node)) ++status.silent_primary_count;
  }
  for (const auto& [id, replica] : node_->replication().replicas()) {
    GroupInSync group = in_sync_of(replica->seen().record);
    Primary* const primary = replica->primary();
    group.office_here = primary != nullptr && primary->serving();
    if (group.office_here) ++status.office_count;
    status.groups.push_back(std::move(group));
  }
  for (TierDifference& one : node_->tier_differences()) {
    const auto* const disk_group = view.disk_group(one.disk_group);
    status.tier_differences.push_back(
        {std::move(one.volume), tier_name(one.held), tier_name(one.wanted),
         disk_group == nullptr ? "" : disk_group->record.name, std::move(one.why)});
  }
  status.unreadable = view.unreadable();
  return status;
}

}  // namespace varve
