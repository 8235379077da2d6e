#include "core/daemon/cluster_member.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/cluster/cluster_birth.h"
#include "core/cluster/newer_on_disk.h"
#include "core/cluster/planner.h"
#include "core/cluster/record_text.h"
#include "core/plugin/metadata_plugin.h"

namespace varve {
namespace {

// One attempt at the metadata store.
constexpr uint64_t kAttemptNs = 5'000 * kMillisecond;
// How often it looks again: whether somebody made the cluster, whether groups are missing.
constexpr uint64_t kLookNs = 500 * kMillisecond;
// How long the metadata store may answer with old records.
constexpr uint64_t kOldAnswersNs = 10'000 * kMillisecond;
// How long clients' requests may still wait for the cluster when varved is asked to stop.
constexpr uint64_t kDrainPatienceNs = 5'000 * kMillisecond;
constexpr uint64_t kLetGoNs = 10 * kMillisecond;

Result<std::unique_ptr<PluginLibrary>> open_library(const std::string& directory,
                                                    const std::string& plugin, uint32_t kind) {
  auto library = PluginLibrary::open(plugin_path(directory, plugin));
  if (!library.ok()) return library.status();
  VARVE_TRY((*library)->need_kind(kind));
  return library;
}

// Whether another attempt at the metadata store may succeed.
bool passes(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kUnknown ||
         code == ErrorCode::kTimedOut;
}

Status not_of_this_cluster(const DiskGroupConfig& config, const Uuid& has, const Uuid& wanted) {
  if (has == Uuid{}) {
    return {ErrorCode::kInvalidArgument,
            text(config.path, " belongs to no cluster: a node that stood alone wrote it. Varve ",
                 "serves it without [metadata] and [transport]; varve disk add ", config.name,
                 " --wipe makes an empty disk group of this cluster of it")};
  }
  return {ErrorCode::kInvalidArgument,
          text(config.path, " belongs to cluster ", uuid_text(has), ", this node to ",
               uuid_text(wanted), "; varve disk add ", config.name,
               " --wipe makes an empty disk group of it")};
}

}  // namespace

std::unique_ptr<ClusterMember> ClusterMember::load(const std::string& plugin_directory,
                                                   const NodeConfig& config,
                                                   const std::string& version,
                                                   std::vector<ConfigError>& errors) {
  std::unique_ptr<ClusterMember> member(new ClusterMember());
  const size_t errors_before = errors.size();
  const auto fail = [&errors](const TomlPlace& place, std::string key, const Status& status) {
    errors.push_back({place, std::move(key), std::string(status.message())});
  };
  const MetadataConfig& metadata = *config.metadata;
  auto library = open_library(plugin_directory, metadata.plugin, VARVE_KIND_METADATA);
  if (library.ok()) {
    member->metadata_library_ = std::move(*library);
    member->metadata_options_ = metadata.options;
    const auto checked = MetadataPlugin::create(*member->metadata_library_, metadata.options);
    if (!checked.ok()) fail(metadata.place, "metadata", checked.status());
  } else {
    fail(metadata.place, "metadata.use", library.status());
  }
  member->transports_.load(plugin_directory, config, errors);
  member->version_ = version;
  return errors.size() == errors_before ? std::move(member) : nullptr;
}

ClusterMember::~ClusterMember() = default;

Status ClusterMember::start(UringLoop& loop, std::string node_name) {
  node_name_ = std::move(node_name);
  auto metadata = PluginMetadata::start(loop.runtime(), *metadata_library_, metadata_options_);
  if (!metadata.ok()) return {metadata.code(), text("metadata: ", metadata.status().message())};
  loop_ = &loop;
  metadata_ = std::move(*metadata);
  changed_ = std::make_unique<WaitList>(loop.runtime().ready);
  tasks_ = std::make_unique<TaskGroup>(loop.runtime().ready);
  loop.add_poller(*metadata_);
  return {};
}

ClusterContext ClusterMember::context() const {
  Runtime& runtime = loop_->runtime();
  return {metadata_.get(), &runtime, runtime.clock.monotonic_ns() + kAttemptNs};
}

void ClusterMember::say(std::string state) {
  if (state == state_) return;
  state_ = std::move(state);
  log_info("cluster", state_);
}

Task<void> ClusterMember::pause(uint64_t pause_ns) {
  Runtime& runtime = loop_->runtime();
  co_await changed_->wait_until(runtime.timers, runtime.clock.monotonic_ns() + pause_ns);
}

Task<Status> ClusterMember::find_cluster(Uuid* id) {
  while (!ending_) {
    CasLoop loop(context());
    const auto found = co_await read_cluster(&loop);
    if (found.ok()) {
      *id = found->record.id;
      co_return Status();
    }
    const bool none_yet = found.code() == ErrorCode::kNotFound;
    if (!none_yet && !passes(found.code())) co_return found.status();
    say(none_yet ? "waiting for varve cluster init"
                 : text("waiting for the metadata store: ", found.status().message()));
    if (!ending_) co_await pause(kLookNs);
  }
  co_return ErrorCode::kClosed;
}

Task<Status> ClusterMember::register_node_until_done(NodeRecord* record) {
  while (!ending_) {
    const auto registered = co_await register_node(context(), *record);
    if (registered.ok()) {
      *record = *registered;
      co_return Status();
    }
    if (!passes(registered.code())) co_return registered.status();
    say(text("waiting for the metadata store: ", registered.status().message()));
    if (!ending_) co_await pause(kLookNs);
  }
  co_return ErrorCode::kClosed;
}

Task<Status> ClusterMember::start_view() {
  while (!ending_) {
    const ClusterContext until = context();
    const Status status = co_await node_->start(until.deadline_ns);
    if (status.ok() || !passes(status.code())) co_return status;
    say(text("waiting for the metadata store: ", status.message()));
    if (!ending_) co_await pause(kLookNs);
  }
  co_return ErrorCode::kClosed;
}

// The node's id is needed to listen, the address to register: what it listens on is told again when
// it is another than what was asked for.
Task<Status> ClusterMember::join() {
  ClusterNodeOptions options;
  VARVE_CO_TRY(co_await find_cluster(&options.cluster));
  say("joining");
  NodeRecord record;
  record.name = node_name_;
  record.address = transports_.addresses();
  record.version = version_;
  boot_ = record.boot = loop_->runtime().random.next() | 1;
  VARVE_CO_TRY(co_await register_node_until_done(&record));
  options.node = record.id;
  options.boot = record.boot;
  options.listen = transports_.listen();
  node_ = std::make_unique<ClusterNode>(loop_->runtime(), transports_.transports(), *metadata_,
                                        options);
  transports_.add_to(*loop_);
  const Result<std::string> address = node_->listen();
  if (!address.ok()) {
    co_return Status(address.code(), text("transport: ", address.status().message()));
  }
  if (*address != record.address) {
    record.address = *address;
    VARVE_CO_TRY(co_await register_node_until_done(&record));
  }
  VARVE_CO_TRY(co_await start_view());
  volumes_ = std::make_unique<ClusterVolumes>(loop_->runtime(), *node_);
  if (ending_) co_return ErrorCode::kClosed;
  co_await volumes_->detach_leftovers();
  id_ = options.cluster;
  joined_ = true;
  say(text("node ", static_cast<uint32_t>(record.id), " of cluster ", uuid_text(id_), " at ",
           *address));
  tasks_->start(plan());
  co_return Status();
}

// An answer of the metadata store may be old for a moment; a backup that was put back stays so.
Task<Status> ClusterMember::check_not_newer(const Store* store) {
  const uint64_t deadline_ns = loop_->runtime().clock.monotonic_ns() + kOldAnswersNs;
  DiskKnowledge disk{store->groups(), store->fences(), store->volume_records(), {}};
  for (const VolumeRecord& volume : disk.volumes)
    disk.lineages.push_back(store->history(volume.id).lineage);
  std::string words = newer_on_disk(disk, node_->view());
  while (!words.empty() && !ending_ && loop_->runtime().clock.monotonic_ns() < deadline_ns) {
    co_await pause(kLookNs);
    words = newer_on_disk(disk, node_->view());
  }
  if (ending_) co_return ErrorCode::kClosed;
  if (words.empty()) co_return Status();
  co_return Status(ErrorCode::kStale,
                   text("the cluster's records are older than this disk group: ", words,
                        ". An old copy or backup of the metadata store is in use: stop all nodes "
                        "and give them the newest one"));
}

Task<Status> ClusterMember::take_in(DiskGroup* group) {
  VARVE_CO_TRY(check_joined());
  Store& store = *group->store();
  if (store.cluster() != id_) {
    const Status refused = not_of_this_cluster(group->config(), store.cluster(), id_);
    co_await group->dismiss(refused);
    co_return refused;
  }
  const Status current = co_await check_not_newer(&store);
  if (!current.ok()) {
    if (!ending_) co_await group->dismiss(current);
    co_return current;
  }
  DiskGroupRecord record;
  record.node = node_->node();
  record.uuid = store.disk();
  record.name = group->config().name;
  record.capacity_bytes = store.stats().capacity_blocks * kBlockBytes;
  auto registered = co_await register_disk_group(context(), record);
  while (!registered.ok() && passes(registered.code()) && !ending_) {
    log_warn("cluster", text("disk group ", record.name,
                             " is not registered yet: ", registered.status().message()));
    co_await pause(kLookNs);
    registered = co_await register_disk_group(context(), record);
  }
  if (ending_) co_return ErrorCode::kClosed;
  if (!registered.ok()) {
    co_await group->dismiss(registered.status());
    co_return registered.status();
  }
  node_->add_disk_group(registered->id, store);
  log_info("cluster", text("disk group ", record.name, " is disk group ",
                           static_cast<uint32_t>(registered->id), " of the cluster"));
  changed_->wake_all();
  co_return Status();
}

bool ClusterMember::groups_are_missing() const {
  const ClusterView& view = node_->view();
  if (!view.cluster().exists()) return false;
  PlanInput input;
  for (const auto& [id, group] : view.disk_groups()) input.disk_groups.push_back(group.record);
  for (const auto& [id, group] : view.groups()) input.groups.push_back(group.record);
  input.copies = default_copies(view.cluster().record, input.disk_groups);
  return !plan_groups(input).empty();
}

// All nodes look; only the one whose turn it is may plan, the others are refused.
Task<void> ClusterMember::plan() {
  uint64_t looked_at = 0;
  while (!ending_) {
    const uint64_t version = node_->view().version();
    bool settled = true;
    if (version != looked_at && groups_are_missing()) {
      const auto planned = co_await plan_cluster(node_->context(), node_->node(), node_.get());
      settled = planned.ok();
      if (planned.ok() && planned->groups_created > 0)
        log_info("cluster", text("planned ", planned->groups_created, " groups"));
      if (!planned.ok() && planned.code() != ErrorCode::kBusy)
        log_warn("cluster", text("no groups were planned: ", planned.status().message()));
    }
    if (settled) looked_at = version;
    if (!ending_) co_await pause(kLookNs);
  }
}

void ClusterMember::end_opens() {
  ending_ = true;
  if (volumes_ != nullptr) volumes_->end_opens();
  if (changed_ != nullptr) changed_->wake_all();
}

Task<void> ClusterMember::end_waits_later() {
  if (loop_ == nullptr) co_return;
  Runtime& runtime = loop_->runtime();
  const uint64_t end_ns = runtime.clock.monotonic_ns() + kDrainPatienceNs;
  while (!waits_ended_ && runtime.clock.monotonic_ns() < end_ns)
    co_await changed_->wait_until(runtime.timers, end_ns);
  if (waits_ended_) co_return;
  log_warn("cluster", "clients' requests still wait for other nodes: they are given up");
  end_waits();
  // Some wait for the members of a group whose primary is this node.
  co_await stop_node();
}

void ClusterMember::hdd_added() {
  if (node_ != nullptr && !node_stopped_) node_->hdd_added();
}

Task<void> ClusterMember::stop_node() {
  if (node_ == nullptr || node_stopped_) co_return;
  node_stopped_ = true;
  co_await node_->leave();
  co_await node_->stop();
}

void ClusterMember::end_waits() {
  end_opens();
  if (waits_ended_) return;
  waits_ended_ = true;
  if (volumes_ != nullptr) volumes_->close();
  if (changed_ != nullptr) changed_->wake_all();
}

// Some of it may wait for a group whose primary is this node: that ends with the node's part in it.
Task<void> ClusterMember::let_go_of_volumes() {
  if (volumes_ == nullptr) co_return;
  Runtime& runtime = loop_->runtime();
  TaskGroup letting_go(runtime.ready);
  letting_go.start(volumes_->drained());
  const uint64_t end_ns = runtime.clock.monotonic_ns() + kDrainPatienceNs;
  while (letting_go.running() > 0 && runtime.clock.monotonic_ns() < end_ns)
    co_await pause(kLetGoNs);
  if (letting_go.running() > 0) co_await stop_node();
  co_await letting_go.done();
}

Task<void> ClusterMember::leave() {
  if (loop_ == nullptr) co_return;
  co_await let_go_of_volumes();
  co_await tasks_->done();
  joined_ = false;
  if (node_ != nullptr) {
    co_await stop_node();
    transports_.remove_from(*loop_);
  }
  transports_.close();
  volumes_.reset();
  node_.reset();
  co_await metadata_->close();
  loop_->remove_poller(*metadata_);
  metadata_.reset();
  log_info("cluster", "left: offices ended, volumes detached");
}

Status ClusterMember::check_joined() const {
  if (ending_) return ErrorCode::kClosed;
  if (joined_) return {};
  return {ErrorCode::kUnavailable, text("this node has not joined its cluster: ", state_)};
}

Result<Uuid> ClusterMember::id() const {
  VARVE_TRY(check_joined());
  return id_;
}

Result<VolumeDirectory::Found> ClusterMember::find(std::string_view name) {
  VARVE_TRY(check_joined());
  Found found;
  if (name.find('@') != std::string_view::npos) found.generation = 0;  // a snapshot is only read
  found.opener = volumes_.get();
  return found;
}

std::vector<std::string> ClusterMember::names() {
  std::vector<std::string> names;
  for (const VolumeStatus& volume : volumes()) names.push_back(volume.name);
  return names;
}

}  // namespace varve
