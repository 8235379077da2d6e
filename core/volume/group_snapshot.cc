#include "core/volume/group_snapshot.h"

#include "core/base/mutant.h"

namespace varve {
namespace {

// Longer than it takes to replace a member or a primary that does not answer.
constexpr uint64_t kDrainNs = 5'000 * kMillisecond;
constexpr uint64_t kTellNs = 10'000 * kMillisecond;

Task<void> tell(AttachedVolume volume) {
  co_await volume->tell_groups();
}

Status taken_away(const ReplicatedVolume& volume) {
  return {ErrorCode::kBusy, "volume \"" + volume.volume().name + "\" was taken away meanwhile"};
}

// Holds the volumes in its scope.
class Hold {
 public:
  explicit Hold(const std::vector<AttachedVolume>& volumes) : volumes_(volumes) {
    for (const AttachedVolume& volume : volumes_) volume->begin_hold();
  }
  ~Hold() {
    for (const AttachedVolume& volume : volumes_) volume->end_hold();
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  const std::vector<AttachedVolume>& volumes_;
};

Task<Status> cut_all(Runtime* runtime, const std::vector<AttachedVolume>* volumes,
                     const SnapshotReservation* reservation) {
  const Hold hold(*volumes);
  const uint64_t deadline_ns = runtime->clock.monotonic_ns() + kDrainNs;
  for (const AttachedVolume& volume : *volumes) {
    const bool drained = co_await volume->drained(deadline_ns);
    if (!drained && volume->over()) co_return taken_away(*volume);
    if (!drained)
      co_return Status(ErrorCode::kUnavailable, "writes that are under way do not come to an end");
  }
  // Nothing is under way on any of them, and nothing is awaited from here to the end of the hold.
  for (size_t i = 0; i < volumes->size(); ++i) (*volumes)[i]->cut(reservation->volumes[i]);
  co_return Status();
}

}  // namespace

Task<Result<std::vector<ClusterVolume>>> take_snapshots(Runtime* runtime, ClusterNode* node,
                                                        TaskGroup* telling,
                                                        std::vector<AttachedVolume> volumes,
                                                        std::vector<SnapshotName> names) {
  auto reserved = co_await reserve_snapshots(node->context(), std::move(names), node->node());
  if (!reserved.ok()) co_return reserved.status();
  for (size_t i = 0; i < volumes.size(); ++i)
    if (volumes[i]->volume().generation != reserved->volumes[i].generation)
      co_return taken_away(*volumes[i]);  // this node has attached it anew
  if (VARVE_MUTANT(kCutVolumesOneByOne)) {
    for (size_t i = 0; i < volumes.size(); ++i) {
      const std::vector<AttachedVolume> one{volumes[i]};
      SnapshotReservation part;
      part.volumes.push_back(reserved->volumes[i]);
      VARVE_CO_TRY(co_await cut_all(runtime, &one, &part));
      co_await runtime->timers.until(runtime->clock.monotonic_ns() + 200 * kMillisecond);
    }
  } else {
    VARVE_CO_TRY(co_await cut_all(runtime, &volumes, &*reserved));
  }
  for (const AttachedVolume& volume : volumes) telling->start(tell(volume));
  const uint64_t deadline_ns = runtime->clock.monotonic_ns() + kTellNs;
  for (const AttachedVolume& volume : volumes) {
    const bool told = co_await volume->told(deadline_ns);
    if (!told && volume->over()) co_return taken_away(*volume);
    if (!told) co_return Status(ErrorCode::kUnavailable, "a group has no primary");
  }
  auto made = co_await commit_snapshots(node->context(), std::move(*reserved));
  co_return made;
}

}  // namespace varve
