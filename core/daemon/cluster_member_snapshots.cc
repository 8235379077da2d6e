// ClusterMember: snapshots.
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/daemon/cluster_member.h"

namespace varve {
namespace {

// How often and how long a change is looked for among what this node knows.
constexpr int kLooksForSnapshots = 100;
constexpr uint64_t kLookForSnapshotsNs = 10 * kMillisecond;

Result<SnapshotName> parse_name(const std::string& name) {
  const size_t at = name.find('@');
  if (at != std::string::npos) return SnapshotName{name.substr(0, at), name.substr(at + 1)};
  return Status(ErrorCode::kInvalidArgument,
                text("\"", name, "\" is not the name of a snapshot: VOLUME@SNAPSHOT"));
}

}  // namespace

SnapshotStatus ClusterMember::status_of(const ClusterVolume& volume,
                                        const ClusterSnapshot& snapshot) const {
  SnapshotStatus status;
  status.volume = volume.name;
  status.name = snapshot.name;
  status.size_bytes = snapshot.size_bytes;
  status.created_seconds = snapshot.created_seconds;
  status.in_use = volumes_->in_use(text(volume.name, "@", snapshot.name));
  return status;
}

Task<Result<std::vector<SnapshotStatus>>> ClusterMember::create_snapshots(
    std::vector<std::string> names) {
  VARVE_CO_TRY(check_joined());
  std::vector<SnapshotName> wanted;
  for (const std::string& name : names) {
    const Result<SnapshotName> parsed = parse_name(name);
    if (!parsed.ok()) co_return parsed.status();
    wanted.push_back(*parsed);
  }
  const auto made = co_await volumes_->snapshot(wanted);
  if (!made.ok()) co_return made.status();
  std::vector<SnapshotStatus> snapshots;
  for (size_t i = 0; i < made->size(); ++i) {
    const ClusterVolume& volume = (*made)[i];
    log_info("volume", text("made snapshot ", names[i]));
    if (const ClusterSnapshot* const snapshot = volume.history.find(wanted[i].snapshot))
      snapshots.push_back(status_of(volume, *snapshot));
  }
  // What is listed, or opened, next has them.
  for (int i = 0; i < kLooksForSnapshots && !ending_ && !made->empty(); ++i) {
    const auto* const known = node_->view().volume(made->back().id);
    if (known != nullptr && known->record.history.find(wanted.back().snapshot) != nullptr) break;
    co_await pause(kLookForSnapshotsNs);
  }
  co_return snapshots;
}

Result<std::vector<SnapshotStatus>> ClusterMember::snapshots(const std::string& volume) const {
  VARVE_TRY(check_joined());
  std::vector<SnapshotStatus> found;
  bool known = volume.empty();
  for (const VolumeStatus& each : volumes()) {
    if (!volume.empty() && each.name != volume) continue;
    known = true;
    const auto* const seen = node_->view().volume(each.name);
    if (seen == nullptr) continue;
    for (const ClusterSnapshot& snapshot : seen->record.history.snapshots)
      if (snapshot.pending == 0) found.push_back(status_of(seen->record, snapshot));
  }
  if (!known) return Status(ErrorCode::kNotFound, text("there is no volume \"", volume, "\""));
  return found;
}

Result<SnapshotStatus> ClusterMember::snapshot(const std::string& name) const {
  VARVE_TRY(check_joined());
  const Result<SnapshotName> parsed = parse_name(name);
  if (!parsed.ok()) return parsed.status();
  const auto* const seen = node_->view().volume(parsed->volume);
  if (seen == nullptr)
    return Status(ErrorCode::kNotFound, text("there is no volume \"", parsed->volume, "\""));
  const ClusterSnapshot* const snapshot = seen->record.history.find(parsed->snapshot);
  if (snapshot == nullptr)
    return Status(ErrorCode::kNotFound,
                  text("volume ", parsed->volume, " has no snapshot ", parsed->snapshot));
  return status_of(seen->record, *snapshot);
}

Task<Result<SnapshotStatus>> ClusterMember::delete_snapshot(std::string name) {
  VARVE_CO_TRY(check_joined());
  const Result<SnapshotName> parsed = parse_name(name);
  if (!parsed.ok()) co_return parsed.status();
  SnapshotStatus status;
  const Result<SnapshotStatus> known = snapshot(name);
  if (known.ok()) status = *known;
  const auto deleted = co_await volumes_->delete_snapshot(*parsed);
  if (!deleted.ok()) co_return deleted.status();
  status.volume = parsed->volume;
  status.name = parsed->snapshot;
  log_info("volume", text("deleted snapshot ", name));
  for (int i = 0; i < kLooksForSnapshots && !ending_; ++i) {
    const auto* const seen = node_->view().volume(deleted->id);
    if (seen == nullptr || seen->record.history.find(parsed->snapshot) == nullptr) break;
    co_await pause(kLookForSnapshotsNs);
  }
  co_return status;
}

}  // namespace varve
