// ClusterNode: the tiers of volumes in this node's disk groups, which follow the volumes' records.
#include <set>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/volume/cluster_node.h"

namespace varve {
namespace {

// What the record says, or auto where the disk group cannot have it so.
VolumeTier tier_in(const Store& store, const ClusterVolume& volume) {
  return store.check_volume_tier(volume.id, volume.tier).ok() ? volume.tier : VolumeTier::kAuto;
}

}  // namespace

void ClusterNode::follow_tiers() {
  std::set<const Store*> looked_at;
  for (const auto& [group, replica] : replication_.replicas()) {
    Store* const store = &replica->store();
    if (!looked_at.insert(store).second || tiering_.contains(store)) continue;
    if (store->stats().failed || !next_tier(*store)) continue;
    tiering_.insert(store);
    tasks_.start(follow_tiers(store));
  }
}

std::optional<TierRecord> ClusterNode::next_tier(const Store& store) const {
  for (const VolumeRecord& held : store.volume_records()) {
    const auto* const volume = view_.volume(held.id);
    if (volume == nullptr || volume->record.deleted) continue;
    const VolumeTier tier = tier_in(store, volume->record);
    if (store.volume_tier(held.id) != tier) return TierRecord{held.id, tier};
  }
  return std::nullopt;
}

// One after the other: whether there is room for the next one depends on those before.
Task<void> ClusterNode::follow_tiers(Store* store) {
  std::optional<TierRecord> refused;
  while (const std::optional<TierRecord> next = next_tier(*store)) {
    const auto set = co_await store->set_volume_tier(next->volume, next->tier);
    if (set.ok()) {
      log_info("cluster", text("volume ", set->name, " has tier ", tier_name(next->tier),
                               " in a disk group of this node now"));
      continue;
    }
    // Gone, or the room is: seen in the next turn, unless nothing was.
    const bool passes =
        set.code() == ErrorCode::kNotFound || set.code() == ErrorCode::kInvalidArgument;
    if (passes && next != refused) {
      refused = next;
      continue;
    }
    log_warn("cluster", text("volume ", static_cast<uint32_t>(next->volume), " has not tier ",
                             tier_name(next->tier), " yet: ", set.status().message()));
    break;
  }
  tiering_.erase(store);
}

std::vector<TierDifference> ClusterNode::tier_differences() const {
  std::vector<TierDifference> differences;
  std::set<const Store*> looked_at;
  for (const auto& [group, replica] : replication_.replicas()) {
    const Store& store = replica->store();
    if (!looked_at.insert(&store).second) continue;
    for (const VolumeRecord& held : store.volume_records()) {
      const auto* const volume = view_.volume(held.id);
      if (volume == nullptr || volume->record.deleted) continue;
      const VolumeTier tier = store.volume_tier(held.id);
      const VolumeTier wanted = volume->record.tier;
      if (tier == wanted) continue;
      const Status room = store.check_volume_tier(held.id, wanted);
      differences.push_back({replica->disk_group(), volume->record.name, tier, wanted,
                             room.ok() ? "not done yet" : std::string(room.message())});
    }
  }
  return differences;
}

}  // namespace varve
