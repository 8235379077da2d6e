#include "core/volume/cluster_volumes.h"

#include <vector>

#include "core/base/log.h"
#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/cluster/volume_operations.h"

namespace varve {

// Detaches when it goes: no opening of the volume is left then.
class ClusterVolumes::Backend final : public BlockBackend {
 public:
  Backend(ClusterVolumes& owner, std::unique_ptr<ReplicatedVolume> volume)
      : owner_(owner), volume_(std::move(volume)) {}
  ~Backend() override { owner_.tasks_.start(owner_.give_back(std::move(volume_))); }

  Task<Status> read(BlockRange range, std::byte* out) override { return volume_->read(range, out); }
  Task<Status> write(BlockRange range, const std::byte* data, const uint32_t* crcs) override {
    return volume_->write(range, data, crcs);
  }
  Task<Status> trim(BlockRange range) override { return volume_->trim(range); }
  Task<Status> block_status(BlockRange range, std::vector<BlockStatusRun>* runs) override {
    return volume_->status(range, runs);
  }
  // A replicated volume waits for space by itself.
  Task<void> space() override { co_return; }
  void wake_space_waiters() override {}
  bool closed() const override { return volume_->over(); }
  // Over, or known to be: another node has attached it since, though no operation has met that yet.
  bool lost() const override {
    const auto* const seen = owner_.node_.view().volume(volume_->volume().id);
    const bool newer = seen != nullptr && seen->record.generation > volume_->volume().generation;
    return newer || volume_->over();
  }

 private:
  ClusterVolumes& owner_;
  std::unique_ptr<ReplicatedVolume> volume_;
};

ClusterVolumes::ClusterVolumes(Runtime& runtime, ClusterNode& node)
    : runtime_(runtime),
      node_(node),
      snapshot_turn_(runtime.ready),
      changed_(runtime.ready),
      tasks_(runtime.ready) {
  node_.set_listener([this] { follow_sizes(); });
}

ClusterVolumes::~ClusterVolumes() {
  node_.set_listener(nullptr);
}

Task<Result<std::shared_ptr<VolumeShare>>> ClusterVolumes::open(std::string name, bool force) {
  if (name.find('@') != std::string::npos) co_return co_await open_snapshot(std::move(name));
  for (;;) {
    if (closed_) co_return ErrorCode::kClosed;
    const auto found = entries_.find(name);
    if (found == entries_.end()) break;
    std::shared_ptr<VolumeShare> share = found->second.share.lock();
    if (share != nullptr && !share->backend->lost()) co_return share;
    if (!found->second.opening) break;
    co_await changed_.wait();
  }
  forget_unused();
  entries_[name].opening = true;
  auto opened = co_await open_first(name, force);
  entries_[name].opening = false;
  changed_.wake_all();
  follow_sizes();
  co_return opened;
}

Task<Result<std::shared_ptr<VolumeShare>>> ClusterVolumes::open_first(std::string name,
                                                                      bool force) {
  auto opened = co_await node_.open(name, force);
  if (!opened.ok()) co_return opened.status();
  log_info("volume", text(name, ": attached, generation ", (*opened)->volume().generation));
  Entry& entry = entries_[name];
  entry.volume = opened->get();
  entry.kept.reset();
  const uint64_t size_bytes = (*opened)->volume().size_bytes;
  auto backend = std::make_unique<Backend>(*this, std::move(*opened));
  auto share = std::make_shared<VolumeShare>(runtime_, std::move(backend), size_bytes);
  if (closed_) co_return ErrorCode::kClosed;
  entry.share = share;
  co_return share;
}

void ClusterVolumes::follow_sizes() {
  if (closed_) return;
  for (const auto& [name, entry] : entries_) {
    std::shared_ptr<VolumeShare> share = entry.share.lock();
    if (share == nullptr || entry.opening || share->backend->lost()) continue;
    const auto* const seen = node_.view().volume(entry.volume->volume().id);
    if (seen != nullptr) entry.volume->forget_snapshots(seen->record.history);
    if (seen == nullptr || seen->record.size_bytes <= share->size_bytes) continue;
    if (growing_.insert(entry.volume).second)
      tasks_.start(grow(std::move(share), entry.volume, seen->record.size_bytes));
  }
}

Task<void> ClusterVolumes::grow(std::shared_ptr<VolumeShare> share, ReplicatedVolume* volume,
                                uint64_t size_bytes) {
  const Status status = co_await volume->grow(size_bytes);
  growing_.erase(volume);
  const std::string& name = volume->volume().name;
  if (!status.ok()) {
    // Whose it is by now knows the size from the record, and so does this node when it starts
    // again.
    const std::string words = text(name, " does not grow here: ", status.message());
    if (status.code() == ErrorCode::kStale || status.code() == ErrorCode::kClosed)
      log_info("volume", words);
    else
      log_warn("volume", words);
    co_return;
  }
  share->size_bytes = size_bytes;
  log_info("volume", text(name, ": has ", size_text(size_bytes), " now"));
  follow_sizes();
}

void ClusterVolumes::forget_unused() {
  std::erase_if(entries_, [](const auto& entry) {
    return !entry.second.opening && entry.second.share.expired();
  });
}

Task<void> ClusterVolumes::give_back(std::unique_ptr<ReplicatedVolume> volume) {
  const ClusterVolume& record = volume->volume();
  const Status status = co_await node_.detach(record);
  // kStale, kBusy, kNotFound: it is somebody else's by now, or gone.
  const bool was_ours = status.ok();
  const bool is_gone = status.code() == ErrorCode::kStale || status.code() == ErrorCode::kBusy ||
                       status.code() == ErrorCode::kNotFound;
  if (was_ours) log_info("volume", text(record.name, ": detached"));
  if (!was_ours && !is_gone)
    log_warn("volume", text(record.name, " could not be detached: ", status.message()));
}

Task<Result<ClusterVolume>> ClusterVolumes::attach(std::string name, bool force) {
  auto opened = co_await open(name, force);
  if (!opened.ok()) co_return opened.status();
  const auto found = entries_.find(name);
  if (found == entries_.end() || found->second.share.lock() != *opened) co_return ErrorCode::kBusy;
  found->second.kept = *opened;
  co_return found->second.volume->volume();
}

Task<Result<ClusterVolume>> ClusterVolumes::detach(std::string name, bool force) {
  if (closed_) co_return ErrorCode::kClosed;
  const auto found = entries_.find(name);
  if (found != entries_.end()) {
    Entry& entry = found->second;
    const std::shared_ptr<VolumeShare> kept = std::move(entry.kept);
    entry.kept.reset();
    const long own_count = (kept == nullptr ? 0 : 1) + (growing_.contains(entry.volume) ? 1 : 0);
    const bool in_use = entry.share.use_count() > own_count;
    if (in_use && !force) {
      entry.kept = kept;
      co_return Status(ErrorCode::kBusy,
                       text("volume \"", name, "\" is in use: a client of this node has it open"));
    }
    if (in_use) entry.volume->close();
  }
  VolumeDetachment wanted;
  wanted.name = name;
  wanted.node = node_.node();
  wanted.force = force;
  co_return co_await detach_volume(node_.context(), std::move(wanted));
}

Task<void> ClusterVolumes::detach_leftovers() {
  std::vector<ClusterVolume> held;
  for (const auto& [id, volume] : node_.view().volumes())
    if (!volume.record.deleted && volume.record.holder == node_.node())
      held.push_back(volume.record);
  for (const ClusterVolume& volume : held) {
    const Status status = co_await node_.detach(volume);
    if (!status.ok())
      log_warn("volume", text(volume.name, " could not be detached: ", status.message()));
  }
}

bool ClusterVolumes::in_use(std::string_view name) const {
  const auto snapshot = snapshots_.find(name);
  if (snapshot != snapshots_.end()) return !snapshot->second.expired();
  const auto found = entries_.find(name);
  return found != entries_.end() && !found->second.share.expired();
}

void ClusterVolumes::end_opens() {
  closed_ = true;
  node_.end_opens();
  changed_.wake_all();
}

void ClusterVolumes::close() {
  end_opens();
  for (auto& [name, entry] : entries_) {
    if (!entry.share.expired()) entry.volume->close();
    entry.kept.reset();
  }
  for (ReplicatedSnapshot* const snapshot : open_snapshots_) snapshot->close();
}

}  // namespace varve
