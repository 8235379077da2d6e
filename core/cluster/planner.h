// Planner: which groups the disk groups should form, and which groups a new volume gets. Pure.
//
// Each active disk group is to be the first member (the primary, to begin with) of
// kGroupsPerDiskGroup groups of the wanted number of copies. Their members are copysets: the nodes
// are shuffled and cut into sets of `copies`, and each member of a set becomes the first of one
// group of that set; what is left over is filled up with the least loaded disk groups. A disk group
// shares groups with few others where there are many (kScatterWidthMax), so that the loss of any
// three disks rarely loses all copies of something.
//
// What exists is never moved: new disk groups lead to new groups.
//
// Thread rule: none. The same input and seed give the same plan.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/ids.h"
#include "core/cluster/cluster_record.h"
#include "core/cluster/group_record.h"
#include "core/cluster/node_record.h"

namespace varve {

inline constexpr uint32_t kGroupsPerDiskGroup = 16;
inline constexpr uint32_t kScatterWidthMax = 20;
inline constexpr size_t kLocalGroupsMin = 4;  // fewer: a volume takes all groups

// 1, 1, 2 for 1, 2, 3 copies.
uint32_t min_in_sync_of(uint32_t copies);
// What `cluster` says, or one per node with an active disk group, at most kCopiesMax; 0 without
// any.
uint32_t default_copies(const ClusterRecord& cluster,
                        const std::vector<DiskGroupRecord>& disk_groups);
size_t nodes_with_disk_groups(const std::vector<DiskGroupRecord>& disk_groups);

struct PlanInput {
  std::vector<DiskGroupRecord> disk_groups;
  std::vector<GroupRecord> groups;
  uint32_t copies = 1;
  uint64_t seed = 0;
};
// The groups that are missing: the members of each, the first is to be its primary. None while
// there are fewer nodes than copies.
std::vector<std::vector<GroupMember>> plan_groups(const PlanInput& input);

// A group as it is created: nobody has written to it yet, so all members are in sync.
GroupRecord new_group_record(GroupId id, const std::vector<GroupMember>& members);

// The node of the group's primary; where none took office yet, of its first member.
NodeId primary_node_of(const GroupRecord& group);
// Groups of `copies` members for a volume created on `node`: those whose primary is there, or all
// where those are fewer than kLocalGroupsMin; at most kVolumeGroupsMax. `turn` says which comes
// first, so that small volumes do not all begin on the same group. Empty: there are none.
std::vector<GroupId> choose_groups(const std::vector<GroupRecord>& groups, uint32_t copies,
                                   NodeId node, uint64_t turn);

}  // namespace varve
