#include "core/cluster/volume_operations.h"

#include <catch2/catch_test_macros.hpp>

#include "core/cluster/cluster_birth.h"
#include "core/cluster/record_key.h"
#include "tests/unit/cluster/cluster_bench.h"

namespace varve {
namespace {

using Answer = FakeMetadata::Answer;

// Three nodes with a disk group each.
struct Bench : ClusterBench {
  Bench() {
    REQUIRE(run(cluster_init(context(), test_uuid(1), 0)).ok());
    for (uint8_t i = 1; i <= 3; ++i) {
      const NodeRecord node{.name = text("node", i), .address = "a:1", .version = "1"};
      const auto record = run(register_node(context(), node));
      REQUIRE(record.ok());
      const DiskGroupRecord disk_group{
          .node = record->id, .uuid = test_uuid(i), .name = "ssd0", .capacity_bytes = 1 << 30};
      REQUIRE(run(register_disk_group(context(), disk_group)).ok());
    }
  }
  Result<VolumeCreated> create(const std::string& name, uint64_t size_bytes = kGiB,
                               uint32_t copies = 0, uint32_t node = 1) {
    const VolumeCreation wanted{
        .name = name, .size_bytes = size_bytes, .copies = copies, .node = NodeId{node}};
    return run(create_volume(context(), wanted));
  }
  Result<ClusterVolume> attach(const std::string& name, uint32_t node, bool force = false) {
    const VolumeAttachment wanted{.name = name, .node = NodeId{node}, .force = force};
    return run(attach_volume(context(), wanted, this));
  }
  Result<ClusterVolume> detach(const std::string& name, uint32_t node, uint64_t generation = 0,
                               bool force = false) {
    const VolumeDetachment wanted{
        .name = name, .node = NodeId{node}, .generation = generation, .force = force};
    return run(detach_volume(context(), wanted));
  }
  Result<VolumeChanged> resize(const std::string& name, uint64_t size_bytes) {
    const VolumeResize wanted{.name = name, .size_bytes = size_bytes};
    return run(resize_volume(context(), wanted));
  }
  Result<VolumeChanged> set_tier(const std::string& name, VolumeTier tier) {
    return run(set_volume_tier(context(), name, tier));
  }
  ClusterVolume stored(VolumeId id) {
    const auto volume = decode_cluster_volume(store.value(record_key(id)));
    REQUIRE(volume.ok());
    return *volume;
  }
};

}  // namespace

TEST_CASE("a volume gets an id, groups near its node, and stays what it was created as") {
  Bench bench;
  const auto created = bench.create("a");
  REQUIRE(created.ok());
  CHECK_FALSE(created->existed);
  CHECK(created->volume.id == VolumeId{1});
  CHECK(created->volume.copies == 3);
  CHECK(created->volume.groups.size() == 16);
  CHECK(bench.stored(VolumeId{1}) == created->volume);
  const auto again = bench.create("a");
  REQUIRE(again.ok());
  CHECK(again->existed);
  CHECK(again->volume == created->volume);
  CHECK(bench.create("a", kGiB, 3)->existed);
  CHECK(bench.create("a", 2 * kGiB).status().message() ==
        "volume \"a\" exists already, with 1GiB, 3 copies and tier auto");
  CHECK(bench.create("a", kGiB, 2).code() == ErrorCode::kAlreadyExists);
  CHECK(bench.create("b")->volume.id == VolumeId{2});
}

TEST_CASE("a volume may have copies of its own number; the groups are made for it") {
  Bench bench;
  const auto created = bench.create("two", kGiB, 2, 9);
  REQUIRE(created.ok());
  CHECK(created->volume.copies == 2);
  CHECK(created->volume.groups.size() == 48);
  CHECK(bench.store.count("group/") == 48);
}

TEST_CASE("what a volume cannot be is refused in words") {
  Bench bench;
  CHECK(bench.create("/").code() == ErrorCode::kInvalidArgument);
  CHECK(bench.create("a", 0).code() == ErrorCode::kInvalidArgument);
  CHECK(bench.create("a", 4097).code() == ErrorCode::kInvalidArgument);
  CHECK(bench.create("a", UINT64_MAX / 4096 * 4096).code() == ErrorCode::kInvalidArgument);
  CHECK(bench.create("a", kGiB, 4).code() == ErrorCode::kInvalidArgument);
  ClusterBench empty;
  REQUIRE(empty.run(cluster_init(empty.context(), test_uuid(1), 3)).ok());
  const VolumeCreation wanted{.name = "a", .size_bytes = kGiB};
  const auto refused = empty.run(create_volume(empty.context(), wanted));
  CHECK(refused.code() == ErrorCode::kNoSpace);
  CHECK(refused.status().message() ==
        "3 copies need disk groups on as many nodes; 0 nodes have some");
}

TEST_CASE("creating a volume with results that are not known makes one volume") {
  for (const Answer answer :
       {Answer::kAppliedUnknown, Answer::kLostUnknown, Answer::kLateUnknown}) {
    CAPTURE(answer);
    Bench bench;
    REQUIRE(bench.create("first").ok());
    bench.store.plan_commits = {answer};
    const auto created = bench.create("a");
    REQUIRE(created.ok());
    CHECK_FALSE(created->existed);
    CHECK(bench.store.apply_late() == 0);
    CHECK(bench.store.count("volume/") == 2);
    CHECK(decode_cluster_record(bench.store.value("cluster"))->next_volume == 3);
  }
}

TEST_CASE("of two that create the same name, one finds the other's volume") {
  Bench bench;
  REQUIRE(bench.create("first").ok());
  const VolumeCreation wanted{.name = "a", .size_bytes = kGiB};
  std::optional<Result<VolumeCreated>> one;
  std::optional<Result<VolumeCreated>> two;
  TaskGroup group(bench.ready);
  group.start(ClusterBench::keep(create_volume(bench.context(), wanted), &one));
  group.start(ClusterBench::keep(create_volume(bench.context(), wanted), &two));
  bench.settle();
  REQUIRE(one->ok());
  REQUIRE(two->ok());
  CHECK((*one)->volume.id == (*two)->volume.id);
  CHECK((*one)->existed != (*two)->existed);
}

TEST_CASE("a volume grows while a node holds it, never shrinks, and keeps everything else") {
  Bench bench;
  REQUIRE(bench.create("a").ok());
  const ClusterVolume before = *bench.attach("a", 1);
  const auto grown = bench.resize("a", 3 * kGiB);
  REQUIRE(grown.ok());
  CHECK(grown->changed);
  ClusterVolume expected = before;
  expected.size_bytes = 3 * kGiB;
  expected.token = grown->volume.token;
  CHECK(grown->volume == expected);
  CHECK(bench.stored(before.id) == expected);
  CHECK_FALSE(bench.resize("a", 3 * kGiB)->changed);
  const auto refused = bench.resize("a", kGiB);
  CHECK(refused.code() == ErrorCode::kInvalidArgument);
  CHECK(refused.status().message().find("volume a has 3GiB and cannot shrink to 1GiB") !=
        std::string_view::npos);
  CHECK(bench.resize("b", kGiB).code() == ErrorCode::kNotFound);
  CHECK(bench.resize("a", 4 * kGiB + 1).code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("growing with a result that is not known grows once, also when another goes further") {
  for (const Answer answer :
       {Answer::kAppliedUnknown, Answer::kLostUnknown, Answer::kLateUnknown}) {
    CAPTURE(answer);
    Bench bench;
    REQUIRE(bench.create("a").ok());
    bench.store.plan_commits = {answer};
    const auto grown = bench.resize("a", 2 * kGiB);
    REQUIRE(grown.ok());
    CHECK(grown->changed);
    CHECK(bench.store.apply_late() == 0);
    CHECK(bench.stored(VolumeId{1}).size_bytes == 2 * kGiB);
  }
}

TEST_CASE("the tier of a volume changes, whoever holds it, and nothing else of it does") {
  Bench bench;
  REQUIRE(bench.create("a").ok());
  const ClusterVolume before = *bench.attach("a", 1);
  CHECK(before.tier == VolumeTier::kAuto);
  CHECK_FALSE(bench.set_tier("a", VolumeTier::kAuto)->changed);
  CHECK(bench.stored(before.id) == before);
  const auto set = bench.set_tier("a", VolumeTier::kSsd);
  REQUIRE(set.ok());
  CHECK(set->changed);
  ClusterVolume expected = before;
  expected.tier = VolumeTier::kSsd;
  expected.token = set->volume.token;
  CHECK(bench.stored(before.id) == expected);
  CHECK_FALSE(bench.set_tier("a", VolumeTier::kSsd)->changed);
  REQUIRE(bench.resize("a", 2 * kGiB).ok());
  REQUIRE(bench.attach("a", 1).ok());
  CHECK(bench.stored(before.id).tier == VolumeTier::kSsd);
  CHECK(bench.set_tier("b", VolumeTier::kSsd).code() == ErrorCode::kNotFound);
  REQUIRE(bench.detach("a", 1).ok());
  REQUIRE(bench.run(delete_volume(bench.context(), "a")).ok());
  CHECK(bench.set_tier("a", VolumeTier::kHdd).code() == ErrorCode::kNotFound);
}

TEST_CASE("a volume is made with its tier, and found again with that only") {
  Bench bench;
  VolumeCreation wanted{.name = "a", .size_bytes = kGiB, .node = NodeId{1}};
  wanted.tier = VolumeTier::kHdd;
  REQUIRE(bench.run(create_volume(bench.context(), wanted))->volume.tier == VolumeTier::kHdd);
  CHECK(bench.run(create_volume(bench.context(), wanted))->existed);
  wanted.tier.reset();
  CHECK(bench.run(create_volume(bench.context(), wanted))->existed);
  wanted.tier = VolumeTier::kAuto;
  const auto refused = bench.run(create_volume(bench.context(), wanted));
  CHECK(refused.code() == ErrorCode::kAlreadyExists);
  CHECK(refused.status().message().find("and tier hdd") != std::string_view::npos);
}

TEST_CASE("a tier with a result that is not known is set once, and the last of two clients wins") {
  for (const Answer answer :
       {Answer::kAppliedUnknown, Answer::kLostUnknown, Answer::kLateUnknown}) {
    CAPTURE(answer);
    Bench bench;
    REQUIRE(bench.create("a").ok());
    bench.store.plan_commits = {answer};
    const auto set = bench.set_tier("a", VolumeTier::kHdd);
    REQUIRE(set.ok());
    CHECK(set->changed);
    REQUIRE(bench.set_tier("a", VolumeTier::kSsd)->changed);
    CHECK(bench.store.apply_late() == 0);
    CHECK(bench.stored(VolumeId{1}).tier == VolumeTier::kSsd);
  }
}

TEST_CASE("the first tier raises the format of a cluster that an older release made") {
  for (const bool at_creation : {false, true}) {
    Bench bench;
    REQUIRE(bench.create("a").ok());
    ClusterRecord cluster = *decode_cluster_record(bench.store.value("cluster"));
    cluster.format_version = 1;
    bench.store.put("cluster", encode_cluster_record(cluster));
    const auto format = [&] {
      return decode_cluster_record(bench.store.value("cluster"))->format_version;
    };
    REQUIRE(bench.set_tier("a", VolumeTier::kAuto).ok());
    REQUIRE(bench.create("b").ok());
    CHECK(format() == 1);
    if (at_creation) {
      VolumeCreation wanted{.name = "c", .size_bytes = kGiB, .node = NodeId{1}};
      wanted.tier = VolumeTier::kHdd;
      REQUIRE(bench.run(create_volume(bench.context(), wanted)).ok());
    } else {
      REQUIRE(bench.set_tier("a", VolumeTier::kHdd).ok());
    }
    CHECK(format() == 3);
  }
}

TEST_CASE("attach raises the generation and keeps other nodes out by name") {
  Bench bench;
  REQUIRE(bench.create("a").ok());
  CHECK(bench.attach("a", 1)->generation == 1);
  CHECK(bench.attach("a", 1)->generation == 2);
  const auto refused = bench.attach("a", 2);
  CHECK(refused.code() == ErrorCode::kBusy);
  CHECK(refused.status().message() == "volume \"a\" is attached on node node1");
  const auto forced = bench.attach("a", 2, true);
  CHECK(forced->generation == 3);
  CHECK(bench.stored(VolumeId{1}).holder == NodeId{2});
  bench.silent.insert(NodeId{2});
  CHECK(bench.attach("a", 3)->generation == 4);
  CHECK(bench.attach("none", 3).code() == ErrorCode::kNotFound);
}

TEST_CASE("attaching with a result that is not known takes one generation") {
  for (const Answer answer :
       {Answer::kAppliedUnknown, Answer::kLostUnknown, Answer::kLateUnknown}) {
    CAPTURE(answer);
    Bench bench;
    REQUIRE(bench.create("a").ok());
    bench.store.plan_commits = {answer};
    const auto attached = bench.attach("a", 1);
    REQUIRE(attached.ok());
    CHECK(attached->generation == 1);
    CHECK(bench.store.apply_late() == 0);
    CHECK(bench.stored(VolumeId{1}) == *attached);
  }
}

TEST_CASE("a take-over whose result is not known is settled, though the other node speaks again") {
  Bench bench;
  REQUIRE(bench.create("a").ok());
  REQUIRE(bench.attach("a", 1).ok());
  bench.silent.insert(NodeId{1});
  bench.store.plan_commits = {Answer::kLateUnknown};
  bench.store.before_commit = [&] { bench.silent.clear(); };
  const auto attached = bench.attach("a", 2);
  REQUIRE(attached.ok());
  CHECK(attached->generation == 2);
  CHECK(bench.store.apply_late() == 0);
  CHECK(bench.stored(VolumeId{1}).holder == NodeId{2});
}

TEST_CASE("detach lets go what the node holds, and what others hold only by force") {
  Bench bench;
  REQUIRE(bench.create("a").ok());
  CHECK(bench.detach("a", 1).ok());
  REQUIRE(bench.attach("a", 1).ok());
  CHECK(bench.detach("a", 2).code() == ErrorCode::kBusy);
  CHECK(bench.detach("a", 1, 9).code() == ErrorCode::kStale);
  bench.store.plan_commits = {Answer::kAppliedUnknown};
  CHECK(bench.detach("a", 1, 1)->holder == NodeId{});
  CHECK(bench.attach("a", 2)->generation == 2);
  const auto forced = bench.detach("a", 1, 0, true);
  CHECK(forced->holder == NodeId{});
  CHECK(forced->generation == 3);
  CHECK(bench.detach("none", 1).code() == ErrorCode::kNotFound);
}

TEST_CASE("a volume is not deleted while a node holds it; its id is never used again") {
  Bench bench;
  REQUIRE(bench.create("a").ok());
  REQUIRE(bench.attach("a", 1).ok());
  CHECK(bench.run(delete_volume(bench.context(), "a")).status().message() ==
        "volume \"a\" is attached on node node1");
  REQUIRE(bench.detach("a", 1).ok());
  CHECK(bench.run(forget_volume(bench.context(), VolumeId{1})).code() == ErrorCode::kBusy);
  for (const Answer answer :
       {Answer::kAppliedUnknown, Answer::kLostUnknown, Answer::kLateUnknown}) {
    CAPTURE(answer);
    const VolumeId id = bench.create("a")->volume.id;
    bench.store.plan_commits = {answer};
    const auto deleted = bench.run(delete_volume(bench.context(), "a"));
    REQUIRE(deleted.ok());
    CHECK(deleted->id == id);
    CHECK(bench.store.apply_late() == 0);
    CHECK(bench.stored(id).deleted);
    CHECK(bench.run(delete_volume(bench.context(), "a")).code() == ErrorCode::kNotFound);
    CHECK(bench.attach("a", 1).code() == ErrorCode::kNotFound);
    CHECK(bench.create("a")->volume.id > id);
    CHECK(bench.run(forget_volume(bench.context(), id)).ok());
    CHECK(bench.run(forget_volume(bench.context(), id)).ok());
  }
  CHECK(bench.store.count("volume/") == 1);
}

}  // namespace varve
