#include "core/cluster/cluster_view.h"

#include <catch2/catch_test_macros.hpp>

#include "core/cluster/cluster_birth.h"
#include "core/cluster/volume_operations.h"
#include "tests/unit/cluster/cluster_bench.h"

namespace varve {
namespace {

struct Bench : ClusterBench {
  Bench() {
    REQUIRE(run(cluster_init(context(), test_uuid(1), 0)).ok());
    REQUIRE(start().ok());
  }
  ~Bench() override {
    TaskGroup group(ready);
    group.start(view.stop());
    settle();
  }
  Status start() { return run(view.start(clock.now_ns + 1000 * kMillisecond)); }
  // Until the view has heard and read everything.
  void tell() {
    do settle();
    while (store.deliver());
  }
  NodeId add_node(const std::string& name) {
    const NodeRecord node{.name = name, .address = "a:1", .version = "1"};
    const auto record = run(register_node(context(), node));
    REQUIRE(record.ok());
    const DiskGroupRecord disk_group{
        .node = record->id, .uuid = test_uuid(static_cast<uint8_t>(record->id)), .name = "ssd0"};
    REQUIRE(run(register_disk_group(context(), disk_group)).ok());
    return record->id;
  }
  VolumeId add_volume(const std::string& name) {
    const VolumeCreation wanted{.name = name, .size_bytes = kGiB};
    const auto created = run(create_volume(context(), wanted));
    REQUIRE(created.ok());
    return created->volume.id;
  }

  ClusterView view{runtime, store};
};

Task<void> follow(ClusterView* view, std::vector<size_t>* nodes, size_t until) {
  uint64_t seen = 0;
  do {
    seen = view->version();
    nodes->push_back(view->nodes().size());
    if (nodes->back() >= until) co_return;
  } while (co_await view->changed_since(seen));
}

}  // namespace

TEST_CASE("a view shows what was there before it, and what comes") {
  Bench bench;
  CHECK(bench.view.cluster().record.id == test_uuid(1));
  CHECK(bench.view.nodes().empty());
  const NodeId node = bench.add_node("a");
  const VolumeId volume = bench.add_volume("v");
  CHECK(bench.view.node(node) == nullptr);
  bench.tell();
  REQUIRE(bench.view.node(node) != nullptr);
  CHECK(bench.view.node(node)->record.name == "a");
  CHECK(bench.view.node(node)->revision > 0);
  CHECK(bench.view.disk_groups().size() == 1);
  CHECK(bench.view.groups().size() == 16);
  CHECK(bench.view.cluster().record.next_volume == 2);
  REQUIRE(bench.view.volume("v") != nullptr);
  CHECK(bench.view.volume("v") == bench.view.volume(volume));
  ClusterView later(bench.runtime, bench.store);
  REQUIRE(bench.run(later.start(kNever)).ok());
  CHECK(later.groups().size() == 16);
  CHECK(later.volume("v")->record == bench.view.volume("v")->record);
  TaskGroup group(bench.ready);
  group.start(later.stop());
  bench.settle();
}

TEST_CASE("the revision in a view is the one to change a record on") {
  Bench bench;
  bench.add_node("a");
  bench.add_volume("v");
  bench.tell();
  const Versioned<GroupRecord> group = bench.view.groups().begin()->second;
  GroupRecord after = group.record;
  ++after.epoch;
  MetadataTransaction transaction;
  transaction.compares.push_back({record_key(after.id), group.revision});
  transaction.puts.push_back({record_key(after.id), encode_group_record(after)});
  CHECK(bench.run(bench.store.commit(transaction))->succeeded);
  bench.tell();
  CHECK(bench.view.group(after.id)->record == after);
  CHECK(bench.view.group(after.id)->revision == bench.store.revision());
}

TEST_CASE("deleted volumes lose their name, forgotten ones are gone") {
  Bench bench;
  bench.add_node("a");
  const VolumeId id = bench.add_volume("v");
  REQUIRE(bench.run(delete_volume(bench.context(), "v")).ok());
  bench.tell();
  CHECK(bench.view.volume("v") == nullptr);
  REQUIRE(bench.view.volume(id) != nullptr);
  CHECK(bench.view.volume(id)->record.deleted);
  REQUIRE(bench.run(forget_volume(bench.context(), id)).ok());
  bench.tell();
  CHECK(bench.view.volume(id) == nullptr);
}

TEST_CASE("who waits for a change is woken by it") {
  Bench bench;
  std::vector<size_t> nodes;
  TaskGroup group(bench.ready);
  group.start(follow(&bench.view, &nodes, 2));
  bench.add_node("a");
  bench.tell();
  bench.add_node("b");
  bench.tell();
  CHECK(group.running() == 0);
  CHECK(nodes.front() == 0);
  CHECK(nodes.back() == 2);
}

TEST_CASE("after changes were missed, everything is read again, also what has gone") {
  Bench bench;
  bench.add_node("a");
  const VolumeId id = bench.add_volume("v");
  bench.tell();
  REQUIRE(bench.view.volume("v") != nullptr);
  bench.add_node("b");
  bench.store.put(record_key(id), "");
  bench.store.lose_changes();
  // The store cannot be reached at first.
  bench.store.plan_ranges = {false, false, false, false, false, false, false};
  bench.tell();
  CHECK(bench.view.nodes().size() == 2);
  CHECK(bench.view.volume(id) == nullptr);
  CHECK(bench.view.volume("v") == nullptr);
}

TEST_CASE("an answer from before what was missed is not taken for everything") {
  Bench bench;
  bench.add_node("a");
  bench.tell();
  const MetadataRange old = *bench.run(bench.store.range("node/"));
  bench.add_node("b");
  bench.store.lose_changes();
  bench.store.old_ranges.assign(5, old);
  bench.tell();
  CHECK(bench.view.nodes().size() == 2);
}

TEST_CASE("changes and missed changes in any order lead to what the store holds") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Bench bench;
    Random dice(seed);
    for (int step = 0; step < 60; ++step) {
      const VolumeId id{static_cast<uint32_t>(1 + dice.below(4))};
      switch (dice.below(6)) {
        case 0:
        case 1: {
          const ClusterVolume volume{.id = id,
                                     .name = text("v", static_cast<uint32_t>(id)),
                                     .size_bytes = 4096 * (1 + dice.below(9)),
                                     .groups = {GroupId{1}}};
          bench.store.put(record_key(id), encode_cluster_volume(volume));
          break;
        }
        case 2:
          bench.store.put(record_key(id), "");
          break;
        case 3:
          bench.store.lose_changes();
          break;
        case 4:
          bench.store.deliver();
          break;
        case 5:
          bench.ready.run_ready();
          break;
      }
    }
    bench.tell();
    CHECK(bench.view.volumes().size() == bench.store.count("volume/"));
    for (const auto& [id, volume] : bench.view.volumes()) {
      CHECK(encode_cluster_volume(volume.record) == bench.store.value(record_key(id)));
      CHECK(bench.view.volume(volume.record.name) == &volume);
    }
  }
}

TEST_CASE("a record that cannot be read is told, and what was known before stays") {
  Bench bench;
  const NodeId node = bench.add_node("a");
  bench.tell();
  const std::string good = bench.store.value("node/1");
  bench.store.put("node/1", "x");
  bench.store.put("node/2", good);
  bench.tell();
  CHECK(bench.view.node(node)->record.name == "a");
  const auto unreadable = bench.view.unreadable();
  CHECK(unreadable.at("node/1") == "record node: record: a line without an end");
  CHECK(unreadable.at("node/2") == "the record of another key");
  bench.store.put("node/1", good);
  bench.store.put("node/2", "");
  bench.tell();
  CHECK(bench.view.unreadable().empty());
}

TEST_CASE("a view that cannot begin says why, and may begin later") {
  ClusterBench bench;
  ClusterView view(bench.runtime, bench.store);
  for (int i = 0; i < 100; ++i) bench.store.plan_ranges.push_back(false);
  const Status refused = bench.run(view.start(bench.clock.now_ns + 1000 * kMillisecond));
  CHECK(refused.code() == ErrorCode::kUnavailable);
  CHECK(refused.message() == "no leader");
  bench.store.plan_ranges.clear();
  CHECK(bench.run(view.start(bench.clock.now_ns + 1000 * kMillisecond)).ok());
  CHECK(view.cluster().revision == 0);
  CHECK(bench.store.watch_count() == 5);
  TaskGroup group(bench.ready);
  group.start(view.stop());
  bench.settle();
  CHECK(bench.store.watch_count() == 0);
}

TEST_CASE("stopping ends the waits, also in the middle of reading again") {
  Bench bench;
  std::vector<size_t> nodes;
  TaskGroup group(bench.ready);
  group.start(follow(&bench.view, &nodes, 9));
  for (int i = 0; i < 100; ++i) bench.store.plan_ranges.push_back(false);
  bench.store.put("node/1", "");
  bench.store.lose_changes();
  bench.store.deliver();
  group.start(bench.view.stop());
  bench.settle();
  CHECK(bench.store.plan_ranges.size() > 90);
  CHECK(group.running() == 0);
}

}  // namespace varve
