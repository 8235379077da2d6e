#include "tests/sim/cluster/replicated_program.h"

#include <algorithm>

#include "core/base/crc32c.h"
#include "core/base/text.h"
#include "core/cluster/planner.h"
#include "core/cluster/record_key.h"
#include "core/cluster/volume_operations.h"
#include "core/format/superblock.h"

namespace varve {
namespace {

constexpr uint32_t kSegmentBytes = 64 * 1024;
constexpr uint32_t kSlotCount = 40;
constexpr Uuid kCluster{std::byte{0xc1}};

uint32_t group_count(const NemesisPlan& plan) {
  return 1 + plan.volume_blocks % 3;
}

// Each group on another set of nodes.
GroupRecord group_of(const NemesisPlan& plan, uint32_t index) {
  const uint32_t copies = plan.volume_blocks % 5 == 0 ? 2 : 3;
  std::vector<GroupMember> members;
  for (uint32_t i = 0; i < copies; ++i) {
    const uint32_t node = 1 + (index + i) % plan.node_count;
    members.push_back({DiskGroupId{node}, NodeId{node}});
  }
  return new_group_record(GroupId{index + 1}, members);
}

}  // namespace

ReplicatedProgram::ReplicatedProgram(const NodeEnvironment& environment)
    : environment_(environment),
      snapshot_turn_(environment.runtime.ready),
      telling_(environment.runtime.ready) {}

ReplicatedProgram::~ReplicatedProgram() = default;

uint64_t ReplicatedProgram::device_bytes() {
  return uint64_t{kSlotCount} * kSegmentBytes + 4 * kSuperblockSpacing;
}

void ReplicatedProgram::prepare(SimMetadata& metadata, const NemesisPlan& plan,
                                const std::vector<std::string>& volumes) {
  const auto put = [&metadata](std::string key, std::string value) {
    MetadataTransaction transaction;
    transaction.puts.push_back({std::move(key), std::move(value), false});
    metadata.apply(transaction);
  };
  ClusterRecord cluster;
  cluster.id = kCluster;
  put(std::string(kClusterKey), encode_cluster_record(cluster));
  for (uint32_t i = 0; i < plan.node_count; ++i) {
    const uint32_t id = i + 1;
    put(text(kNodePrefix, id), encode_node_record({.id = NodeId{id},
                                                   .name = text("n", id),
                                                   .address = SimNetwork::address_of(i),
                                                   .boot = 1,
                                                   .version = "1"}));
    put(text(kDiskGroupPrefix, id), encode_disk_group_record({.id = DiskGroupId{id},
                                                              .node = NodeId{id},
                                                              .uuid = Uuid{std::byte(id)},
                                                              .name = "d",
                                                              .capacity_bytes = device_bytes()}));
  }
  for (uint32_t i = 0; i < group_count(plan); ++i)
    put(text(kGroupPrefix, i + 1), encode_group_record(group_of(plan, i)));
  for (uint32_t i = 0; i < volumes.size(); ++i) {
    ClusterVolume volume;
    volume.id = VolumeId{i + 1};
    volume.name = volumes[i];
    volume.size_bytes = uint64_t{plan.volume_blocks} * kBlockBytes;
    volume.copies = 3;
    volume.groups = {GroupId{1 + i % group_count(plan)}};
    put(text(kVolumePrefix, i + 1), encode_cluster_volume(volume));
    put(volume_name_key(volumes[i]), text(i + 1));
  }
}

Task<Status> ReplicatedProgram::open_store() {
  Result<std::unique_ptr<Store>> store =
      co_await Store::open(environment_.runtime, environment_.device, StoreOptions());
  if (store.code() == ErrorCode::kNotFormatted) {
    FormatOptions options;
    options.cluster = kCluster;
    options.segment_bytes = kSegmentBytes;
    VARVE_CO_TRY(co_await Store::format(environment_.runtime, environment_.device, options));
    store = co_await Store::open(environment_.runtime, environment_.device, StoreOptions());
  }
  if (!store.ok()) co_return store.status();
  store_ = std::move(*store);
  co_return Status();
}

Task<Status> ReplicatedProgram::start() {
  VARVE_CO_TRY(co_await open_store());
  ClusterNodeOptions options;
  options.cluster = kCluster;
  options.node = NodeId{environment_.node + 1};
  options.boot = environment_.life;
  options.receive_buffers_small = 48;
  options.receive_buffers_large = 4;
  options.listen = {SimNetwork::address_of(environment_.node)};
  node_ = std::make_unique<ClusterNode>(
      environment_.runtime, std::vector<NamedTransport>{{"sim", &environment_.transport}},
      environment_.metadata, options);
  const Result<std::string> address = node_->listen();
  if (!address.ok()) co_return address.status();
  node_->add_disk_group(DiskGroupId{environment_.node + 1}, *store_);
  Status status = ErrorCode::kUnavailable;
  while (!status.ok() && !stopping_) {
    const uint64_t deadline_ns = environment_.runtime.clock.monotonic_ns() + 1000 * kMillisecond;
    status = co_await node_->start(deadline_ns);
  }
  started_ = status.ok();
  co_return status;
}

void ReplicatedProgram::hand_over() {
  if (started_ && !stopping_) node_->replication().hand_over();
}

Task<void> ReplicatedProgram::stop() {
  stopping_ = true;
  for (const auto& [name, volume] : volumes_) volume->close();
  if (node_ != nullptr) co_await node_->stop();
  co_await telling_.done();
  if (store_ != nullptr) [[maybe_unused]]
    const Status closed = co_await store_->close();
}

ReplicatedProgram::VolumePtr ReplicatedProgram::find(const std::string& name) const {
  const auto found = volumes_.find(name);
  return found == volumes_.end() ? nullptr : found->second;
}

Task<Status> ReplicatedProgram::attach(std::string name) {
  if (!started_ || stopping_) co_return ErrorCode::kUnavailable;
  if (const VolumePtr former = find(name)) former->close();
  volumes_.erase(name);
  Result<std::unique_ptr<ReplicatedVolume>> opened = co_await node_->open(name, true);
  if (!opened.ok()) co_return opened.status();
  if (stopping_) co_return ErrorCode::kClosed;
  volumes_[name] = VolumePtr(std::move(*opened));
  co_return Status();
}

Task<Status> ReplicatedProgram::read(std::string name, BlockRange range, std::byte* out) {
  const VolumePtr volume = find(name);
  if (volume == nullptr) co_return ErrorCode::kUnavailable;
  co_return co_await volume->read(range, out);
}

Task<Status> ReplicatedProgram::write(std::string name, BlockRange range, const std::byte* data) {
  const VolumePtr volume = find(name);
  if (volume == nullptr) co_return ErrorCode::kUnavailable;
  std::vector<uint32_t> crcs(range.count);
  crc32c_blocks(data, range.count, crcs.data());
  co_return co_await volume->write(range, data, crcs.data());
}

Task<Status> ReplicatedProgram::trim(std::string name, BlockRange range) {
  const VolumePtr volume = find(name);
  if (volume == nullptr) co_return ErrorCode::kUnavailable;
  co_return co_await volume->trim(range);
}

Task<Status> ReplicatedProgram::snapshot(std::vector<std::string> volumes, std::string name) {
  std::vector<AttachedVolume> attached;
  std::vector<SnapshotName> names;
  for (const std::string& volume : volumes) {
    attached.push_back(find(volume));
    names.push_back({volume, name});
    if (attached.back() == nullptr) co_return ErrorCode::kUnavailable;
  }
  co_await snapshot_turn_.take();
  Status status = ErrorCode::kClosed;
  if (!stopping_) {
    const auto made = co_await take_snapshots(&environment_.runtime, node_.get(), &telling_,
                                              std::move(attached), std::move(names));
    status = made.ok() ? Status() : made.status();
  }
  snapshot_turn_.end();
  co_return status;
}

Task<Status> ReplicatedProgram::read_snapshot(std::string volume, std::string name,
                                              BlockRange range, std::byte* out) {
  if (!started_ || stopping_) co_return ErrorCode::kUnavailable;
  const auto* seen = node_->view().volume(volume);
  const ClusterSnapshot* found = seen == nullptr ? nullptr : seen->record.history.find(name);
  if (found == nullptr) co_return ErrorCode::kNotFound;
  ReplicatedSnapshot snapshot(node_->replication(), seen->record, found->generation);
  co_return co_await snapshot.read(range, out);
}

Task<Status> ReplicatedProgram::delete_snapshot(std::string volume, std::string name) {
  if (!started_ || stopping_) co_return ErrorCode::kUnavailable;
  SnapshotName which{std::move(volume), std::move(name)};
  const auto deleted = co_await varve::delete_snapshot(node_->context(), std::move(which));
  co_return deleted.ok() ? Status() : deleted.status();
}

// No member keeps a snapshot that is gone, and all have those that are there.
bool ReplicatedProgram::snapshots_are_right() const {
  for (const VolumeRecord& held : store_->volume_records()) {
    const auto* seen = node_->view().volume(held.id);
    if (seen == nullptr) return false;
    const VolumeHistory history = store_->history(held.id);
    size_t made = 0;
    for (const SnapshotRecord& snapshot : history.snapshots) {
      bool known = false;
      for (const ClusterSnapshot& kept : seen->record.history.snapshots)
        known = known || kept.generation == snapshot.generation;
      if (!known) return false;
      if (seen->record.history.find(snapshot.generation) != nullptr) ++made;
    }
    const auto& all = seen->record.history.snapshots;
    if (made != static_cast<size_t>(std::count_if(
                    all.begin(), all.end(), [](const auto& one) { return one.pending == 0; })))
      return false;
  }
  return true;
}

Task<Status> ReplicatedProgram::set_tier(std::string volume, VolumeTier tier) {
  if (!started_ || stopping_) co_return ErrorCode::kUnavailable;
  const auto set = co_await set_volume_tier(node_->context(), std::move(volume), tier);
  co_return set.ok() ? Status() : set.status();
}

// Each volume has in the store the tier that its record says.
bool ReplicatedProgram::tiers_are_right() const {
  for (const VolumeRecord& held : store_->volume_records()) {
    const auto* seen = node_->view().volume(held.id);
    if (seen == nullptr || store_->volume_tier(held.id) != seen->record.tier) return false;
  }
  return true;
}

bool ReplicatedProgram::settled() const {
  if (!started_ || !snapshots_are_right() || !tiers_are_right()) return false;
  for (const auto& [group, replica] : node_->replication().replicas()) {
    const GroupRecord& record = replica->seen().record;
    if (record.in_sync.size() != record.members.size()) return false;
    if (record.primary != replica->disk_group()) continue;
    if (replica->primary() == nullptr || !replica->primary()->serving()) return false;
  }
  return true;
}

Task<Status> ReplicatedProgram::read_replica(std::string name, std::string snapshot,
                                             BlockRange range, std::byte* out) {
  if (!started_) co_return ErrorCode::kNotFound;
  const auto* volume = node_->view().volume(name);
  if (volume == nullptr) co_return ErrorCode::kNotFound;
  const GroupId group = volume->record.group_of_block(range.first);
  Replica* const replica = node_->replication().replica(group);
  if (replica == nullptr) co_return ErrorCode::kNotFound;
  if (!replica->seen().record.is_in_sync(replica->disk_group())) co_return ErrorCode::kNotFound;
  VolumeView view = volume->record.id;
  if (!snapshot.empty()) {
    const ClusterSnapshot* const found = volume->record.history.find(snapshot);
    if (found == nullptr) co_return ErrorCode::kUnavailable;
    view.generation = found->generation;
  }
  co_return co_await store_->read(view, range, out);
}

std::string ReplicatedProgram::state_line() const {
  std::string line;
  if (node_ == nullptr) return "no store yet";
  for (const VolumeRecord& held :
       store_ == nullptr ? std::vector<VolumeRecord>() : store_->volume_records()) {
    const VolumeHistory history = store_->history(held.id);
    line += text(line.empty() ? "" : "; ", held.name, ": tier ",
                 tier_name(store_->volume_tier(held.id)), ", generation ", history.lineage.newest,
                 " snapshots");
    for (const SnapshotRecord& snapshot : history.snapshots) line += text(" ", snapshot.generation);
  }
  for (const auto& [group, replica] : node_->replication().replicas()) {
    const GroupRecord& record = replica->seen().record;
    line += text(line.empty() ? "" : "; ", "group ", static_cast<uint32_t>(group), ": epoch ",
                 replica->epoch(), ", record epoch ", record.epoch, " office ", record.office,
                 " primary ", static_cast<uint32_t>(record.primary), " in sync");
    for (const DiskGroupId id : record.in_sync) line += text(" ", static_cast<uint32_t>(id));
    if (replica->primary() != nullptr)
      line += text(", holds office ", replica->primary()->office(),
                   replica->primary()->serving() ? " (serving)" : "", ", position ",
                   replica->primary()->position() >> kSequenceCounterBits, "/",
                   replica->primary()->position() & ((uint64_t{1} << kSequenceCounterBits) - 1));
  }
  return line;
}

ClusterSetup replicated_setup() {
  ClusterSetup setup;
  setup.factory = [](const NodeEnvironment& environment) {
    return std::unique_ptr<NodeProgram>(new ReplicatedProgram(environment));
  };
  setup.device_bytes = ReplicatedProgram::device_bytes();
  setup.prepare = ReplicatedProgram::prepare;
  return setup;
}

}  // namespace varve
