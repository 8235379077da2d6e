#include "core/cluster/planner_task.h"

#include <algorithm>

#include "core/cluster/cluster_birth.h"
#include "core/cluster/group_record.h"
#include "core/cluster/planner.h"
#include "core/cluster/record_key.h"

namespace varve {
namespace {

// One transaction has at most 64 entries, the cluster's record among them.
constexpr size_t kGroupsPerTransaction = 60;

// The same for every planner of the cluster.
uint64_t seed_of(const Uuid& cluster) {
  uint64_t seed = 0;
  for (const std::byte part : cluster) seed = seed * 257 + std::to_integer<uint64_t>(part);
  return seed;
}

// The revision of the planner record that names `self`.
Task<Result<uint64_t>> take_planning(CasLoop* loop, NodeId self, const NodeSilence* silence) {
  PlannerRecord mine{.node = self, .token = loop->draw_token()};
  NodeId deposed{};  // decided once: a change that may be on its way must stay the same
  for (;;) {
    const auto found = co_await read_record(loop, std::string(kPlannerKey), decode_planner_record);
    if (!found.ok()) co_return found.status();
    if (found->exists()) {
      const NodeId holder = found->record.node;
      if (holder == self) co_return found->revision;
      if (holder != deposed && !silence->is_silent(holder)) {
        co_return Status(ErrorCode::kBusy,
                         text("node ", static_cast<uint32_t>(holder), " plans for the cluster"));
      }
      deposed = holder;
    }
    MetadataTransaction transaction;
    transaction.compares.push_back({std::string(kPlannerKey), found->revision});
    transaction.puts.push_back({std::string(kPlannerKey), encode_planner_record(mine)});
    const Result<bool> applied = co_await loop->commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
  }
}

// The next change of a plan: as many groups as fit.
MetadataTransaction group_creation(const Versioned<ClusterRecord>& cluster,
                                   const std::vector<std::vector<GroupMember>>& missing,
                                   uint64_t planner_revision, CasLoop& loop) {
  ClusterRecord after = cluster.record;
  MetadataTransaction transaction;
  transaction.compares.push_back({std::string(kClusterKey), cluster.revision});
  if (planner_revision > 0) {
    transaction.compares.push_back({std::string(kPlannerKey), planner_revision});
  }
  for (size_t i = 0; i < std::min(missing.size(), kGroupsPerTransaction); ++i) {
    GroupRecord group = new_group_record(GroupId{after.next_group++}, missing[i]);
    group.token = loop.draw_token();
    transaction.puts.push_back({record_key(group.id), encode_group_record(group)});
  }
  transaction.puts.push_back({std::string(kClusterKey), encode_cluster_record(after)});
  return transaction;
}

}  // namespace

Task<Result<PlanningDone>> create_missing_groups(CasLoop* loop, uint32_t copies,
                                                 uint64_t planner_revision) {
  PlanningDone done;
  for (;;) {
    // First of all, so that its revision stands for everything that is read after it.
    const auto cluster = co_await read_cluster(loop);
    if (!cluster.ok()) co_return cluster.status();
    auto disk_groups =
        co_await read_records(loop, std::string(kDiskGroupPrefix), decode_disk_group_record);
    if (!disk_groups.ok()) co_return disk_groups.status();
    auto groups = co_await read_records(loop, std::string(kGroupPrefix), decode_group_record);
    if (!groups.ok()) co_return groups.status();
    const uint32_t wanted = copies > 0 ? copies : default_copies(cluster->record, *disk_groups);
    const PlanInput input{.disk_groups = std::move(*disk_groups),
                          .groups = std::move(*groups),
                          .copies = wanted,
                          .seed = seed_of(cluster->record.id)};
    const auto missing = plan_groups(input);
    if (missing.empty()) co_return done;
    MetadataTransaction transaction = group_creation(*cluster, missing, planner_revision, *loop);
    const size_t count = std::min(missing.size(), kGroupsPerTransaction);
    const Result<bool> applied = co_await loop->commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) {
      done.groups_created += count;
    } else if (planner_revision > 0) {
      const auto planner =
          co_await read_record(loop, std::string(kPlannerKey), decode_planner_record);
      if (!planner.ok()) co_return planner.status();
      if (planner->revision != planner_revision) {
        co_return Status(ErrorCode::kBusy, "another node plans for the cluster now");
      }
    }
  }
}

Task<Result<PlanningDone>> plan_cluster(ClusterContext context, NodeId self,
                                        const NodeSilence* silence) {
  CasLoop loop(context);
  const Result<uint64_t> planner_revision = co_await take_planning(&loop, self, silence);
  if (!planner_revision.ok()) co_return planner_revision.status();
  co_return co_await create_missing_groups(&loop, 0, *planner_revision);
}

}  // namespace varve
