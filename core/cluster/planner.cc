#include "core/cluster/planner.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include "core/cluster/cluster_volume.h"
#include "core/runtime/random.h"

namespace varve {
namespace {

// One disk group while its groups are planned.
struct Candidate {
  GroupMember member;
  uint32_t first_count = 0;                       // groups of which it is the first member
  uint32_t load = 0;                              // groups of which it is a member
  std::vector<std::vector<GroupMember>> planned;  // groups of which it became the first member
};

// The order of disk group `id` in shuffle number `round`.
uint64_t shuffle_key(uint64_t seed, uint32_t round, DiskGroupId id) {
  Random of_seed(seed);
  Random of_round(of_seed.next() + round);
  return Random(of_round.next() ^ static_cast<uint32_t>(id)).next();
}

std::vector<Candidate> candidates_of(const PlanInput& input) {
  std::map<DiskGroupId, Candidate> candidates;
  for (const DiskGroupRecord& record : input.disk_groups) {
    if (record.state != DiskGroupState::kActive) continue;
    candidates[record.id].member = {record.id, record.node};
  }
  for (const GroupRecord& group : input.groups) {
    if (group.members.size() != input.copies) continue;
    for (const GroupMember& member : group.members) {
      const auto found = candidates.find(member.disk_group);
      if (found == candidates.end()) continue;
      ++found->second.load;
      if (member == group.members.front()) ++found->second.first_count;
    }
  }
  std::vector<Candidate> out;
  out.reserve(candidates.size());
  for (auto& [id, candidate] : candidates) out.push_back(std::move(candidate));
  return out;
}

using CopySet = std::vector<Candidate*>;

bool has_node(const CopySet& set, NodeId node) {
  return std::any_of(set.begin(), set.end(),
                     [node](const Candidate* one) { return one->member.node == node; });
}

// Cuts `waiting` (in its order) into sets on different nodes; the last may be too small.
std::vector<CopySet> cut(std::vector<Candidate*> waiting, size_t copies) {
  std::vector<CopySet> sets;
  while (!waiting.empty()) {
    CopySet set;
    std::vector<Candidate*> rest;
    for (Candidate* one : waiting) {
      if (set.size() < copies && !has_node(set, one->member.node)) {
        set.push_back(one);
      } else {
        rest.push_back(one);
      }
    }
    sets.push_back(std::move(set));
    waiting = std::move(rest);
  }
  return sets;
}

// Fills the set up with the least loaded of `shuffled`, on nodes that it does not have.
void fill_up(CopySet& set, const std::vector<Candidate*>& shuffled, size_t copies) {
  while (set.size() < copies) {
    Candidate* best = nullptr;
    for (Candidate* one : shuffled) {
      if (has_node(set, one->member.node)) continue;
      if (best == nullptr || one->load < best->load) best = one;
    }
    if (best == nullptr) return;
    set.push_back(best);
  }
}

class Plan {
 public:
  explicit Plan(const PlanInput& input) : input_(input), candidates_(candidates_of(input)) {
    std::set<NodeId> nodes;
    for (const Candidate& one : candidates_) nodes.insert(one.member.node);
    node_count_ = nodes.size();
  }

  std::vector<std::vector<GroupMember>> make() {
    if (input_.copies == 0 || input_.copies > kCopiesMax || node_count_ < input_.copies) return {};
    for (uint32_t round = 0; round < kGroupsPerDiskGroup; ++round) plan_round(round);
    return std::move(out_);
  }

 private:
  // After so many rounds the sets repeat.
  uint32_t distinct_rounds() const {
    if (input_.copies == 1 || node_count_ <= kScatterWidthMax + 1) return kGroupsPerDiskGroup;
    return kScatterWidthMax / (input_.copies - 1);
  }

  void plan_round(uint32_t round) {
    std::vector<Candidate*> shuffled;
    shuffled.reserve(candidates_.size());
    for (Candidate& one : candidates_) shuffled.push_back(&one);
    std::sort(shuffled.begin(), shuffled.end(), [&](const Candidate* left, const Candidate* right) {
      const DiskGroupId a = left->member.disk_group;
      const DiskGroupId b = right->member.disk_group;
      return std::tuple(shuffle_key(input_.seed, round, a), a) <
             std::tuple(shuffle_key(input_.seed, round, b), b);
    });
    std::vector<Candidate*> waiting;
    for (Candidate* one : shuffled) {
      if (one->first_count > round) continue;
      if (one->planned.size() >= distinct_rounds()) {
        repeat(*one);
      } else {
        waiting.push_back(one);
      }
    }
    for (CopySet& set : cut(std::move(waiting), input_.copies)) {
      const size_t first_count = set.size();
      fill_up(set, shuffled, input_.copies);
      for (size_t first = 0; first < first_count; ++first) add(set, first);
    }
  }

  // A group of `set`, beginning with its member number `first`.
  void add(const CopySet& set, size_t first) {
    std::vector<GroupMember> members;
    for (size_t i = 0; i < set.size(); ++i) {
      Candidate& one = *set[(first + i) % set.size()];
      members.push_back(one.member);
      ++one.load;
    }
    ++set[first]->first_count;
    set[first]->planned.push_back(members);
    out_.push_back(std::move(members));
  }

  // One more group of the members that `one` had distinct_rounds() before.
  void repeat(Candidate& one) {
    const std::vector<GroupMember> members = one.planned[one.planned.size() - distinct_rounds()];
    for (const GroupMember& member : members) {
      for (Candidate& other : candidates_) {
        if (other.member == member) ++other.load;
      }
    }
    ++one.first_count;
    one.planned.push_back(members);
    out_.push_back(members);
  }

  const PlanInput& input_;
  std::vector<Candidate> candidates_;
  size_t node_count_ = 0;
  std::vector<std::vector<GroupMember>> out_;
};

}  // namespace

uint32_t min_in_sync_of(uint32_t copies) {
  return copies >= 3 ? 2 : 1;
}

size_t nodes_with_disk_groups(const std::vector<DiskGroupRecord>& disk_groups) {
  std::set<NodeId> nodes;
  for (const DiskGroupRecord& record : disk_groups) {
    if (record.state == DiskGroupState::kActive) nodes.insert(record.node);
  }
  return nodes.size();
}

uint32_t default_copies(const ClusterRecord& cluster,
                        const std::vector<DiskGroupRecord>& disk_groups) {
  if (cluster.copies > 0) return cluster.copies;
  return static_cast<uint32_t>(std::min<size_t>(kCopiesMax, nodes_with_disk_groups(disk_groups)));
}

std::vector<std::vector<GroupMember>> plan_groups(const PlanInput& input) {
  return Plan(input).make();
}

GroupRecord new_group_record(GroupId id, const std::vector<GroupMember>& members) {
  GroupRecord record{.id = id,
                     .epoch = 1,
                     .primary = members.front().disk_group,
                     .min_in_sync = min_in_sync_of(static_cast<uint32_t>(members.size())),
                     .members = members};
  for (const GroupMember& member : members) record.in_sync.push_back(member.disk_group);
  record.last_full = record.in_sync;
  return record;
}

NodeId primary_node_of(const GroupRecord& group) {
  const GroupMember* primary = group.member(group.primary);
  return primary != nullptr ? primary->node : group.members.front().node;
}

std::vector<GroupId> choose_groups(const std::vector<GroupRecord>& groups, uint32_t copies,
                                   NodeId node, uint64_t turn) {
  std::vector<GroupId> all;
  std::vector<GroupId> local;
  for (const GroupRecord& group : groups) {
    if (group.members.size() != copies) continue;
    all.push_back(group.id);
    if (primary_node_of(group) == node) local.push_back(group.id);
  }
  std::vector<GroupId>& chosen = local.size() < kLocalGroupsMin ? all : local;
  if (chosen.empty()) return {};
  std::sort(chosen.begin(), chosen.end());
  std::rotate(chosen.begin(), chosen.begin() + static_cast<ptrdiff_t>(turn % chosen.size()),
              chosen.end());
  if (chosen.size() > kVolumeGroupsMax) chosen.resize(kVolumeGroupsMax);
  return chosen;
}

}  // namespace varve
