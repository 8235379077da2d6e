#include "core/cluster/snapshot_operations.h"

#include <algorithm>

#include "core/cluster/cluster_birth.h"
#include "core/cluster/record_key.h"
#include "core/cluster/volume_lookup.h"

namespace varve {
namespace {

constexpr Generation kNewestMax = kHead - 4;

Status no_snapshot(const SnapshotName& name) {
  return {ErrorCode::kNotFound, text("volume ", name.volume, " has no snapshot ", name.snapshot)};
}

Status check_names(const std::vector<SnapshotName>& names) {
  if (names.empty()) return {ErrorCode::kInvalidArgument, "a snapshot of which volume?"};
  for (size_t i = 0; i < names.size(); ++i) {
    VARVE_TRY(check_name(names[i].snapshot, "snapshot"));
    for (size_t other = 0; other < i; ++other)
      if (names[other].volume == names[i].volume)
        return {ErrorCode::kInvalidArgument, text("volume ", names[i].volume, " is named twice")};
  }
  return {};
}

Status check_reservation(const ClusterVolume& volume, const std::string& snapshot) {
  const ClusterHistory& history = volume.history;
  if (history.find(snapshot) != nullptr)
    return {ErrorCode::kAlreadyExists,
            text("volume ", volume.name, " has a snapshot ", snapshot, " already")};
  if (history.newest >= kNewestMax)
    return {ErrorCode::kNoSpace, text("volume ", volume.name, " cannot have more generations")};
  if (history.snapshots.size() >= kVolumeSnapshotsMax)
    return {ErrorCode::kNoSpace, text("a volume takes ", kVolumeSnapshotsMax, " snapshots")};
  return {};
}

Task<Status> check_count(CasLoop* loop, size_t more) {
  const auto volumes =
      co_await read_records(loop, std::string(kVolumePrefix), decode_cluster_volume);
  if (!volumes.ok()) co_return volumes.status();
  size_t count = more;
  for (const ClusterVolume& volume : *volumes) count += volume.history.snapshots.size();
  if (count <= kClusterSnapshotsMax) co_return Status();
  co_return Status(ErrorCode::kNoSpace, text("a cluster takes ", kClusterSnapshotsMax,
                                             " snapshots of all volumes; delete some first"));
}

bool has_pending(const ClusterVolume& volume, uint64_t token) {
  return std::any_of(volume.history.snapshots.begin(), volume.history.snapshots.end(),
                     [token](const ClusterSnapshot& held) { return held.pending == token; });
}

// One turn of reserve_snapshots(): the records as they are, and as they shall be.
struct ReservationTurn {
  std::vector<Versioned<ClusterVolume>> before;
  std::vector<ClusterVolume> after;
  bool done = false;
};

Task<Result<ReservationTurn>> plan_reservation(CasLoop* loop, const SnapshotReservation* wanted,
                                               NodeId node, uint64_t now_seconds) {
  ReservationTurn turn;
  turn.done = true;
  for (const SnapshotName& name : wanted->names) {
    const FoundVolume found = co_await find_volume(loop, name.volume);
    if (!found.ok()) co_return found.status();
    if (!found->exists()) co_return no_volume(name.volume);
    turn.before.push_back(*found);
    ClusterVolume& after = turn.after.emplace_back(found->record);
    if (has_pending(after, wanted->token)) continue;
    turn.done = false;
    if (after.holder != node) {
      const std::string holder = co_await node_words(loop, after.holder);
      co_return Status(ErrorCode::kBusy,
                       text("volume \"", after.name, "\" is attached on node ", holder));
    }
    // Only its holder takes snapshots, one after the other: nobody goes on with another one.
    after.history.forget_pending();
    VARVE_CO_TRY(check_reservation(after, name.snapshot));
    after.history.snapshots.push_back({.generation = after.history.newest,
                                       .size_bytes = after.size_bytes,
                                       .created_seconds = now_seconds,
                                       .pending = wanted->token,
                                       .name = name.snapshot});
    ++after.history.newest;
    after.token = wanted->token;
  }
  co_return turn;
}

}  // namespace

Task<Result<SnapshotReservation>> reserve_snapshots(ClusterContext context,
                                                    std::vector<SnapshotName> names, NodeId node) {
  VARVE_CO_TRY(check_names(names));
  CasLoop loop(context);
  SnapshotReservation reservation;
  reservation.names = std::move(names);
  reservation.token = loop.draw_token();
  const uint64_t now_seconds = context.runtime->clock.wall_seconds();
  VARVE_CO_TRY(co_await check_count(&loop, reservation.names.size()));
  for (;;) {
    auto turn = co_await plan_reservation(&loop, &reservation, node, now_seconds);
    if (!turn.ok()) co_return turn.status();
    reservation.volumes = turn->after;
    if (turn->done) co_return reservation;
    MetadataTransaction transaction;
    VARVE_CO_TRY(co_await raise_format(&loop, kFormatWithSnapshots, &transaction));
    for (size_t i = 0; i < turn->before.size(); ++i)
      add_change(transaction, turn->before[i], turn->after[i]);
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return reservation;
  }
}

Task<Result<std::vector<ClusterVolume>>> commit_snapshots(ClusterContext context,
                                                          SnapshotReservation reservation) {
  CasLoop loop(context);
  for (;;) {
    MetadataTransaction transaction;
    std::vector<ClusterVolume> volumes;
    size_t made = 0;
    for (size_t i = 0; i < reservation.volumes.size(); ++i) {
      const ClusterVolume& reserved = reservation.volumes[i];
      const auto found =
          co_await read_record(&loop, record_key(reserved.id), decode_cluster_volume);
      if (!found.ok()) co_return found.status();
      ClusterVolume after = found->record;
      for (ClusterSnapshot& snapshot : after.history.snapshots) {
        if (snapshot.generation + 1 != reserved.history.newest) continue;
        if (snapshot.pending == 0) ++made;  // by ourselves, or its generation would be another
        if (snapshot.pending == reservation.token) snapshot.pending = 0;
      }
      const ClusterSnapshot* const own = after.history.find(reserved.history.newest - 1);
      if (after.deleted || own == nullptr)
        co_return Status(ErrorCode::kBusy,
                         text("volume \"", reserved.name, "\" was attached anew meanwhile"));
      add_change(transaction, *found, after);
      volumes.push_back(std::move(after));
    }
    if (made == volumes.size()) co_return volumes;
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return volumes;
  }
}

Task<Result<ClusterVolume>> delete_snapshot(ClusterContext context, SnapshotName name) {
  CasLoop loop(context);
  const uint64_t token = loop.draw_token();
  bool tried = false;
  for (;;) {
    // Who makes a clone changes the cluster's record: none is made of the snapshot meanwhile.
    const auto cluster = co_await read_cluster(&loop);
    if (!cluster.ok()) co_return cluster.status();
    const FoundVolume found = co_await find_volume(&loop, name.volume);
    if (!found.ok()) co_return found.status();
    if (!found->exists()) co_return no_volume(name.volume);
    const ClusterSnapshot* const snapshot = found->record.history.find(name.snapshot);
    if (snapshot == nullptr) {
      if (tried) co_return found->record;  // deleted is deleted, by whomever
      co_return no_snapshot(name);
    }
    const auto volumes =
        co_await read_records(&loop, std::string(kVolumePrefix), decode_cluster_volume);
    if (!volumes.ok()) co_return volumes.status();
    for (const ClusterVolume& other : *volumes)
      if (!other.deleted && other.history.base == found->record.id &&
          other.history.base_generation == snapshot->generation)
        co_return Status(ErrorCode::kBusy,
                         text("volume ", other.name, " is a clone of ", name.volume, "@",
                              name.snapshot, ": delete it first"));
    ClusterVolume after = found->record;
    after.token = token;
    std::erase_if(after.history.snapshots, [&](const ClusterSnapshot& held) {
      return held.generation == snapshot->generation;
    });
    MetadataTransaction transaction;
    add_change(transaction, *found, after);
    transaction.compares.push_back({std::string(kClusterKey), cluster->revision});
    tried = true;
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return after;
  }
}

}  // namespace varve
