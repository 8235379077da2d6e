#include "core/cluster/cluster_birth.h"

#include <catch2/catch_test_macros.hpp>

#include "core/cluster/group_record.h"
#include "core/cluster/record_key.h"
#include "tests/unit/cluster/cluster_bench.h"

namespace varve {
namespace {

using Answer = FakeMetadata::Answer;

NodeRecord node(const std::string& name) {
  return {.name = name, .address = "10.0.0.1:7071", .boot = 5, .version = "0.1.0"};
}

DiskGroupRecord disk_group(NodeId node, uint8_t uuid) {
  return {.node = node, .uuid = test_uuid(uuid), .name = "ssd0", .capacity_bytes = 1 << 30};
}

void init(ClusterBench& bench, uint32_t copies = 0) {
  REQUIRE(bench.run(cluster_init(bench.context(), test_uuid(1), copies)).ok());
}

// `count` nodes with a disk group each.
void add_nodes(ClusterBench& bench, uint8_t count) {
  for (uint8_t i = 1; i <= count; ++i) {
    const auto record = bench.run(register_node(bench.context(), node(text("node", i))));
    REQUIRE(record.ok());
    REQUIRE(bench.run(register_disk_group(bench.context(), disk_group(record->id, i))).ok());
  }
}

}  // namespace

TEST_CASE("a cluster is initialised once; the same call again is fine, another is refused") {
  ClusterBench bench;
  const auto first = bench.run(cluster_init(bench.context(), test_uuid(1), 2));
  REQUIRE(first.ok());
  CHECK(first->copies == 2);
  CHECK(bench.run(cluster_init(bench.context(), test_uuid(1), 2)).ok());
  const auto other = bench.run(cluster_init(bench.context(), test_uuid(2), 2));
  CHECK(other.code() == ErrorCode::kAlreadyExists);
  CHECK(other.status().message() ==
        "the cluster is initialised already, with id 01010101010101010101010101010101 and 2 "
        "copies");
  CHECK(bench.run(cluster_init(bench.context(), test_uuid(1), 3)).code() ==
        ErrorCode::kAlreadyExists);
  CHECK(bench.run(cluster_init(bench.context(), Uuid{}, 3)).code() == ErrorCode::kInvalidArgument);
  CHECK(bench.run(cluster_init(bench.context(), test_uuid(1), 4)).code() ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("nothing is registered before there is a cluster") {
  ClusterBench bench;
  const auto refused = bench.run(register_node(bench.context(), node("a")));
  CHECK(refused.code() == ErrorCode::kNotFound);
  CHECK(refused.status().message().find("varve cluster init") != std::string_view::npos);
}

TEST_CASE("a node keeps its id; what has changed is written, and nothing else") {
  ClusterBench bench;
  init(bench);
  CHECK(bench.run(register_node(bench.context(), node("a")))->id == NodeId{1});
  CHECK(bench.run(register_node(bench.context(), node("b")))->id == NodeId{2});
  const uint64_t revision = bench.store.revision();
  CHECK(bench.run(register_node(bench.context(), node("a")))->id == NodeId{1});
  CHECK(bench.store.revision() == revision);
  NodeRecord moved = node("a");
  moved.address = "10.0.0.9:7071";
  CHECK(bench.run(register_node(bench.context(), moved))->id == NodeId{1});
  CHECK(decode_node_record(bench.store.value("node/1"))->address == "10.0.0.9:7071");
  CHECK(decode_cluster_record(bench.store.value("cluster"))->next_node == 3);
  CHECK(bench.run(register_node(bench.context(), node("/"))).code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("a disk group is known by its uuid and stays with its node") {
  ClusterBench bench;
  init(bench);
  CHECK(bench.run(register_disk_group(bench.context(), disk_group(NodeId{1}, 1)))->id ==
        DiskGroupId{1});
  DiskGroupRecord grown = disk_group(NodeId{1}, 1);
  grown.capacity_bytes *= 2;
  const auto again = bench.run(register_disk_group(bench.context(), grown));
  CHECK(again->id == DiskGroupId{1});
  CHECK(decode_disk_group_record(bench.store.value("disk_group/1"))->capacity_bytes ==
        grown.capacity_bytes);
  CHECK(bench.run(register_disk_group(bench.context(), disk_group(NodeId{2}, 1))).code() ==
        ErrorCode::kAlreadyExists);
  DiskGroupRecord removed = *again;
  removed.state = DiskGroupState::kRemoved;
  bench.store.put("disk_group/1", encode_disk_group_record(removed));
  CHECK(bench.run(register_disk_group(bench.context(), grown)).code() == ErrorCode::kNotFound);
}

TEST_CASE("a result that is not known ends in one record, however it turned out") {
  for (const Answer answer :
       {Answer::kAppliedUnknown, Answer::kLostUnknown, Answer::kLateUnknown}) {
    for (const bool late_comes_first : {false, true}) {
      CAPTURE(answer, late_comes_first);
      ClusterBench bench;
      init(bench);
      bench.store.plan_commits = {answer};
      bench.store.late_comes_first = late_comes_first;
      const auto record = bench.run(register_node(bench.context(), node("a")));
      REQUIRE(record.ok());
      CHECK(record->id == NodeId{1});
      CHECK(bench.store.apply_late() == 0);
      CHECK(bench.store.count("node/") == 1);
      CHECK(decode_cluster_record(bench.store.value("cluster"))->next_node == 2);
    }
  }
}

TEST_CASE("what cannot be settled in time is not known, or was not done") {
  ClusterBench bench;
  init(bench);
  bench.store.plan_commits = {Answer::kLateUnknown};
  for (int i = 0; i < 1000; ++i) bench.store.plan_commits.push_back(Answer::kUnavailable);
  CHECK(bench.run(register_node(bench.context(), node("a"))).code() == ErrorCode::kUnknown);
  CHECK(bench.store.apply_late() == 1);
  CHECK(bench.run(register_node(bench.context(), node("b"))).code() == ErrorCode::kUnavailable);
  bench.store.plan_commits.clear();
  CHECK(bench.run(register_node(bench.context(), node("b")))->id == NodeId{2});
}

TEST_CASE("whoever comes first gets the id; the other takes the next one") {
  ClusterBench bench;
  init(bench);
  std::optional<Result<NodeRecord>> a;
  std::optional<Result<NodeRecord>> b;
  TaskGroup group(bench.ready);
  group.start(ClusterBench::keep(register_node(bench.context(), node("a")), &a));
  group.start(ClusterBench::keep(register_node(bench.context(), node("b")), &b));
  bench.settle();
  CHECK((*a)->id == NodeId{1});
  CHECK((*b)->id == NodeId{2});
}

TEST_CASE("the planner makes the groups that are missing, once") {
  ClusterBench bench;
  init(bench);
  add_nodes(bench, 3);
  const auto first = bench.run(plan_cluster(bench.context(), NodeId{1}, &bench));
  REQUIRE(first.ok());
  CHECK(first->groups_created == 48);
  CHECK(bench.store.count("group/") == 48);
  CHECK(decode_group_record(bench.store.value("group/48"))->members.size() == 3);
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench))->groups_created == 0);
  add_nodes(bench, 5);
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench))->groups_created == 32);
}

TEST_CASE("plans of more groups than one transaction takes are made in several") {
  ClusterBench bench;
  init(bench, 2);
  add_nodes(bench, 9);
  bench.store.plan_commits = {Answer::kKnown, Answer::kKnown, Answer::kLateUnknown,
                              Answer::kAppliedUnknown};
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench)).ok());
  CHECK(bench.store.apply_late() == 0);
  CHECK(bench.store.count("group/") == 144);
  CHECK(decode_cluster_record(bench.store.value("cluster"))->next_group == 145);
}

TEST_CASE("one node plans; another takes over only from a silent one") {
  ClusterBench bench;
  init(bench);
  add_nodes(bench, 3);
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench)).ok());
  const auto refused = bench.run(plan_cluster(bench.context(), NodeId{2}, &bench));
  CHECK(refused.code() == ErrorCode::kBusy);
  CHECK(refused.status().message() == "node 1 plans for the cluster");
  bench.silent.insert(NodeId{1});
  bench.store.plan_commits = {Answer::kLateUnknown};
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{2}, &bench)).ok());
  CHECK(decode_planner_record(bench.store.value("planner"))->node == NodeId{2});
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench)).code() == ErrorCode::kBusy);
}

TEST_CASE("a planner that was deposed while it planned changes nothing") {
  ClusterBench bench;
  init(bench);
  add_nodes(bench, 3);
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench)).ok());
  add_nodes(bench, 4);
  bench.store.before_commit = [&] {
    bench.store.put("planner", encode_planner_record({.node = NodeId{2}, .token = 1}));
  };
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench)).code() == ErrorCode::kBusy);
  CHECK(bench.store.count("group/") == 48);
}

TEST_CASE("a disk group that comes while groups are planned is planned for") {
  ClusterBench bench;
  init(bench, 1);
  add_nodes(bench, 1);
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench))->groups_created == 16);
  add_nodes(bench, 2);
  bench.store.before_commit = [&] {
    ClusterRecord cluster = *decode_cluster_record(bench.store.value("cluster"));
    DiskGroupRecord record = disk_group(NodeId{3}, 9);
    record.id = DiskGroupId{cluster.next_disk_group++};
    bench.store.put("cluster", encode_cluster_record(cluster));
    bench.store.put("disk_group/3", encode_disk_group_record(record));
  };
  CHECK(bench.run(plan_cluster(bench.context(), NodeId{1}, &bench))->groups_created == 32);
}

TEST_CASE("records that cannot be read stop an operation with their key") {
  ClusterBench bench;
  bench.store.put("cluster", "x");
  const auto refused = bench.run(register_node(bench.context(), node("a")));
  CHECK(refused.code() == ErrorCode::kDamaged);
  CHECK(refused.status().message() ==
        "metadata cluster: record cluster: record: a line without an end");
}

}  // namespace varve
