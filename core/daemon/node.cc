#include "core/daemon/node.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/daemon/blocking.h"
#include "core/daemon/cluster_member.h"
#include "core/daemon/tls.h"

namespace varve {
namespace {

// Ended operations beyond this many are forgotten, oldest first.
constexpr size_t kOperationsKept = 100;

Status not_in_clusters() {
  return {ErrorCode::kUnsupported, "encrypted volumes: not built yet for clusters"};
}

VolumeDirectory& directory_of(ClusterMember* cluster, NodeVolumes& alone) {
  if (cluster != nullptr) return *cluster;
  return alone;
}

// Those that `request` is about and that the group does not use yet.
std::vector<std::string> hdds_to_add(const DiskGroup& group, const AddDisk& request) {
  std::vector<std::string> paths;
  for (const Hdd& hdd : group.hdds()) {
    const bool meant = request.hdd.empty() || request.hdd == hdd.path;
    if (meant && hdd.device == nullptr) paths.push_back(hdd.path);
  }
  return paths;
}

Status check_more_hdds(const DiskGroup& group, const AddDisk& request) {
  const DiskGroupConfig& config = group.config();
  const bool known = std::any_of(group.hdds().begin(), group.hdds().end(),
                                 [&](const Hdd& hdd) { return hdd.path == request.hdd; });
  if (!request.hdd.empty() && !known) {
    return {ErrorCode::kNotFound,
            text("the config has no HDD ", request.hdd, " in disk group ", config.name,
                 ": add it to hdd = [...] there and restart varved")};
  }
  if (request.hdd.empty() && hdds_to_add(group, request).empty()) {
    return {ErrorCode::kAlreadyExists, text("disk group ", config.name, " is formatted and serving",
                                            config.hdds.empty() ? "" : ", with all its HDDs")};
  }
  if (request.size_bytes != 0 || request.segment_bytes != 0) {
    return {ErrorCode::kAlreadyExists,
            text("disk group ", config.name, " is formatted and serving: only HDDs can be added, ",
                 "with --hdd-size where files are to be made")};
  }
  return {};
}

Status check_new_group(const DiskGroup& group, const AddDisk& request) {
  if (request.hdd.empty()) return {};
  const std::string& name = group.config().name;
  return {ErrorCode::kInvalidArgument,
          text("disk group ", name, " does not serve",
               group.reason().empty() ? "" : text(" (", group.reason(), ")"),
               ": an HDD is added to one that does; varve disk add ", name,
               " makes an empty disk group, with all its HDDs")};
}

// Before anything of a new disk group is written.
Task<Status> check_hdds(UringLoop& loop, DiskGroup* group, AddDisk request,
                        OperationStatus* operation) {
  for (const Hdd& hdd : group->hdds()) {
    operation->step = text("looking at ", hdd.path);
    VARVE_CO_TRY(co_await check_hdd(loop, hdd.path, request, Uuid{}));
  }
  co_return Status();
}

std::string hdd_refused_text(const DiskGroup& group, const std::string& hdd, const Status& status) {
  return text("disk group ", group.config().name, " serves without HDD ", hdd, ": ",
              status.message());
}

std::string added_text(const DiskGroup& group, const AddDisk& request,
                       const std::vector<std::string>& hdds) {
  const std::string name = group.config().name;
  if (hdds.empty() && !request.hdd.empty())
    return text(request.hdd, " is an HDD of disk group ", name, " already");
  const std::string with =
      hdds.empty() ? "" : text(", with ", hdds.size(), " more HDD", hdds.size() == 1 ? "" : "s");
  return text("disk group ", name, with, with.empty() ? "" : ",", " is serving");
}

}  // namespace

Node::Node(UringLoop& loop, const NodeConfig& config,
           std::vector<std::unique_ptr<Service>> services, std::unique_ptr<ClusterMember> cluster,
           std::optional<KeyRing> keys)
    : loop_(loop),
      name_(node_name(config)),
      services_(std::move(services)),
      cluster_(std::move(cluster)),
      keys_(config.key_file, std::move(keys)),
      volumes_(groups_, table_, keys_),
      table_(loop.runtime(), directory_of(cluster_.get(), volumes_)),
      changed_(loop.runtime().ready),
      requests_(loop.runtime().ready),
      work_(loop.runtime().ready) {
  for (const DiskGroupConfig& group : config.disk_groups) {
    groups_.push_back(std::make_unique<DiskGroup>(loop, group));
  }
}

Node::~Node() = default;

Task<Status> Node::run(std::function<void()> close_front) {
  co_await open_groups();
  Status status;
  if (!stop_asked_ && cluster_ != nullptr) status = co_await join_cluster();
  if (status.ok() && !stop_asked_) status = start_services();
  if (status.ok() && !stop_asked_) {
    state_ = NodeState::kReady;
    log_info("node", text(name_, " is ready"));
    changed_.wake_all();
  }
  while (status.ok() && !stop_asked_) {
    co_await changed_.wait();
    look_after_services();
  }
  state_ = NodeState::kStopping;
  log_info("node", "stopping: no new clients, requests in flight are answered");
  TaskGroup front(loop_.runtime().ready);
  front.start(stop_front(std::move(close_front)));
  co_await stop_services();
  co_await front.done();
  co_await requests_.done();
  while (work_.running() > 0 && !only_files_are_being_made()) co_await changed_.wait();
  if (cluster_ != nullptr) co_await cluster_->leave();
  co_await close_groups();
  log_info("node", status.ok() ? "stopped cleanly" : "stopped");
  co_return status;
}

void Node::stop() {
  if (stop_asked_) return;
  stop_asked_ = true;
  if (cluster_ != nullptr) cluster_->end_opens();
  changed_.wake_all();
}

Task<void> Node::open_groups() {
  TaskGroup opening(loop_.runtime().ready);
  for (const auto& group : groups_) opening.start(group->open());
  co_await opening.done();
  if (cluster_ != nullptr) co_return;
  for (const auto& group : groups_) {
    if (group->store() == nullptr || group->store()->cluster() == Uuid{}) continue;
    // What its groups hold may be old: only the cluster knows.
    const Status refused(ErrorCode::kInvalidArgument,
                         text(group->config().path, " belongs to a cluster, and this node is in ",
                              "none: its config has no [metadata] and [transport]"));
    co_await group->dismiss(refused);
  }
}

Task<Status> Node::join_cluster() {
  VARVE_CO_TRY(cluster_->start(loop_, name_));
  Status joined = co_await cluster_->join();
  if (joined.ok()) co_await take_in_groups();
  if (stop_asked_) co_return Status();
  if (!joined.ok()) joined = Status(joined.code(), text("cluster: ", joined.message()));
  co_return joined;
}

Task<void> Node::take_in_groups() {
  for (const auto& group : groups_) {
    if (group->store() == nullptr || stop_asked_) continue;
    // One that cannot be taken in says so in its status; the others go on.
    [[maybe_unused]] const Status taken_in = co_await cluster_->take_in(group.get());
  }
}

void Node::stop_deadline() {
  for (const auto& service : services_) {
    if (!service->stopped()) service->abandon("it did not stop in time");
  }
  changed_.wake_all();
}

Status Node::start_services() {
  for (const auto& service : services_) {
    const Status status = service->start(loop_, table_, [this] { changed_.wake_all(); });
    if (status.ok()) continue;
    return {status.code(), text("service ", service->status().plugin, ": ", status.message())};
  }
  return {};
}

void Node::look_after_services() {
  for (const auto& service : services_) {
    if (service->broken()) service->detach();
  }
}

bool Node::services_stopped() {
  return std::all_of(services_.begin(), services_.end(),
                     [](const auto& service) { return service->stopped(); });
}

Task<void> Node::stop_services() {
  table_.end_waits();
  TaskGroup patience(loop_.runtime().ready);
  if (cluster_ != nullptr) patience.start(cluster_->end_waits_later());
  for (const auto& service : services_) service->stop();
  while (!services_stopped()) co_await changed_.wait();
  if (cluster_ != nullptr) cluster_->end_waits();
  co_await patience.done();
  for (const auto& service : services_) co_await service->close();
}

Task<void> Node::stop_front(std::function<void()> close_front) {
  std::function<bool()> call = [close_front] {
    close_front();
    return true;
  };
  co_await run_blocking(loop_, std::move(call));
}

Task<void> Node::close_groups() {
  TaskGroup closing(loop_.runtime().ready);
  for (const auto& group : groups_) {
    if (group->state() != GroupState::kFormatting) closing.start(group->close());
  }
  co_await closing.done();
  co_await table_.drained();
}

NodeStatus Node::status() const {
  NodeStatus status;
  status.name = name_;
  status.state = state_;
  for (const auto& group : groups_) {
    status.disk_groups.push_back(group->status());
    if (group->store() == nullptr) continue;
    status.disk_groups.back().waiting_write_count = table_.waiting_for_space_count(*group->store());
  }
  status.volumes = cluster_ == nullptr ? volumes_.list() : cluster_->volumes();
  if (cluster_ != nullptr) status.cluster = cluster_->status();
  for (const auto& service : services_) status.services.push_back(service->status());
  status.loop = loop_.counters();
  return status;
}

Task<Result<CreatedVolume>> Node::create_volume(CreateVolume request) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr && request.encrypted) co_return not_in_clusters();
  if (request.encrypted) VARVE_CO_TRY(co_await keys_.reload(loop_));
  if (cluster_ != nullptr) co_return co_await cluster_->create_volume(std::move(request));
  co_return co_await volumes_.create(std::move(request));
}

Task<Result<ChangedVolume>> Node::resize_volume(ResizeVolume request) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr) co_return co_await cluster_->resize_volume(std::move(request));
  co_return co_await volumes_.resize(std::move(request));
}

Task<Result<ChangedVolume>> Node::set_volume_tier(SetVolumeTier request) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr) co_return co_await cluster_->set_volume_tier(std::move(request));
  co_return co_await volumes_.set_tier(std::move(request));
}

Task<Result<VolumeStatus>> Node::rewrap_volume(RewrapVolume request) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr) co_return not_in_clusters();
  VARVE_CO_TRY(co_await keys_.reload(loop_));
  co_return co_await volumes_.rewrap(std::move(request));
}

Task<Result<VolumeStatus>> Node::delete_volume(std::string name, std::string disk_group) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr) co_return co_await cluster_->delete_volume(std::move(name));
  co_return co_await volumes_.remove(std::move(name), std::move(disk_group));
}

Status Node::refused_in_clusters(std::string_view what) const {
  if (stop_asked_) return ErrorCode::kClosed;
  if (cluster_ == nullptr) return {};
  return {ErrorCode::kUnsupported, text(what, " in a cluster: not built yet")};
}

Task<Result<std::vector<SnapshotStatus>>> Node::create_snapshots(std::vector<std::string> names) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr) co_return co_await cluster_->create_snapshots(std::move(names));
  co_return co_await volumes_.create_snapshots(std::move(names));
}

Task<Result<std::vector<SnapshotStatus>>> Node::snapshots(std::string volume) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr) co_return cluster_->snapshots(volume);
  co_return volumes_.snapshots(volume);
}

Task<Result<SnapshotStatus>> Node::snapshot(std::string name) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr) co_return cluster_->snapshot(name);
  co_return co_await volumes_.snapshot(std::move(name));
}

Task<Result<SnapshotStatus>> Node::delete_snapshot(std::string name) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  if (cluster_ != nullptr) co_return co_await cluster_->delete_snapshot(std::move(name));
  co_return co_await volumes_.delete_snapshot(std::move(name));
}

Task<Result<VolumeStatus>> Node::roll_back(std::string snapshot) {
  VARVE_CO_TRY(refused_in_clusters("roll-back"));
  co_return co_await volumes_.roll_back(std::move(snapshot));
}

Task<Result<VolumeStatus>> Node::clone_volume(CloneVolume request) {
  VARVE_CO_TRY(refused_in_clusters("clones"));
  co_return co_await volumes_.clone(std::move(request));
}

Task<Result<ChangesPage>> Node::changes(AskChanges request) {
  VARVE_CO_TRY(refused_in_clusters("changes between snapshots"));
  co_return co_await volumes_.changes(std::move(request));
}

Result<DiskGroup*> Node::group_to_add(const AddDisk& request) const {
  std::string known;
  for (const auto& group : groups_) {
    const DiskGroupConfig& config = group->config();
    known += text(known.empty() ? "" : ", ", config.name);
    if (config.name != request.disk_group && config.path != request.disk_group) continue;
    if (group->state() == GroupState::kRecovering || group->state() == GroupState::kFormatting) {
      return Status(ErrorCode::kBusy, text("disk group ", config.name, " is ",
                                           group_state_name(group->state()), " right now"));
    }
    if (group->adding_hdds()) {
      return Status(ErrorCode::kBusy,
                    text("HDDs are being added to disk group ", config.name, " right now"));
    }
    VARVE_TRY(group->state() == GroupState::kServing ? check_more_hdds(*group, request)
                                                     : check_new_group(*group, request));
    return group.get();
  }
  return Status(ErrorCode::kNotFound,
                text("the config has no disk group ", request.disk_group, " (it has ", known,
                     "): add a [[disk_group]] section and restart varved"));
}

Task<Result<OperationStatus>> Node::add_disk(AddDisk request) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  const Result<DiskGroup*> group = group_to_add(request);
  if (!group.ok()) co_return group.status();
  Uuid cluster{};
  if (cluster_ != nullptr) {
    const Result<Uuid> id = cluster_->id();
    if (!id.ok()) co_return id.status();
    cluster = *id;
  }
  OperationStatus& operation = add_operation(text("disk add ", (*group)->config().name));
  (*group)->begin_hdds();
  if ((*group)->state() != GroupState::kServing) (*group)->begin_format();
  work_.start(run_add_disk(*group, std::move(request), cluster, &operation));
  co_return operation;
}

OperationStatus& Node::add_operation(std::string what) {
  while (operations_.size() >= kOperationsKept &&
         operations_.begin()->second.state != OperationStatus::State::kRunning) {
    operations_.erase(operations_.begin());
  }
  const uint64_t id = next_operation_id_++;
  OperationStatus& operation = operations_[id];
  operation.id = id;
  operation.what = std::move(what);
  return operation;
}

Task<Status> Node::format_group(DiskGroup* group, AddDisk request, Uuid cluster,
                                OperationStatus* operation) {
  Status status = co_await check_hdds(loop_, group, request, operation);
  if (status.ok()) status = co_await format_disk(loop_, *group, request, cluster, *operation);
  operation->step = "opening";
  co_await group->end_format();
  if (status.ok() && cluster_ != nullptr && group->store() != nullptr) {
    operation->step = "registering";
    status = co_await cluster_->take_in(group);
  }
  if (status.ok() && group->state() != GroupState::kServing)
    status = Status(ErrorCode::kIoError, group->reason());
  co_return status;
}

Task<void> Node::run_add_disk(DiskGroup* group, AddDisk request, Uuid cluster,
                              OperationStatus* operation) {
  const DiskGroupConfig& config = group->config();
  log_info("disk add", text(config.name, ": started on ", config.path));
  Status status;
  if (group->state() == GroupState::kFormatting)
    status = co_await format_group(group, request, cluster, operation);
  const std::vector<std::string> hdds = hdds_to_add(*group, request);
  for (size_t i = 0; status.ok() && i < hdds.size(); ++i) {
    status = co_await add_hdd(loop_, *group, hdds[i], request, *operation);
    if (status.ok() && cluster_ != nullptr) cluster_->hdd_added();
    if (!status.ok()) status = Status(status.code(), hdd_refused_text(*group, hdds[i], status));
  }
  group->end_hdds();
  operation->state = status.ok() ? OperationStatus::State::kDone : OperationStatus::State::kFailed;
  operation->code = status.code();
  operation->message = status.ok() ? added_text(*group, request, hdds) : status.message();
  if (!status.ok()) log_warn("disk add", text(config.name, ": ", operation->message));
  operation->step.clear();
  changed_.wake_all();
}

bool Node::only_files_are_being_made() const {
  return std::all_of(operations_.begin(), operations_.end(), [](const auto& entry) {
    return entry.second.state != OperationStatus::State::kRunning || entry.second.on_thread;
  });
}

Task<Result<OperationStatus>> Node::operation(uint64_t id) {
  const auto found = operations_.find(id);
  if (found == operations_.end()) {
    co_return Status(ErrorCode::kNotFound, text("no operation ", id));
  }
  co_return found->second;
}

}  // namespace varve
