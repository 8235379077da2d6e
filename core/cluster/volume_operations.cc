#include "core/cluster/volume_operations.h"

#include <algorithm>

#include "core/base/size_text.h"
#include "core/cluster/cluster_birth.h"
#include "core/cluster/group_record.h"
#include "core/cluster/planner.h"
#include "core/cluster/record_key.h"
#include "core/cluster/volume_lookup.h"
#include "core/format/catalog_record.h"

namespace varve {
namespace {

Status check_size(uint64_t size_bytes) {
  if (volume_size_allowed(size_bytes)) return {};
  return Status(ErrorCode::kInvalidArgument,
                text("a volume's size is a multiple of ", kBlockBytes, " bytes, at most ",
                     size_text(kVolumeBlocksMax * kBlockBytes)));
}

Status check_creation(const VolumeCreation& wanted) {
  if (!volume_name_allowed(wanted.name)) {
    return Status(ErrorCode::kInvalidArgument,
                  "a volume's name has 1 to 255 letters, digits, '.', '_' and '-', the first a "
                  "letter or digit");
  }
  VARVE_TRY(check_size(wanted.size_bytes));
  if (wanted.copies > kCopiesMax) {
    return Status(ErrorCode::kInvalidArgument, text("a volume has 1 to ", kCopiesMax, " copies"));
  }
  return {};
}

// A volume of the wanted name is there.
Result<VolumeCreated> existing(const ClusterVolume& volume, const VolumeCreation& wanted,
                               uint64_t token) {
  const bool same = volume.size_bytes == wanted.size_bytes &&
                    (wanted.copies == 0 || volume.copies == wanted.copies) &&
                    (!wanted.tier || volume.tier == *wanted.tier);
  if (same) return VolumeCreated{volume, volume.token != token};
  return Status(
      ErrorCode::kAlreadyExists,
      text("volume \"", volume.name, "\" exists already, with ", size_text(volume.size_bytes), ", ",
           volume.copies, volume.copies == 1 ? " copy" : " copies", " and tier ",
           tier_name(volume.tier)));
}

struct CreationPlan {
  Versioned<ClusterRecord> cluster;
  ClusterVolume volume;
};

// The record of the new volume, on what the cluster is now; creates the groups it needs.
Task<Result<CreationPlan>> plan_creation(CasLoop* loop, const VolumeCreation* wanted) {
  const auto prepared = co_await create_missing_groups(loop, wanted->copies, 0);
  if (!prepared.ok()) co_return prepared.status();
  CreationPlan plan;
  auto cluster = co_await read_cluster(loop);
  if (!cluster.ok()) co_return cluster.status();
  plan.cluster = *cluster;
  const auto disk_groups =
      co_await read_records(loop, std::string(kDiskGroupPrefix), decode_disk_group_record);
  if (!disk_groups.ok()) co_return disk_groups.status();
  const auto groups = co_await read_records(loop, std::string(kGroupPrefix), decode_group_record);
  if (!groups.ok()) co_return groups.status();
  ClusterVolume& volume = plan.volume;
  volume.id = VolumeId{cluster->record.next_volume};
  volume.name = wanted->name;
  volume.size_bytes = wanted->size_bytes;
  volume.tier = wanted->tier.value_or(VolumeTier::kAuto);
  volume.copies =
      wanted->copies > 0 ? wanted->copies : default_copies(cluster->record, *disk_groups);
  volume.groups = choose_groups(*groups, volume.copies, wanted->node, cluster->record.next_volume);
  if (!volume.groups.empty()) co_return plan;
  co_return Status(
      ErrorCode::kNoSpace,
      text(volume.copies > 0 ? volume.copies : 1,
           volume.copies > 1 ? " copies need" : " copy needs", " disk groups on as many nodes; ",
           nodes_with_disk_groups(*disk_groups), " nodes have some"));
}

}  // namespace

Task<Result<VolumeCreated>> create_volume(ClusterContext context, VolumeCreation wanted) {
  VARVE_CO_TRY(check_creation(wanted));
  CasLoop loop(context);
  const uint64_t token = loop.draw_token();
  const std::string name_key = volume_name_key(wanted.name);
  for (;;) {
    const FoundVolume found = co_await find_volume(&loop, wanted.name);
    if (!found.ok()) co_return found.status();
    if (found->exists()) co_return existing(found->record, wanted, token);
    Result<CreationPlan> plan = co_await plan_creation(&loop, &wanted);
    if (!plan.ok()) co_return plan.status();
    ClusterVolume& volume = plan->volume;
    volume.token = token;
    ClusterRecord after = plan->cluster.record;
    ++after.next_volume;
    if (volume.tier != VolumeTier::kAuto)
      after.format_version = std::max(after.format_version, kFormatWithTiers);
    MetadataTransaction transaction;
    transaction.compares.push_back({std::string(kClusterKey), plan->cluster.revision});
    transaction.compares.push_back({name_key, 0});
    transaction.puts.push_back({std::string(kClusterKey), encode_cluster_record(after)});
    transaction.puts.push_back({record_key(volume.id), encode_cluster_volume(volume)});
    transaction.puts.push_back({name_key, id_value(volume.id)});
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return VolumeCreated{volume, false};
  }
}

Task<Result<VolumeChanged>> resize_volume(ClusterContext context, VolumeResize wanted) {
  VARVE_CO_TRY(check_size(wanted.size_bytes));
  CasLoop loop(context);
  const uint64_t token = loop.draw_token();
  bool tried = false;
  for (;;) {
    const FoundVolume found = co_await find_volume(&loop, wanted.name);
    if (!found.ok()) co_return found.status();
    if (!found->exists()) co_return no_volume(wanted.name);
    const ClusterVolume& before = found->record;
    // Ours may have been applied, and somebody's after it.
    if (before.size_bytes == wanted.size_bytes || (tried && before.size_bytes > wanted.size_bytes))
      co_return VolumeChanged{before, tried};
    VARVE_CO_TRY(check_growth(before.name, before.size_bytes, wanted.size_bytes));
    ClusterVolume after = before;
    after.size_bytes = wanted.size_bytes;
    after.token = token;
    MetadataTransaction transaction;
    add_change(transaction, *found, after);
    tried = true;
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return VolumeChanged{after, true};
  }
}

Task<Result<VolumeChanged>> set_volume_tier(ClusterContext context, std::string name,
                                            VolumeTier tier) {
  CasLoop loop(context);
  const uint64_t token = loop.draw_token();
  bool tried = false;
  for (;;) {
    const FoundVolume found = co_await find_volume(&loop, name);
    if (!found.ok()) co_return found.status();
    if (!found->exists()) co_return no_volume(name);
    if (found->record.tier == tier) co_return VolumeChanged{found->record, tried};
    ClusterVolume after = found->record;
    after.tier = tier;
    after.token = token;
    MetadataTransaction transaction;
    if (tier != VolumeTier::kAuto)
      VARVE_CO_TRY(co_await raise_format(&loop, kFormatWithTiers, &transaction));
    add_change(transaction, *found, after);
    tried = true;
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return VolumeChanged{after, true};
  }
}

Task<Result<ClusterVolume>> delete_volume(ClusterContext context, std::string name) {
  CasLoop loop(context);
  const uint64_t token = loop.draw_token();
  VolumeId tried{};
  for (;;) {
    const FoundVolume found = co_await find_volume(&loop, name);
    if (!found.ok()) co_return found.status();
    if (!found->exists() || (tried != VolumeId{} && found->record.id != tried)) {
      if (tried == VolumeId{}) co_return no_volume(name);
      // Gone since this call saw it, by this change or by another: deleted is deleted.
      const auto gone = co_await read_record(&loop, record_key(tried), decode_cluster_volume);
      if (!gone.ok()) co_return gone.status();
      ClusterVolume volume = gone->record;
      volume.id = tried;
      volume.deleted = true;
      co_return volume;
    }
    if (found->record.holder != NodeId{}) {
      const std::string holder = co_await node_words(&loop, found->record.holder);
      co_return Status(ErrorCode::kBusy,
                       text("volume \"", name, "\" is attached on node ", holder));
    }
    const auto& snapshots = found->record.history.snapshots;
    const auto made = std::count_if(snapshots.begin(), snapshots.end(),
                                    [](const ClusterSnapshot& held) { return held.pending == 0; });
    if (made > 0)
      co_return Status(ErrorCode::kBusy,
                       text("volume ", name, " has ", made, made == 1 ? " snapshot" : " snapshots",
                            ": delete ", made == 1 ? "it" : "them", " first"));
    ClusterVolume after = found->record;
    after.history.forget_pending();
    tried = after.id;
    after.deleted = true;
    after.token = token;
    MetadataTransaction transaction;
    add_change(transaction, *found, after);
    MetadataPut name_gone;
    name_gone.key = volume_name_key(name);
    name_gone.remove = true;
    transaction.puts.push_back(std::move(name_gone));
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return after;
  }
}

Task<Status> forget_volume(ClusterContext context, VolumeId id) {
  CasLoop loop(context);
  const std::string key = record_key(id);
  for (;;) {
    const FoundVolume found = co_await read_record(&loop, key, decode_cluster_volume);
    if (!found.ok()) co_return found.status();
    if (!found->exists()) co_return Status();
    if (!found->record.deleted) {
      co_return Status(ErrorCode::kBusy,
                       text("volume \"", found->record.name, "\" is not deleted"));
    }
    MetadataTransaction transaction;
    transaction.compares.push_back({key, found->revision});
    MetadataPut gone;
    gone.key = key;
    gone.remove = true;
    transaction.puts.push_back(std::move(gone));
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return Status();
  }
}

Task<Result<ClusterVolume>> attach_volume(ClusterContext context, VolumeAttachment wanted,
                                          const NodeSilence* silence) {
  CasLoop loop(context);
  const uint64_t token = loop.draw_token();
  NodeId deposed{};  // decided once: a change that may be on its way must stay the same
  for (;;) {
    const FoundVolume found = co_await find_volume(&loop, wanted.name);
    if (!found.ok()) co_return found.status();
    if (!found->exists()) co_return no_volume(wanted.name);
    if (found->record.token == token) co_return found->record;
    const NodeId holder = found->record.holder;
    if (holder != NodeId{} && holder != wanted.node && holder != deposed) {
      if (!wanted.force && !silence->is_silent(holder)) {
        const std::string words = co_await node_words(&loop, holder);
        co_return Status(ErrorCode::kBusy,
                         text("volume \"", wanted.name, "\" is attached on node ", words));
      }
      deposed = holder;
    }
    ClusterVolume after = found->record;
    ++after.generation;
    after.history.forget_pending();  // nobody goes on with it
    after.holder = wanted.node;
    after.holder_mode = wanted.mode;
    after.token = token;
    MetadataTransaction transaction;
    add_change(transaction, *found, after);
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return after;
  }
}

Task<Result<ClusterVolume>> detach_volume(ClusterContext context, VolumeDetachment wanted) {
  CasLoop loop(context);
  const uint64_t token = loop.draw_token();
  for (;;) {
    const FoundVolume found = co_await find_volume(&loop, wanted.name);
    if (!found.ok()) co_return found.status();
    if (!found->exists()) co_return no_volume(wanted.name);
    const ClusterVolume& before = found->record;
    if (before.holder == NodeId{}) co_return before;
    const bool is_other = before.holder != wanted.node;
    if (!wanted.force && wanted.generation > 0 && before.generation != wanted.generation) {
      co_return Status(ErrorCode::kStale,
                       text("volume \"", wanted.name, "\" is attached again, with generation ",
                            before.generation));
    }
    if (is_other && !wanted.force) {
      const std::string words = co_await node_words(&loop, before.holder);
      co_return Status(ErrorCode::kBusy,
                       text("volume \"", wanted.name, "\" is attached on node ", words));
    }
    ClusterVolume after = before;
    if (is_other) ++after.generation;
    after.holder = NodeId{};
    after.holder_mode = HolderMode::kReadWrite;
    after.token = token;
    MetadataTransaction transaction;
    add_change(transaction, *found, after);
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return after;
  }
}

}  // namespace varve
