// ClusterWorkload: snapshots. Each request takes one of every volume that its node has attached;
// they are read from any node, all the time and at the end, and some are deleted.
#include <algorithm>

#include "core/base/text.h"
#include "tests/sim/cluster/cluster_workload.h"

namespace varve {
namespace {

// What is kept costs room on small simulated disks: as much as the volumes, if all of their blocks
// are overwritten between two snapshots.
constexpr uint64_t kSnapshotsKept = 3;
constexpr uint64_t kRoomBlocks = 300;
constexpr uint64_t kSnapshotPauseNs = 1500 * kMillisecond;
constexpr uint64_t kReadPauseNs = 100 * kMillisecond;

}  // namespace

// Often volumes are attached together, so that they have snapshots together.
std::optional<uint32_t> ClusterWorkload::node_of_others(const Volume& volume) {
  if (!plan_.snapshots || volumes_.size() == 1 || random_.chance(1, 3)) return std::nullopt;
  for (const Volume& other : volumes_) {
    if (&other == &volume || !other.owner) continue;
    const uint32_t node = other.owner->node;
    if (nodes_[node]->serving() && volume.open[node] == 0) return node;
  }
  return std::nullopt;
}

size_t ClusterWorkload::snapshots_kept() const {
  const uint64_t fit = kRoomBlocks / (volumes_.size() * plan_.volume_blocks) - 1;
  return std::min(fit, kSnapshotsKept);
}

Task<void> ClusterWorkload::snapshotter() {
  while (!stopping_ && failure_.empty()) {
    co_await pause(kSnapshotPauseNs);
    if (stopping_) break;
    if (snapshots_.size() >= snapshots_kept()) {
      co_await delete_snapshot(snapshots_[random_.below(snapshots_.size())]);
    } else {
      co_await take_snapshot();
    }
  }
}

Task<void> ClusterWorkload::take_snapshot() {
  const Volume& first = volumes_[random_.below(volumes_.size())];
  if (!first.owner) co_return;
  const uint32_t node = first.owner->node;
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->name = text("s", ++snapshot_number_);
  const BlockRange nothing{};
  ClientOpPtr op = new_op(first, ClientOp::Kind::kSnapshot, nothing);
  op->snapshot = snapshot->name;
  for (Volume& volume : volumes_) {
    if (!volume.owner || volume.owner->node != node) continue;
    snapshot->volumes.push_back(&volume);
    op->volumes.push_back(volume.name);
  }
  snapshot->cut = cuts_.begin_cut();
  co_await nodes_[node]->perform(op);
  trace_.say("snapshot ", snapshot->name, " of ", op->volumes.size(), " volumes at node ", node,
             ": ", op->result.message());
  if (!op->result.ok()) co_return;  // it may be there, or be nothing
  cuts_.end_cut(snapshot->cut);
  snapshots_.push_back(snapshot);
  ++snapshots_made_;
}

// From here on it may be gone, whatever the answers are.
Task<void> ClusterWorkload::delete_snapshot(SnapshotPtr snapshot) {
  snapshot->deleting = true;
  std::erase(snapshots_, snapshot);
  for (Volume* volume : snapshot->volumes) {
    const auto node = static_cast<uint32_t>(random_.below(nodes_.size()));
    const BlockRange nothing{};
    ClientOpPtr op = new_op(*volume, ClientOp::Kind::kDeleteSnapshot, nothing);
    op->snapshot = snapshot->name;
    co_await nodes_[node]->perform(op);
    trace_.say("deletion of ", volume->name, "@", snapshot->name, " at node ", node, ": ",
               op->result.message());
  }
}

Task<void> ClusterWorkload::snapshot_reader() {
  while (!stopping_ && failure_.empty()) {
    co_await pause(kReadPauseNs);
    if (stopping_ || snapshots_.empty()) continue;
    const SnapshotPtr snapshot = snapshots_[random_.below(snapshots_.size())];
    Volume* const volume = snapshot->volumes[random_.below(snapshot->volumes.size())];
    const BlockRange range = draw_range();
    const auto node = static_cast<uint32_t>(random_.below(nodes_.size()));
    [[maybe_unused]] const Status status = co_await read_snapshot(snapshot, volume, range, node);
  }
}

Task<Status> ClusterWorkload::read_snapshot(SnapshotPtr snapshot, Volume* volume, BlockRange range,
                                            uint32_t node) {
  ClientOpPtr op = new_op(*volume, ClientOp::Kind::kReadSnapshot, range);
  op->snapshot = snapshot->name;
  co_await nodes_[node]->perform(op);
  if (op->result.code() == ErrorCode::kDamaged)
    fail(text(volume->name, "@", snapshot->name, ": damaged, though no disk was\n"));
  if (!op->result.ok()) co_return op->result;
  for (uint64_t i = 0; i < range.count; ++i) {
    const std::byte* block = op->data.data() + i * kBlockBytes;
    const BlockValue value =
        value_of(block, volume->number, static_cast<uint32_t>(range.first + i));
    std::string wrong = cuts_.read(snapshot->cut, volume->number, range.first + i, value);
    if (!wrong.empty())
      fail(text("node ", node, ": ", wrong, checker_.history(volume->number, range.first + i)));
  }
  co_return Status();
}

Task<void> ClusterWorkload::final_snapshot_reads(Volume* volume) {
  const std::vector<SnapshotPtr> kept = snapshots_;
  for (const SnapshotPtr& snapshot : kept) {
    const auto& of = snapshot->volumes;
    if (std::find(of.begin(), of.end(), volume) == of.end()) continue;
    for (uint64_t block = 0; block < plan_.volume_blocks && failure_.empty(); ++block) {
      const BlockRange range{block, 1};
      const auto node = static_cast<uint32_t>(block % nodes_.size());
      Status status;
      for (int attempt = 0; attempt < kFinalAttempts; ++attempt) {
        status = co_await read_snapshot(snapshot, volume, range, node);
        if (status.ok()) break;
        co_await pause(100 * kMillisecond);
      }
      if (!status.ok())
        fail(text("block ", block, " of ", volume->name, "@", snapshot->name,
                  " cannot be read after everything was healed: ", status.message(), "\n"));
      co_await compare_snapshot(snapshot, volume, block);
    }
  }
}

// All members hold what was read, and are judged by it.
Task<void> ClusterWorkload::compare_snapshot(SnapshotPtr snapshot, Volume* volume, uint64_t block) {
  const std::vector<BlockValue> values = co_await member_values(volume, snapshot->name, block);
  for (const BlockValue value : values) {
    std::string wrong = cuts_.read(snapshot->cut, volume->number, block, value);
    if (!wrong.empty()) fail(text("a member: ", wrong, checker_.history(volume->number, block)));
  }
}

}  // namespace varve
