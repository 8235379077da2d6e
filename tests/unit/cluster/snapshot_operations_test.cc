#include "core/cluster/snapshot_operations.h"

#include <catch2/catch_test_macros.hpp>

#include "core/cluster/cluster_birth.h"
#include "core/cluster/record_key.h"
#include "core/cluster/volume_operations.h"
#include "tests/unit/cluster/cluster_bench.h"

namespace varve {
namespace {

using Answer = FakeMetadata::Answer;
constexpr NodeId kNode{1};
constexpr VolumeId kA{1};
constexpr VolumeId kB{2};

// One node, which holds the volumes a and b.
struct Bench : ClusterBench {
  Bench() {
    REQUIRE(run(cluster_init(context(), test_uuid(1), 1)).ok());
    const NodeRecord node{.name = "node1", .address = "a:1", .version = "1"};
    REQUIRE(run(register_node(context(), node)).ok());
    const DiskGroupRecord disk_group{
        .node = kNode, .uuid = test_uuid(1), .name = "ssd0", .capacity_bytes = 1 << 30};
    REQUIRE(run(register_disk_group(context(), disk_group)).ok());
    for (const char* name : {"a", "b"}) {
      const VolumeCreation wanted{.name = name, .size_bytes = kGiB, .node = kNode};
      REQUIRE(run(create_volume(context(), wanted)).ok());
      REQUIRE(attach(name).ok());
    }
  }
  Result<ClusterVolume> attach(const std::string& name) {
    const VolumeAttachment wanted{.name = name, .node = kNode};
    return run(attach_volume(context(), wanted, this));
  }
  Result<SnapshotReservation> reserve(std::vector<SnapshotName> names, NodeId node = kNode) {
    return run(reserve_snapshots(context(), std::move(names), node));
  }
  Result<std::vector<ClusterVolume>> commit(const SnapshotReservation& reservation) {
    return run(commit_snapshots(context(), reservation));
  }
  Result<ClusterVolume> remove(SnapshotName name) {
    return run(delete_snapshot(context(), std::move(name)));
  }
  ClusterHistory history(VolumeId id) {
    const auto volume = decode_cluster_volume(store.value(record_key(id)));
    REQUIRE(volume.ok());
    return volume->history;
  }
};

const std::vector<SnapshotName> kBoth{{"a", "s"}, {"b", "s"}};

}  // namespace

TEST_CASE("what was reserved is a snapshot when it is committed, of all volumes at once") {
  Bench bench;
  const auto reservation = bench.reserve(kBoth);
  REQUIRE(reservation.ok());
  for (const VolumeId id : {kA, kB}) {
    CHECK(bench.history(id).newest == 1);
    CHECK(bench.history(id).find("s") == nullptr);
  }
  const uint64_t before = bench.store.revision();
  REQUIRE(bench.commit(*reservation).ok());
  CHECK(bench.store.revision() == before + 1);
  for (const VolumeId id : {kA, kB}) {
    REQUIRE(bench.history(id).find("s") != nullptr);
    CHECK(bench.history(id).find("s")->generation == 0);
    CHECK(bench.history(id).find("s")->size_bytes == kGiB);
  }
  CHECK(bench.reserve(kBoth).status().message() == "volume a has a snapshot s already");
}

TEST_CASE("reservations and commits with results that are not known happen once") {
  for (const Answer answer :
       {Answer::kAppliedUnknown, Answer::kLostUnknown, Answer::kLateUnknown}) {
    CAPTURE(answer);
    Bench bench;
    bench.store.plan_commits = {answer};
    const auto reservation = bench.reserve(kBoth);
    REQUIRE(reservation.ok());
    CHECK(bench.store.apply_late() == 0);
    bench.store.plan_commits = {answer};
    REQUIRE(bench.commit(*reservation).ok());
    CHECK(bench.store.apply_late() == 0);
    for (const VolumeId id : {kA, kB}) {
      CHECK(bench.history(id).newest == 1);
      CHECK(bench.history(id).snapshots.size() == 1);
    }
    bench.store.plan_commits = {answer};
    REQUIRE(bench.remove({"a", "s"}).ok());
    CHECK(bench.history(kA).snapshots.empty());
    CHECK(bench.history(kA).newest == 1);
    CHECK(bench.history(kB).snapshots.size() == 1);
  }
}

TEST_CASE("an attach, or another reservation, ends what was reserved; its generation is not used") {
  Bench bench;
  const auto first = bench.reserve(kBoth);
  REQUIRE(first.ok());
  SECTION("by an attach of one of the volumes") {
    REQUIRE(bench.attach("b").ok());
    CHECK(bench.commit(*first).status().message() == "volume \"b\" was attached anew meanwhile");
    CHECK(bench.history(kA).find("s") == nullptr);
  }
  SECTION("by another reservation of one of them") {
    const auto second = bench.reserve({{"a", "t"}});
    REQUIRE(second.ok());
    CHECK(bench.commit(*first).code() == ErrorCode::kBusy);
    REQUIRE(bench.commit(*second).ok());
    REQUIRE(bench.history(kA).snapshots.size() == 1);
    CHECK(bench.history(kA).snapshots[0].generation == 1);
  }
  CHECK(bench.history(kB).find("s") == nullptr);
  CHECK(bench.history(kB).newest == 1);
}

TEST_CASE("what cannot have a snapshot is refused in words, and no volume gets one") {
  Bench bench;
  const auto why = [&](std::vector<SnapshotName> names, NodeId node = kNode) {
    return std::string(bench.reserve(std::move(names), node).status().message());
  };
  CHECK(why({}) == "a snapshot of which volume?");
  CHECK(why({{"a", "s"}, {"a", "t"}}) == "volume a is named twice");
  CHECK(why({{"a", "s"}, {"c", "s"}}) == "there is no volume \"c\"");
  CHECK(why(kBoth, NodeId{2}) == "volume \"a\" is attached on node node1");
  CHECK(bench.reserve({{"a", "s/"}}).code() == ErrorCode::kInvalidArgument);
  CHECK(bench.remove({"a", "s"}).status().message() == "volume a has no snapshot s");
  CHECK(bench.history(kA).is_plain());
}

TEST_CASE("a cluster takes only as many snapshots as each store can keep") {
  Bench bench;
  auto full = decode_cluster_volume(bench.store.value(record_key(kB)));
  REQUIRE(full.ok());
  for (uint32_t i = 0; i < kVolumeSnapshotsMax; ++i) {
    full->history.snapshots.push_back(
        {.generation = i, .size_bytes = kGiB, .created_seconds = 1, .name = text("s", i)});
  }
  full->history.newest = kVolumeSnapshotsMax;
  full->holder = {};
  for (uint32_t i = 0; i < kClusterSnapshotsMax / kVolumeSnapshotsMax; ++i) {
    CHECK(bench.reserve({{"a", text("s", i)}}).ok());
    full->id = VolumeId{10 + i};
    full->name = text("full", i);
    bench.store.put(record_key(full->id), encode_cluster_volume(*full));
  }
  CHECK(bench.reserve({{"a", "more"}}).status().message() ==
        "a cluster takes 8000 snapshots of all volumes; delete some first");
}

TEST_CASE("the first snapshot raises the format of a cluster that an older release made") {
  Bench bench;
  ClusterRecord cluster = *decode_cluster_record(bench.store.value("cluster"));
  cluster.format_version = 1;
  bench.store.put("cluster", encode_cluster_record(cluster));
  REQUIRE(bench.attach("a").ok());
  CHECK(decode_cluster_record(bench.store.value("cluster"))->format_version == 1);
  REQUIRE(bench.reserve(kBoth).ok());
  CHECK(decode_cluster_record(bench.store.value("cluster"))->format_version == 2);
}

}  // namespace varve
