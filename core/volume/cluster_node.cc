#include "core/volume/cluster_node.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/cluster/volume_operations.h"
#include "core/replication/limits.h"

namespace varve {
namespace {

// How long changes of records are tried while the metadata store does not answer.
constexpr uint64_t kMetadataDeadlineNs = 10'000 * kMillisecond;
// A node that stops tries for that long to hand its offices over.
constexpr uint64_t kLeaveNs = 2000 * kMillisecond;

bool is_gone(const SnapshotRecord& held, const ClusterHistory& seen) {
  // A newer one may be on its way into the record; an older one that it does not have never will.
  const bool known = held.generation < seen.newest || VARVE_MUTANT(kDropUnlistedSnapshots);
  return known && std::none_of(seen.snapshots.begin(), seen.snapshots.end(),
                               [&](const ClusterSnapshot& kept) {
                                 return kept.generation == held.generation;
                               });
}

std::vector<std::string> names_of(const std::vector<NamedTransport>& transports) {
  std::vector<std::string> names;
  names.reserve(transports.size());
  for (const NamedTransport& transport : transports) names.push_back(transport.name);
  return names;
}

}  // namespace

ClusterNode::ClusterNode(Runtime& runtime, std::vector<NamedTransport> transports,
                         MetadataStore& metadata, ClusterNodeOptions options)
    : runtime_(runtime),
      metadata_(metadata),
      options_(std::move(options)),
      transport_names_(names_of(transports)),
      peers_(runtime, std::move(transports),
             {.cluster = options_.cluster,
              .node = options_.node,
              .boot = options_.boot,
              .receive_buffers_small = options_.receive_buffers_small,
              .receive_buffers_large = options_.receive_buffers_large}),
      view_(runtime, metadata),
      replication_(runtime, peers_, metadata, options_.node),
      tasks_(runtime.ready) {
  // A fence that was on its way for long may bring back a snapshot that was deleted; another brings
  // a volume, or a larger size.
  replication_.set_fence_listener([this] {
    drop_deleted_snapshots();
    follow_tiers();
  });
}

ClusterNode::~ClusterNode() = default;

ClusterContext ClusterNode::context() const {
  return {&metadata_, &runtime_, runtime_.clock.monotonic_ns() + kMetadataDeadlineNs};
}

Result<std::string> ClusterNode::listen() {
  VARVE_TRY(peers_.start(replication_));
  std::vector<PeerAddress> addresses;
  Status failed;
  for (size_t i = 0; i < transport_names_.size(); ++i) {
    const std::string& name = transport_names_[i];
    const Result<std::string> bound = peers_.listen(options_.listen[i], i);
    if (bound.ok()) {
      addresses.push_back({name, *bound});
      continue;
    }
    const std::string_view before = failed.ok() ? "" : failed.message();
    failed = {bound.code(),
              text(before, before.empty() ? "" : "; ", name, ": ", bound.status().message())};
    if (transport_names_.size() > 1)
      log_error("cluster", text("transport ", name, " is NOT used: ", bound.status().message()));
  }
  if (addresses.empty()) return failed;
  return peer_addresses_text(addresses);
}

Task<Status> ClusterNode::start(uint64_t deadline_ns) {
  VARVE_CO_TRY(co_await view_.start(deadline_ns));
  take_over_records();
  replication_.start();
  tasks_.start(follow_view());
  co_return Status();
}

void ClusterNode::add_disk_group(DiskGroupId id, Store& store) {
  replication_.add_disk_group(id, store);
  for (const auto& [group, seen] : replication_.records())
    if (Replica* const replica = replication_.replica(group)) replica->record_seen(seen);
  follow_tiers();
}

Task<void> ClusterNode::leave() {
  co_await replication_.leave(runtime_.clock.monotonic_ns() + kLeaveNs);
}

Task<void> ClusterNode::stop() {
  replication_.set_fence_listener({});
  co_await view_.stop();
  co_await replication_.stop();
  co_await tasks_.done();
  co_await peers_.stop();
}

Task<void> ClusterNode::follow_view() {
  bool more = true;
  while (more) {
    const uint64_t seen = view_.version();
    take_over_records();
    drop_deleted_volumes();
    drop_deleted_snapshots();
    follow_tiers();
    if (listener_) listener_();
    more = co_await view_.changed_since(seen);
  }
}

void ClusterNode::take_over_records() {
  std::vector<NodeId> nodes;
  for (const auto& [id, node] : view_.nodes()) {
    nodes.push_back(id);
    if (id != options_.node)
      peers_.set_address(id, parse_peer_addresses(node.record.address), node.record.name);
  }
  replication_.set_nodes(std::move(nodes));
  for (const auto& [id, group] : view_.groups())
    replication_.record_seen({group.record, group.revision});
}

// Blocks of a volume that is deleted are dropped by every member on its own: ids are never reused.
void ClusterNode::drop_deleted_volumes() {
  for (const auto& [group, replica] : replication_.replicas()) {
    Store& store = replica->store();
    for (const VolumeRecord& held : store.volume_records()) {
      const auto* volume = view_.volume(held.id);
      if (volume == nullptr || !volume->record.deleted) continue;
      if (dropping_.insert({&store, held.id}).second) tasks_.start(drop(&store, held.id));
    }
  }
}

// What only they showed is given up by every member on its own: nobody asks for it any more.
void ClusterNode::drop_deleted_snapshots() {
  for (const auto& [group, replica] : replication_.replicas()) {
    Store& store = replica->store();
    for (const VolumeRecord& held : store.volume_records()) {
      const auto* volume = view_.volume(held.id);
      if (volume == nullptr || volume->record.deleted) continue;
      const ClusterHistory& seen = volume->record.history;
      const std::vector<SnapshotRecord> snapshots = store.history(held.id).snapshots;
      const bool any =
          std::any_of(snapshots.begin(), snapshots.end(),
                      [&](const SnapshotRecord& snapshot) { return is_gone(snapshot, seen); });
      if (any && dropping_.insert({&store, held.id}).second)
        tasks_.start(keep_snapshots(&store, held.id, seen));
    }
  }
}

Task<void> ClusterNode::keep_snapshots(Store* store, VolumeId volume, ClusterHistory seen) {
  std::vector<Generation> kept;
  kept.reserve(seen.snapshots.size());
  for (const ClusterSnapshot& snapshot : seen.snapshots) kept.push_back(snapshot.generation);
  const Generation below = VARVE_MUTANT(kDropUnlistedSnapshots) ? kHead : seen.newest;
  const Status status = co_await store->keep_snapshots(volume, below, std::move(kept));
  if (!status.ok() && status.code() != ErrorCode::kNotFound)
    log_warn("cluster", text("snapshots of volume ", static_cast<uint32_t>(volume),
                             " cannot be dropped: ", status.message()));
  dropping_.erase({store, volume});
}

Task<void> ClusterNode::drop(Store* store, VolumeId volume) {
  // A snapshot that was never made, or whose deletion has not come this far.
  [[maybe_unused]] const Status kept = co_await store->keep_snapshots(volume, kHead, {});
  const Status status = co_await store->delete_volume(volume);
  if (!status.ok() && status.code() != ErrorCode::kNotFound)
    log_warn("cluster", text("volume ", static_cast<uint32_t>(volume),
                             " cannot be dropped: ", status.message()));
  dropping_.erase({store, volume});
  follow_tiers();  // another may have room now
}

bool ClusterNode::is_silent(NodeId node) const {
  return runtime_.clock.monotonic_ns() - replication_.heard_ns(node) > kGraceNs;
}

Task<Result<std::unique_ptr<ReplicatedVolume>>> ClusterNode::open(std::string name, bool force) {
  VolumeAttachment wanted;
  wanted.name = std::move(name);
  wanted.node = options_.node;
  wanted.force = force;
  Result<ClusterVolume> record = co_await attach_volume(context(), std::move(wanted), this);
  if (!record.ok()) co_return record.status();
  auto volume = std::make_unique<ReplicatedVolume>(runtime_, replication_, std::move(*record));
  opening_.insert(volume.get());
  if (opens_ended_) volume->close();
  const Status attached = co_await volume->attach();
  opening_.erase(volume.get());
  if (attached.ok()) co_return std::move(volume);
  // kBusy: it is somebody else's by now.
  if (attached.code() != ErrorCode::kBusy) [[maybe_unused]]
    const Status given_back = co_await detach(volume->volume());
  co_return attached;
}

void ClusterNode::end_opens() {
  opens_ended_ = true;
  for (ReplicatedVolume* volume : opening_) volume->close();
}

Task<Status> ClusterNode::detach(const ClusterVolume& volume) {
  VolumeDetachment wanted;
  wanted.name = volume.name;
  wanted.node = options_.node;
  wanted.generation = volume.generation;
  const auto detached = co_await detach_volume(context(), std::move(wanted));
  co_return detached.ok() ? Status() : detached.status();
}

}  // namespace varve
