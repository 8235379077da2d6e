#include "core/cluster/planner.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>

#include "core/cluster/cluster_volume.h"

namespace varve {
namespace {

// `per_node` disk groups on each of `nodes` nodes.
std::vector<DiskGroupRecord> disk_groups(uint32_t nodes, uint32_t per_node = 1) {
  std::vector<DiskGroupRecord> out;
  for (uint32_t i = 0; i < nodes * per_node; ++i) {
    out.push_back({.id = DiskGroupId{i + 1}, .node = NodeId{i / per_node + 1}});
  }
  return out;
}

std::vector<GroupRecord> records_of(const std::vector<std::vector<GroupMember>>& plan) {
  std::vector<GroupRecord> out;
  for (const auto& members : plan) {
    out.push_back(new_group_record(GroupId{static_cast<uint32_t>(out.size() + 1)}, members));
  }
  return out;
}

struct Spread {
  std::map<DiskGroupId, uint32_t> firsts;
  std::map<DiskGroupId, uint32_t> members;
  std::map<DiskGroupId, std::set<DiskGroupId>> partners;
  uint32_t least() const {
    return std::min_element(members.begin(), members.end(), by_count)->second;
  }
  uint32_t most() const {
    return std::max_element(members.begin(), members.end(), by_count)->second;
  }
  static bool by_count(const std::pair<const DiskGroupId, uint32_t>& left,
                       const std::pair<const DiskGroupId, uint32_t>& right) {
    return left.second < right.second;
  }
};

Spread spread_of(const std::vector<GroupRecord>& groups) {
  Spread spread;
  for (const GroupRecord& group : groups) {
    ++spread.firsts[group.members.front().disk_group];
    for (const GroupMember& member : group.members) {
      ++spread.members[member.disk_group];
      for (const GroupMember& other : group.members) {
        if (other != member) spread.partners[member.disk_group].insert(other.disk_group);
      }
    }
  }
  return spread;
}

bool on_different_nodes(const std::vector<GroupMember>& members) {
  std::set<NodeId> nodes;
  for (const GroupMember& member : members) nodes.insert(member.node);
  return nodes.size() == members.size();
}

}  // namespace

TEST_CASE("each disk group is the first of 16 groups, on different nodes, evenly loaded") {
  for (const uint32_t nodes : {1u, 2u, 3u, 4u, 5u, 7u, 12u, 50u}) {
    for (const uint32_t per_node : {1u, 2u, 3u}) {
      for (uint32_t copies = 1; copies <= std::min(nodes, kCopiesMax); ++copies) {
        CAPTURE(nodes, per_node, copies);
        const auto plan =
            plan_groups({.disk_groups = disk_groups(nodes, per_node), .copies = copies, .seed = 5});
        REQUIRE(plan.size() == size_t{kGroupsPerDiskGroup} * nodes * per_node);
        CHECK(std::all_of(plan.begin(), plan.end(), on_different_nodes));
        const Spread spread = spread_of(records_of(plan));
        for (const auto& [id, count] : spread.firsts) CHECK(count == kGroupsPerDiskGroup);
        CHECK(spread.members.size() == nodes * per_node);
        CHECK(spread.most() - spread.least() <= kGroupsPerDiskGroup / 2);
      }
    }
  }
}

TEST_CASE("a disk group shares groups with few others, however many there are") {
  for (uint32_t copies = 2; copies <= kCopiesMax; ++copies) {
    const auto plan = plan_groups({.disk_groups = disk_groups(99), .copies = copies, .seed = 8});
    const Spread spread = spread_of(records_of(plan));
    for (const auto& [id, partners] : spread.partners) {
      CHECK(partners.size() <= kScatterWidthMax + 4);
      CHECK(partners.size() >= kScatterWidthMax / 2);
    }
  }
}

TEST_CASE("a plan is the same for the same input and seed") {
  const PlanInput input{.disk_groups = disk_groups(5), .copies = 3, .seed = 1};
  CHECK(plan_groups(input) == plan_groups(input));
  const PlanInput other{.disk_groups = disk_groups(5), .copies = 3, .seed = 2};
  CHECK(plan_groups(input) != plan_groups(other));
}

TEST_CASE("what is planned once is not planned again, and the rest of a cut-off plan is") {
  PlanInput input{.disk_groups = disk_groups(4), .copies = 3, .seed = 1};
  input.groups = records_of(plan_groups(input));
  CHECK(plan_groups(input).empty());
  input.groups.resize(40);
  CHECK(plan_groups(input).size() == 24);
}

TEST_CASE("a new disk group adds groups and moves none") {
  PlanInput input{.disk_groups = disk_groups(3), .copies = 3, .seed = 1};
  input.groups = records_of(plan_groups(input));
  input.disk_groups = disk_groups(4);
  const auto added = plan_groups(input);
  REQUIRE(added.size() == kGroupsPerDiskGroup);
  for (const auto& members : added) CHECK(members.front().disk_group == DiskGroupId{4});
  const Spread spread = spread_of(records_of(added));
  for (uint32_t i = 1; i <= 3; ++i) {
    CHECK(spread.members.at(DiskGroupId{i}) >= 10);
    CHECK(spread.members.at(DiskGroupId{i}) <= 11);
  }
}

TEST_CASE("disk groups that are not active get no groups, and too few nodes get none at all") {
  PlanInput input{.disk_groups = disk_groups(3), .copies = 3, .seed = 1};
  input.disk_groups[1].state = DiskGroupState::kDraining;
  CHECK(plan_groups(input).empty());
  input.copies = 2;
  const Spread spread = spread_of(records_of(plan_groups(input)));
  CHECK_FALSE(spread.members.contains(DiskGroupId{2}));
  input.copies = 4;
  CHECK(plan_groups(input).empty());
  input.copies = 0;
  CHECK(plan_groups(input).empty());
}

TEST_CASE("copies follow the nodes unless the cluster says a number") {
  CHECK(default_copies({}, {}) == 0);
  CHECK(default_copies({}, disk_groups(1, 4)) == 1);
  CHECK(default_copies({}, disk_groups(2)) == 2);
  CHECK(default_copies({}, disk_groups(9)) == 3);
  CHECK(default_copies({.copies = 2}, disk_groups(9)) == 2);
  CHECK(min_in_sync_of(1) == 1);
  CHECK(min_in_sync_of(2) == 1);
  CHECK(min_in_sync_of(3) == 2);
}

TEST_CASE("a new group's record can be read, with all members in sync") {
  const auto plan = plan_groups({.disk_groups = disk_groups(3), .copies = 3});
  const GroupRecord record = new_group_record(GroupId{3}, plan[0]);
  CHECK(*decode_group_record(encode_group_record(record)) == record);
  CHECK(record.in_sync.size() == 3);
  CHECK(record.last_full == record.in_sync);
  CHECK(record.office == 0);
  CHECK(record.min_in_sync == 2);
}

TEST_CASE("a volume's groups are those whose primary is near, or all when these are few") {
  auto groups = records_of(plan_groups({.disk_groups = disk_groups(3), .copies = 3}));
  const auto local = choose_groups(groups, 3, NodeId{2}, 0);
  CHECK(local.size() == 16);
  for (const GroupId id : local) {
    CHECK(primary_node_of(groups[static_cast<uint32_t>(id) - 1]) == NodeId{2});
  }
  CHECK(choose_groups(groups, 3, NodeId{9}, 0).size() == 48);
  CHECK(choose_groups(groups, 2, NodeId{2}, 0).empty());
  // The primaries of all but three have gone elsewhere.
  size_t left = 0;
  for (GroupRecord& group : groups) {
    if (primary_node_of(group) == NodeId{2} && ++left > 3) group.primary = group.in_sync[1];
  }
  CHECK(choose_groups(groups, 3, NodeId{2}, 0).size() == 48);
}

TEST_CASE("volumes begin on different groups and have at most 64") {
  const auto groups =
      records_of(plan_groups({.disk_groups = disk_groups(1, 8), .copies = 1, .seed = 3}));
  REQUIRE(groups.size() == 128);
  std::set<GroupId> firsts;
  for (uint64_t turn = 0; turn < 128; ++turn) {
    const auto chosen = choose_groups(groups, 1, NodeId{1}, turn);
    REQUIRE(chosen.size() == kVolumeGroupsMax);
    CHECK(std::set<GroupId>(chosen.begin(), chosen.end()).size() == kVolumeGroupsMax);
    firsts.insert(chosen.front());
  }
  CHECK(firsts.size() == 128);
}

}  // namespace varve
