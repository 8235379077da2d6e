// What a member of replication groups knows of a volume's generations and snapshots, as the cluster
// tells it (docs/replication.md, "Snapshots").
#include <algorithm>

#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/store/store_core.h"

namespace varve {
namespace {

constexpr Generation kGenerationMax = kHead - 2;

// Whether a catalog can hold it and be read again: what comes from a peer must not cost the store.
bool fence_fits(const AttachFence& fence, const VolumeRecord& volume) {
  const bool groups_fit =
      !volume.groups.empty() && volume.groups.size() <= kVolumeGroupsMax &&
      std::find(volume.groups.begin(), volume.groups.end(), GroupId{}) == volume.groups.end();
  return groups_fit && fence.group != GroupId{} && volume.id == fence.volume &&
         volume.id != VolumeId{} && volume.id != VolumeId{UINT32_MAX} && volume.blocks > 0 &&
         volume.blocks <= kVolumeBlocksMax && volume_name_allowed(volume.name);
}

bool history_fits(VolumeId id, const VolumeHistory& history) {
  const LineageRecord& lineage = history.lineage;
  if (lineage.newest > kGenerationMax || lineage.headless) return false;
  // What a volume was cloned from is older: so the way through what clones show comes to an end.
  if (lineage.base >= id || lineage.base_generation > kGenerationMax) return false;
  if (lineage.branches.size() > kBranchesMax || history.snapshots.size() > kSnapshotsMax)
    return false;
  for (size_t i = 0; i < lineage.branches.size(); ++i) {
    const LineageRecord::Branch& branch = lineage.branches[i];
    if (i == 0 && (branch.first != 0 || branch.fork != 0)) return false;
    if (i > 0 && (branch.first <= lineage.branches[i - 1].first || branch.fork >= branch.first))
      return false;
    if (branch.first > lineage.newest) return false;
  }
  return std::all_of(history.snapshots.begin(), history.snapshots.end(),
                     [&](const SnapshotRecord& snapshot) {
                       return snapshot.generation < lineage.newest && snapshot.blocks > 0 &&
                              snapshot.blocks <= kVolumeBlocksMax;
                     });
}

// Members do not know what a snapshot is called.
std::string member_name(Generation generation) {
  return text("g", generation);
}

}  // namespace

// Only what is new goes into the change.
void StoreCore::plan_history(const VolumeHistory& history, CatalogPayload& change) const {
  const LineageRecord held = catalog_.lineage(history.lineage.volume);
  // What comes late knows older generations, and fewer branches.
  if (history.lineage.newest > held.newest || history.lineage.base != held.base)
    change.lineages.push_back(history.lineage);
  for (const SnapshotRecord& snapshot : history.snapshots) {
    // A member hears of a snapshot together with the first generation behind it, or never: of one
    // that it gave up it does not have the blocks any more.
    if (snapshot.generation < held.newest) continue;
    SnapshotRecord& added = change.snapshots.emplace_back(snapshot);
    added.volume = history.lineage.volume;
    added.name = member_name(snapshot.generation);
  }
}

Status StoreCore::plan_fence(const AttachFence& fence, const VolumeRecord& volume,
                             const VolumeHistory& history, CatalogPayload& change) const {
  if (fence.generation < catalog_.fence(fence.group, fence.volume)) return ErrorCode::kStale;
  VolumeRecord& record = change.records.emplace_back(volume);
  // What comes late knows an older size, and recovery ignores what lies beyond the end.
  if (const VolumeRecord* held = catalog_.find(volume.id))
    record.blocks = std::max(volume.blocks, held->blocks);
  change.fences.push_back(fence);
  plan_history(history, change);
  if (catalog_.snapshots().size() + change.snapshots.size() > kSnapshotsMax)
    return {ErrorCode::kNoSpace, text("a disk group takes ", kSnapshotsMax, " snapshots")};
  return {};
}

Task<Status> StoreCore::put_fence(AttachFence fence, VolumeRecord volume, VolumeHistory history) {
  history.lineage.volume = volume.id;
  if (!fence_fits(fence, volume) || !history_fits(volume.id, history))
    co_return ErrorCode::kInvalidArgument;
  if (!enter()) co_return ErrorCode::kClosed;
  bool has_news = false;
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    VARVE_TRY(plan_fence(fence, volume, history, change));
    has_news = !change.lineages.empty() || !change.snapshots.empty();
    return {};
  };
  const Status status = co_await catalog_.change(make);
  if (status.ok()) {
    map_.add_volume(volume.id, volume.blocks, volume.groups);
    if (has_news) follow_catalog(volume.id);
    if (has_news) give_up_dropped_soon();
  }
  leave();
  co_return status;
}

VolumeHistory StoreCore::history(VolumeId id) const {
  VolumeHistory history;
  history.lineage = catalog_.lineage(id);
  for (const SnapshotRecord* snapshot : catalog_.snapshots_of(id)) {
    history.lineage.newest = std::max(history.lineage.newest, snapshot->generation + 1);
    history.snapshots.push_back(*snapshot);
    history.snapshots.back().name.clear();
  }
  return history;
}

Task<Status> StoreCore::keep_snapshots(VolumeId id, Generation below,
                                       std::vector<Generation> kept) {
  if (!enter()) co_return ErrorCode::kClosed;
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    if (catalog_.find(id) == nullptr) return ErrorCode::kNotFound;
    for (const SnapshotRecord* snapshot : catalog_.snapshots_of(id)) {
      const Generation generation = snapshot->generation;
      if (generation >= below || std::find(kept.begin(), kept.end(), generation) != kept.end())
        continue;
      change.snapshots.emplace_back(*snapshot).blocks = 0;
    }
    return {};
  };
  const Status status = co_await catalog_.change(make);
  if (status.ok() && map_.find(id) != nullptr) {
    ++snapshots_dropped_;
    follow_catalog(id);
    give_up_dropped_soon();
  }
  leave();
  co_return status;
}

Generation StoreCore::newest_generation(VolumeId id) const {
  const VolumeMap* const volume = map_.find(id);
  return volume == nullptr ? 0 : volume->lineage().newest();
}

bool StoreCore::has_view(VolumeView view) const {
  const VolumeMap* const volume = map_.find(view.volume);
  return volume != nullptr && volume->lineage().has_view(view.generation);
}

VolumeId StoreCore::base_of(VolumeId id) const {
  const VolumeMap* const volume = map_.find(id);
  return volume == nullptr ? VolumeId{} : volume->base().volume;
}

Task<Status> StoreCore::read_generation(VersionRange what, std::byte* out) {
  VARVE_CO_TRY(check_range(what.volume, what.range));
  if (!enter()) co_return ErrorCode::kClosed;
  const Status status = co_await read_blocks(what.view(), what.range, out);
  leave();
  co_return status;
}

bool StoreCore::is_shown(VolumeId id, Generation generation, uint64_t block) const {
  const VolumeMap* const volume = map_.find(id);
  if (volume == nullptr) return false;
  std::vector<Generation> generations;
  if (const Leaf* const leaf = volume->find_leaf(block))
    leaf->generations(block % kLeafBlocks, generations);
  auto at = std::lower_bound(generations.begin(), generations.end(), generation);
  if (at == generations.end() || *at != generation) at = generations.insert(at, generation);
  std::vector<bool> needed;
  volume->lineage().find_needed(generations, needed);
  return needed[static_cast<size_t>(at - generations.begin())];
}

}  // namespace varve
