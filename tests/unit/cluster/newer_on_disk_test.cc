#include "core/cluster/newer_on_disk.h"

#include <catch2/catch_test_macros.hpp>

#include "core/cluster/cluster_birth.h"
#include "core/cluster/record_key.h"
#include "core/cluster/volume_operations.h"
#include "tests/unit/cluster/cluster_bench.h"

namespace varve {
namespace {

// One node, and a volume of 1 GiB with attach generation 1.
struct Bench : ClusterBench {
  Bench() {
    REQUIRE(run(cluster_init(context(), test_uuid(1), 0)).ok());
    const NodeRecord node{.name = "a", .address = "a:1", .version = "1"};
    REQUIRE(run(register_node(context(), node)).ok());
    const DiskGroupRecord disk{.node = NodeId{1}, .uuid = test_uuid(2), .name = "ssd0"};
    REQUIRE(run(register_disk_group(context(), disk)).ok());
    const auto created = run(create_volume(context(), {.name = "v", .size_bytes = kGiB}));
    REQUIRE(created.ok());
    group = created->volume.groups.front();
    VolumeAttachment attachment;
    attachment.name = "v";
    attachment.node = NodeId{1};
    REQUIRE(run(attach_volume(context(), attachment, this)).ok());
    REQUIRE(run(view.start(clock.now_ns + 1000 * kMillisecond)).ok());
  }
  ~Bench() override {
    TaskGroup stopping(ready);
    stopping.start(view.stop());
    settle();
  }
  // What a member of the group has that took part in everything.
  DiskKnowledge all() const {
    return {{{.id = group, .epoch = view.group(group)->record.epoch}},
            {{group, VolumeId{1}, 1}},
            {{VolumeId{1}, kGiB / kBlockBytes, "v", {group}}}};
  }

  ClusterView view{runtime, store};
  GroupId group{};
};

}  // namespace

TEST_CASE("a disk group that knows what the records say, or less, is not newer") {
  Bench bench;
  CHECK(newer_on_disk({}, bench.view).empty());
  CHECK(newer_on_disk(bench.all(), bench.view).empty());
}

TEST_CASE("a later epoch, attach generation, size or volume than in the records is told") {
  Bench bench;
  DiskKnowledge disk = bench.all();
  ++disk.groups[0].epoch;
  CHECK(newer_on_disk(disk, bench.view) ==
        text("group ", static_cast<uint32_t>(bench.group), " is in epoch ", disk.groups[0].epoch,
             " on the disk and ", disk.groups[0].epoch - 1, " in the records"));
  disk = bench.all();
  disk.groups.push_back({.id = GroupId{1000}, .epoch = 1});
  CHECK(newer_on_disk(disk, bench.view) ==
        "group 1000 is in epoch 1 on the disk and 0 in the records");
  disk = bench.all();
  disk.fences[0].generation = 2;
  CHECK(newer_on_disk(disk, bench.view) ==
        "volume 1 has attach generation 2 on the disk and 1 in the records");
  disk = bench.all();
  disk.volumes[0].blocks *= 2;
  CHECK(newer_on_disk(disk, bench.view) == "volume 1 has 2GiB on the disk and 1GiB in the records");
  disk = bench.all();
  disk.lineages.push_back({.volume = VolumeId{1}, .newest = 4});
  CHECK(newer_on_disk(disk, bench.view) ==
        "volume 1 has a snapshot 3 on the disk and is not that far in the records");
  disk = bench.all();
  disk.volumes[0].id = VolumeId{2};
  CHECK(newer_on_disk(disk, bench.view) ==
        "volume 2 is on the disk and was never made according to the records");
}

}  // namespace varve
