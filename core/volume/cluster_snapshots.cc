// ClusterVolumes: snapshots of the volumes that this node holds, and reading of any.
#include "core/base/text.h"
#include "core/volume/cluster_volumes.h"

namespace varve {

// Of a snapshot: nobody attaches it, and nothing changes it.
class ClusterVolumes::SnapshotBackend final : public BlockBackend {
 public:
  SnapshotBackend(ClusterVolumes& owner, ClusterVolume volume, Generation generation)
      : owner_(owner), snapshot_(owner.node_.replication(), std::move(volume), generation) {
    owner_.open_snapshots_.insert(&snapshot_);
  }
  ~SnapshotBackend() override { owner_.open_snapshots_.erase(&snapshot_); }

  Task<Status> read(BlockRange range, std::byte* out) override {
    return snapshot_.read(range, out);
  }
  Task<Status> write(BlockRange, const std::byte*, const uint32_t*) override {
    VARVE_CHECK(false);
    co_return ErrorCode::kInvalidArgument;
  }
  Task<Status> trim(BlockRange) override {
    VARVE_CHECK(false);
    co_return ErrorCode::kInvalidArgument;
  }
  Task<Status> block_status(BlockRange range, std::vector<BlockStatusRun>* runs) override {
    return snapshot_.status(range, runs);
  }
  Task<void> space() override { co_return; }
  void wake_space_waiters() override {}
  bool closed() const override { return snapshot_.over(); }
  bool lost() const override {
    const auto* const seen = owner_.node_.view().volume(snapshot_.volume().id);
    return snapshot_.over() || seen == nullptr ||
           seen->record.history.find(snapshot_.generation()) == nullptr;
  }

 private:
  ClusterVolumes& owner_;
  ReplicatedSnapshot snapshot_;
};

Task<Result<std::shared_ptr<VolumeShare>>> ClusterVolumes::open_snapshot(std::string name) {
  if (closed_) co_return ErrorCode::kClosed;
  std::erase_if(snapshots_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<VolumeShare>& place = snapshots_[name];
  std::shared_ptr<VolumeShare> share = place.lock();
  if (share != nullptr && !share->backend->lost()) co_return share;
  const size_t at = name.find('@');
  const auto* const seen = node_.view().volume(std::string_view(name).substr(0, at));
  if (seen == nullptr)
    co_return Status(ErrorCode::kNotFound, text("there is no volume \"", name.substr(0, at), "\""));
  const ClusterSnapshot* const snapshot = seen->record.history.find(name.substr(at + 1));
  if (snapshot == nullptr)
    co_return Status(ErrorCode::kNotFound,
                     text("volume ", name.substr(0, at), " has no snapshot ", name.substr(at + 1)));
  auto backend = std::make_unique<SnapshotBackend>(*this, seen->record, snapshot->generation);
  share = std::make_shared<VolumeShare>(runtime_, std::move(backend), snapshot->size_bytes);
  place = share;
  co_return share;
}

Task<Result<std::vector<ClusterVolume>>> ClusterVolumes::snapshot(std::vector<SnapshotName> names) {
  co_await snapshot_turn_.take();
  auto made = co_await snapshot_now(std::move(names));
  snapshot_turn_.end();
  co_return made;
}

Task<Result<std::vector<ClusterVolume>>> ClusterVolumes::snapshot_now(
    std::vector<SnapshotName> names) {
  std::vector<AttachedVolume> volumes;
  for (const SnapshotName& name : names) {
    const std::string volume_name = name.volume;
    auto share = co_await open(volume_name, false);
    if (!share.ok()) co_return share.status();
    const auto found = entries_.find(volume_name);
    if (found == entries_.end() || found->second.share.lock() != *share) co_return ErrorCode::kBusy;
    // Keeps the share, and so the volume attached.
    volumes.push_back(AttachedVolume(*share, found->second.volume));
  }
  co_return co_await take_snapshots(&runtime_, &node_, &tasks_, std::move(volumes),
                                    std::move(names));
}

Task<Result<ClusterVolume>> ClusterVolumes::delete_snapshot(SnapshotName name) {
  const std::string whole = text(name.volume, "@", name.snapshot);
  if (in_use(whole))
    co_return Status(ErrorCode::kBusy,
                     text("snapshot ", whole, " is in use: a client of this node has it open"));
  co_return co_await varve::delete_snapshot(node_.context(), std::move(name));
}

}  // namespace varve
