// NodeVolumes: snapshots, roll-back and clones.
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/daemon/node_volumes.h"

namespace varve {
namespace {

constexpr size_t kChangesPageRuns = 10000;
constexpr uint64_t kChangesStepBlocks = uint64_t{kExtentBlocks} * 8;

Status not_a_snapshot(std::string_view name) {
  return {ErrorCode::kInvalidArgument,
          text("\"", name, "\" is not the name of a snapshot: VOLUME@SNAPSHOT")};
}

Status in_use(std::string_view what) {
  return {ErrorCode::kBusy, text(what, " is in use: a client has it open")};
}

void add_change(ChangesPage& page, ChangesPage::Run run) {
  if (!page.runs.empty() && page.runs.back().offset + page.runs.back().bytes == run.offset)
    page.runs.back().bytes += run.bytes;
  else
    page.runs.push_back(run);
}

}  // namespace

Result<NodeVolumes::ViewPlace> NodeVolumes::view_of(const std::string& name) const {
  const size_t at = name.find('@');
  const Result<Place> place = place_of(name.substr(0, at), "");
  if (!place.ok()) return place.status();
  if (at == std::string::npos) return ViewPlace{*place, "", place->info.id, place->info.size_bytes};
  const std::string snapshot = name.substr(at + 1);
  const Result<SnapshotInfo> info = place->group->store()->find_snapshot(place->info.id, snapshot);
  if (!info.ok())
    return Status(ErrorCode::kNotFound,
                  text("volume ", place->info.name, " has no snapshot ", snapshot));
  return ViewPlace{*place, snapshot, {place->info.id, info->generation}, info->size_bytes};
}

Result<NodeVolumes::ViewPlace> NodeVolumes::snapshot_of(const std::string& name) const {
  if (name.find('@') == std::string::npos) return not_a_snapshot(name);
  return view_of(name);
}

SnapshotStatus NodeVolumes::snapshot_status(const Place& place, const SnapshotInfo& info) const {
  SnapshotStatus status;
  status.volume = place.info.name;
  status.name = info.name;
  status.disk_group = place.group->config().name;
  status.size_bytes = info.size_bytes;
  status.created_seconds = info.created_seconds;
  status.in_use = table_.in_use(*place.group->store(), {info.volume, info.generation});
  return status;
}

Task<Result<std::vector<SnapshotStatus>>> NodeVolumes::create_snapshots(
    std::vector<std::string> names) {
  std::vector<SnapshotRequest> requests;
  std::vector<Place> places;
  for (const std::string& name : names) {
    const size_t at = name.find('@');
    if (at == std::string::npos) co_return not_a_snapshot(name);
    const Result<Place> place = place_of(name.substr(0, at), "");
    if (!place.ok()) co_return place.status();
    places.push_back(*place);
    requests.push_back({place->info.id, name.substr(at + 1)});
    if (place->group != places.front().group)
      co_return Status(ErrorCode::kUnsupported,
                       text("volumes ", places.front().info.name, " and ", place->info.name,
                            " are on different disk groups: their snapshots cannot be of one ",
                            "instant; take them one by one"));
  }
  if (places.empty()) co_return Status(ErrorCode::kInvalidArgument, "a snapshot of which volume?");
  const auto made = co_await places.front().group->store()->create_snapshots(requests);
  if (!made.ok()) co_return made.status();
  std::vector<SnapshotStatus> snapshots;
  for (size_t i = 0; i < made->size(); ++i) {
    log_info("volume", text("made snapshot ", names[i]));
    snapshots.push_back(snapshot_status(places[i], (*made)[i]));
  }
  co_return snapshots;
}

Result<std::vector<SnapshotStatus>> NodeVolumes::snapshots(const std::string& volume) const {
  if (!volume.empty()) {
    const Result<Place> place = place_of(volume, "");
    if (!place.ok()) return place.status();
  }
  std::vector<SnapshotStatus> found;
  for (const auto& group : groups_) {
    if (group->store() == nullptr) continue;
    for (const VolumeInfo& info : group->store()->volumes()) {
      if (!volume.empty() && info.name != volume) continue;
      for (const SnapshotInfo& snapshot : group->store()->snapshots(info.id))
        found.push_back(snapshot_status({group.get(), info}, snapshot));
    }
  }
  return found;
}

Task<Result<SnapshotStatus>> NodeVolumes::snapshot(std::string name) {
  const Result<ViewPlace> found = snapshot_of(name);
  if (!found.ok()) co_return found.status();
  Store& store = *found->place.group->store();
  const Result<SnapshotInfo> info = store.find_snapshot(found->view.volume, found->snapshot);
  if (!info.ok()) co_return info.status();
  SnapshotStatus status = snapshot_status(found->place, *info);
  const Result<ViewSpace> space = co_await store.view_space(found->view);
  if (!space.ok()) co_return space.status();
  status.used_bytes = space->used_bytes;
  status.exclusive_bytes = space->exclusive_bytes;
  co_return status;
}

Task<Result<SnapshotStatus>> NodeVolumes::delete_snapshot(std::string name) {
  const Result<ViewPlace> found = snapshot_of(name);
  if (!found.ok()) co_return found.status();
  Store& store = *found->place.group->store();
  if (table_.in_use(store, found->view)) co_return in_use(text("snapshot ", name));
  const Result<SnapshotInfo> info = store.find_snapshot(found->view.volume, found->snapshot);
  if (!info.ok()) co_return info.status();
  const SnapshotStatus status = snapshot_status(found->place, *info);
  const Status deleted = co_await store.delete_snapshot(found->view.volume, found->snapshot);
  if (!deleted.ok()) co_return deleted;
  log_info("volume", text("deleted snapshot ", name));
  co_return status;
}

Task<Result<VolumeStatus>> NodeVolumes::roll_back(std::string name) {
  const Result<ViewPlace> found = snapshot_of(name);
  if (!found.ok()) co_return found.status();
  const Place& place = found->place;
  Store& store = *place.group->store();
  if (table_.in_use(store, place.info.id)) co_return in_use(text("volume ", place.info.name));
  const NameHold hold(*this, place.info.name);
  const Status status = co_await store.roll_back(found->view.volume, found->snapshot);
  if (!status.ok()) co_return status;
  log_info("volume", text("rolled ", place.info.name, " back to snapshot ", found->snapshot));
  co_return status_of(place);
}

Task<Result<VolumeStatus>> NodeVolumes::clone(CloneVolume request) {
  const Result<ViewPlace> found = snapshot_of(request.snapshot);
  if (!found.ok()) co_return found.status();
  if (held_names_.contains(request.name) || !places_of(request.name).empty())
    co_return Status(ErrorCode::kAlreadyExists, text("volume ", request.name, " exists already"));
  const NameHold hold(*this, request.name);
  DiskGroup* const group = found->place.group;
  const auto made = co_await group->store()->clone_volume(
      found->view.volume, found->snapshot, request.name, request.size_bytes, request.tier);
  if (!made.ok()) co_return made.status();
  log_info("volume", text("made ", request.name, " of snapshot ", request.snapshot));
  co_return status_of({group, *made});
}

Task<Result<ChangesPage>> NodeVolumes::changes(AskChanges request) {
  const Result<ViewPlace> since = snapshot_of(request.since);
  if (!since.ok()) co_return since.status();
  const Result<ViewPlace> until =
      view_of(request.until.empty() ? since->place.info.name : request.until);
  if (!until.ok()) co_return until.status();
  if (until->place.group != since->place.group || until->view.volume != since->view.volume)
    co_return Status(ErrorCode::kInvalidArgument,
                     text(request.since, " and ", request.until, " are not of one volume"));
  Store& store = *since->place.group->store();
  ChangesPage page;
  const uint64_t blocks = since->place.info.size_bytes / kBlockBytes;
  std::vector<BlockStatusRun> runs;
  for (uint64_t at = request.offset / kBlockBytes; at < blocks;) {
    const BlockRange step{at, std::min(kChangesStepBlocks, blocks - at)};
    runs.clear();
    const Status compared = co_await store.changed_blocks(since->view, until->view, step, &runs);
    if (!compared.ok()) co_return compared;
    for (const BlockStatusRun& run : runs) {
      if (run.data) add_change(page, {at * kBlockBytes, run.block_count * kBlockBytes});
      at += run.block_count;
    }
    if (page.runs.size() < kChangesPageRuns) continue;
    page.next_offset = at < blocks ? at * kBlockBytes : 0;
    break;
  }
  co_return page;
}

}  // namespace varve
