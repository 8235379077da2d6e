// Snapshots, roll-back, clones, and the deletion of what others may stand on.
//
// A snapshot is a cut: from one moment on, writes carry the next generation. Writers are not held
// up; the snapshot is complete when the writes before the cut are durable and the catalog says so.
// Until then it counts as a view in memory alone: a crash takes it back as if it had never been.
#include <algorithm>

#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/log/log_stream.h"
#include "core/store/store_core.h"

namespace varve {
namespace {

LineageRecord record_of(VolumeId id, const Lineage& lineage, const CloneBase& base) {
  LineageRecord record{.volume = id,
                       .newest = lineage.newest(),
                       .base = base.volume,
                       .base_generation = base.generation,
                       .headless = lineage.headless(),
                       .branches = {}};
  if (lineage.branches().size() > 1)
    for (const Branch& branch : lineage.branches())
      record.branches.push_back({branch.first, branch.fork});
  return record;
}

Status no_snapshot(const VolumeRecord& volume, std::string_view name) {
  return {ErrorCode::kNotFound, text("volume ", volume.name, " has no snapshot ", name)};
}

}  // namespace

SnapshotInfo StoreCore::info_of(const SnapshotRecord& record) {
  return {.volume = record.volume,
          .name = record.name,
          .generation = record.generation,
          .size_bytes = record.blocks * kBlockBytes,
          .created_seconds = record.created_seconds};
}

void StoreCore::follow_catalog(VolumeId id) {
  if (catalog_.find(id) == nullptr) {
    map_.drop_volume(id);
    give_up_dropped_soon();
    return;
  }
  VolumeMap& volume = *map_.find(id);
  const LineageRecord record = catalog_.lineage(id);
  std::vector<Branch> branches;
  branches.reserve(record.branches.size());
  for (const LineageRecord::Branch& branch : record.branches)
    branches.push_back({branch.first, branch.fork});
  Lineage lineage(std::max(record.newest, volume.lineage().newest()), std::move(branches));
  for (const SnapshotRecord* snapshot : catalog_.snapshots_of(id))
    lineage.add_view(snapshot->generation);
  if (record.headless) lineage.drop_head();
  volume.lineage() = std::move(lineage);
  volume.set_base({record.base, record.base_generation});
  map_.views_dropped(id);
}

Status StoreCore::check_snapshots(const std::vector<SnapshotRequest>& requests) const {
  if (requests.empty()) return {ErrorCode::kInvalidArgument, "a snapshot of which volume?"};
  for (size_t i = 0; i < requests.size(); ++i) {
    const SnapshotRequest& request = requests[i];
    VARVE_TRY(check_name(request.name, "snapshot"));
    const VolumeRecord* const volume = catalog_.find(request.volume);
    if (volume == nullptr || !map_.find(request.volume)->lineage().has_view(kHead))
      return ErrorCode::kNotFound;
    if (catalog_.find_snapshot(request.volume, request.name) != nullptr)
      return {ErrorCode::kAlreadyExists,
              text("volume ", volume->name, " has a snapshot ", request.name, " already")};
    if (map_.find(request.volume)->lineage().newest() >= kHead - 2)
      return {ErrorCode::kNoSpace, text("volume ", volume->name, " cannot have more generations")};
    for (size_t other = 0; other < i; ++other)
      if (requests[other].volume == request.volume)
        return {ErrorCode::kInvalidArgument, text("volume ", volume->name, " is named twice")};
  }
  if (catalog_.snapshots().size() + requests.size() > kSnapshotsMax)
    return {ErrorCode::kNoSpace, text("a disk group takes ", kSnapshotsMax, " snapshots")};
  return check_not_full("snapshots");
}

Task<Result<std::vector<SnapshotInfo>>> StoreCore::create_snapshots(
    std::vector<SnapshotRequest> requests) {
  if (!enter()) co_return ErrorCode::kClosed;
  co_await views_turn_.take();
  Result<std::vector<SnapshotInfo>> made = co_await cut_snapshots(std::move(requests));
  views_turn_.end();
  leave();
  co_return made;
}

// All volumes at one moment: nothing is awaited in between.
Task<std::vector<Generation>> StoreCore::cut(const std::vector<SnapshotRequest>& requests) {
  std::vector<Generation> generations;
  LogStream& writes = writer_.stream(StreamKind::kUser);
  for (const SnapshotRequest& request : requests) {
    generations.push_back(map_.find(request.volume)->lineage().snapshot());
    if (VARVE_MUTANT(kForgetPendingSnapshot))
      map_.find(request.volume)->lineage().drop_view(generations.back());
    if (VARVE_MUTANT(kCutVolumesApart)) co_await writes.drained();
  }
  if (!VARVE_MUTANT(kSnapshotWithoutDrain)) co_await writes.drained();
  co_return generations;
}

Task<Result<std::vector<SnapshotInfo>>> StoreCore::cut_snapshots(
    std::vector<SnapshotRequest> requests) {
  VARVE_CO_TRY(check_snapshots(requests));
  const std::vector<Generation> generations = co_await cut(requests);
  std::vector<SnapshotInfo> infos;
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    for (size_t i = 0; i < requests.size(); ++i) {
      const SnapshotRecord& record = change.snapshots.emplace_back(
          SnapshotRecord{.volume = requests[i].volume,
                         .generation = generations[i],
                         .blocks = catalog_.find(requests[i].volume)->blocks,
                         .created_seconds = runtime_.clock.wall_seconds(),
                         .name = requests[i].name});
      infos.push_back(info_of(record));
    }
    return {};
  };
  const Status status = co_await catalog_.change(make);
  if (!status.ok() || VARVE_MUTANT(kForgetPendingSnapshot))
    for (const SnapshotRequest& request : requests) follow_catalog(request.volume);
  if (!status.ok()) {
    give_up_dropped_soon();
    co_return status;
  }
  co_return infos;
}

bool StoreCore::is_clone_base(VolumeId volume, Generation generation) const {
  for (const auto& [id, lineage] : catalog_.lineages())
    if (lineage.base == volume && lineage.base_generation == generation) return true;
  return false;
}

Task<Status> StoreCore::delete_snapshot(VolumeId id, std::string name) {
  if (!enter()) co_return ErrorCode::kClosed;
  co_await views_turn_.take();
  const Status status = co_await drop_snapshot(id, std::move(name));
  views_turn_.end();
  leave();
  co_return status;
}

Task<Status> StoreCore::drop_snapshot(VolumeId id, std::string name) {
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    const VolumeRecord* const volume = catalog_.find(id);
    if (volume == nullptr) return ErrorCode::kNotFound;
    const SnapshotRecord* const snapshot = catalog_.find_snapshot(id, name);
    if (snapshot == nullptr) return no_snapshot(*volume, name);
    SnapshotRecord& dropped = change.snapshots.emplace_back(*snapshot);
    dropped.name.clear();  // clones stand on it: it only loses its name
    if (!is_clone_base(id, snapshot->generation)) dropped.blocks = 0;
    return {};
  };
  const Status status = co_await catalog_.change(make);
  if (!status.ok()) co_return status;
  follow_catalog(id);
  give_up_dropped_soon();
  co_return status;
}

Task<Status> StoreCore::roll_back(VolumeId id, std::string snapshot) {
  if (!enter()) co_return ErrorCode::kClosed;
  co_await views_turn_.take();
  const Status status = co_await roll_back_now(id, std::move(snapshot));
  views_turn_.end();
  leave();
  co_return status;
}

Task<Status> StoreCore::roll_back_now(VolumeId id, std::string name) {
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    const VolumeRecord* const volume = catalog_.find(id);
    if (volume == nullptr) return ErrorCode::kNotFound;
    const SnapshotRecord* const snapshot = catalog_.find_snapshot(id, name);
    if (snapshot == nullptr) return no_snapshot(*volume, name);
    Lineage lineage = map_.find(id)->lineage();
    lineage.roll_back(snapshot->generation);
    if (lineage.branches().size() > kBranchesMax)
      return {ErrorCode::kNoSpace, text("volume ", volume->name, " was rolled back ", kBranchesMax,
                                        " times: clone the snapshot instead")};
    change.lineages.push_back(record_of(id, lineage, map_.find(id)->base()));
    return {};
  };
  const Status status = co_await catalog_.change(make);
  if (!status.ok()) co_return status;
  follow_catalog(id);
  give_up_dropped_soon();
  co_return status;
}

Task<Result<VolumeInfo>> StoreCore::clone_volume(VolumeId id, std::string snapshot,
                                                 std::string name, uint64_t size_bytes,
                                                 std::optional<VolumeTier> tier) {
  if (!enter()) co_return ErrorCode::kClosed;
  co_await views_turn_.take();
  VolumeRecord record;
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    const VolumeRecord* const volume = catalog_.find(id);
    if (volume == nullptr) return ErrorCode::kNotFound;
    const SnapshotRecord* const base = catalog_.find_snapshot(id, snapshot);
    if (base == nullptr) return no_snapshot(*volume, snapshot);
    const uint64_t blocks = size_bytes == 0 ? base->blocks : blocks_for(size_bytes);
    VARVE_TRY(check_new_volume(name, blocks));
    VARVE_TRY(check_growth(text(volume->name, "@", snapshot), base->blocks * kBlockBytes,
                           blocks * kBlockBytes));
    if (catalog_.find(name) != nullptr)
      return {ErrorCode::kAlreadyExists, text("volume ", name, " exists already")};
    record = catalog_.next_volume(name, blocks);
    change.records.push_back(record);
    change.lineages.push_back(record_of(record.id, {}, {id, base->generation}));
    return plan_tier(record, tier.value_or(catalog_.tier(id)), change);
  };
  const Status status = co_await catalog_.change(make);
  if (status.ok()) {
    map_.add_volume(record.id, record.blocks, {});
    follow_catalog(record.id);
  }
  views_turn_.end();
  leave();
  if (!status.ok()) co_return status;
  co_return info_of(record);
}

Task<Status> StoreCore::delete_volume(VolumeId id) {
  if (!enter()) co_return ErrorCode::kClosed;
  co_await views_turn_.take();
  const Status status = co_await drop_volume(id);
  views_turn_.end();
  leave();
  co_return status;
}

// The volume, and what had been kept only for it: a nameless snapshot that it was the last clone
// of, and the deleted volume of that, if it was its last.
Status StoreCore::plan_volume_drop(VolumeId id, CatalogPayload& change) const {
  const VolumeRecord* const volume = catalog_.find(id);
  if (volume == nullptr || catalog_.lineage(id).headless) return ErrorCode::kNotFound;
  const auto snapshots = catalog_.snapshots_of(id);
  const auto named = std::count_if(snapshots.begin(), snapshots.end(),
                                   [](const SnapshotRecord* held) { return !held->name.empty(); });
  if (named > 0)
    return {ErrorCode::kBusy,
            text("volume ", volume->name, " has ", named, named == 1 ? " snapshot" : " snapshots",
                 ": delete ", named == 1 ? "it" : "them", " first")};
  if (!snapshots.empty()) {  // clones show the rest of it
    LineageRecord& lineage = change.lineages.emplace_back(catalog_.lineage(id));
    lineage.headless = true;
    if (catalog_.tier(id) != VolumeTier::kAuto) change.tiers.push_back({id, VolumeTier::kAuto});
    return {};
  }
  for (VolumeId next = id; next != VolumeId{};) {
    const VolumeRecord& gone = *catalog_.find(next);
    change.records.push_back({gone.id, 0, gone.name, {}});
    const LineageRecord lineage = catalog_.lineage(next);
    next = VolumeId{};
    const auto base = catalog_.snapshots().find({lineage.base, lineage.base_generation});
    if (base == catalog_.snapshots().end() || !base->second.name.empty()) break;
    const auto clones = std::count_if(
        catalog_.lineages().begin(), catalog_.lineages().end(), [&](const auto& other) {
          return other.second.base == lineage.base &&
                 other.second.base_generation == lineage.base_generation;
        });
    if (clones > 1) break;
    SnapshotRecord& dropped = change.snapshots.emplace_back(base->second);
    dropped.blocks = 0;
    if (catalog_.lineage(lineage.base).headless && catalog_.snapshots_of(lineage.base).size() == 1)
      next = lineage.base;
  }
  return {};
}

Task<Status> StoreCore::drop_volume(VolumeId id) {
  std::vector<VolumeId> touched;
  bool kept = false;
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    VARVE_TRY(plan_volume_drop(id, change));
    kept = catalog_.tier(id) == VolumeTier::kSsd;
    for (const VolumeRecord& record : change.records) touched.push_back(record.id);
    for (const SnapshotRecord& snapshot : change.snapshots) touched.push_back(snapshot.volume);
    for (const LineageRecord& lineage : change.lineages) touched.push_back(lineage.volume);
    return {};
  };
  const Status status = co_await catalog_.change(make);
  if (!status.ok()) co_return status;
  for (const VolumeId volume : touched) follow_catalog(volume);
  if (kept) tier_.keeps_changed();
  give_up_dropped_soon();
  co_return status;
}

}  // namespace varve
