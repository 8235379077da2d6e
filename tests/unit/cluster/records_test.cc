#include <catch2/catch_test_macros.hpp>
#include <string>
#include <string_view>

#include "core/cluster/cluster_record.h"
#include "core/cluster/cluster_volume.h"
#include "core/cluster/group_record.h"
#include "core/cluster/node_record.h"
#include "core/cluster/record_key.h"

namespace varve {
namespace {

Uuid uuid_of(uint8_t byte) {
  Uuid uuid;
  uuid.fill(std::byte{byte});
  return uuid;
}

GroupRecord group() {
  return {.id = GroupId{7},
          .epoch = 4,
          .office = 3,
          .primary = DiskGroupId{2},
          .min_in_sync = 2,
          .members = {{DiskGroupId{1}, NodeId{11}},
                      {DiskGroupId{2}, NodeId{12}},
                      {DiskGroupId{3}, NodeId{13}}},
          .in_sync = {DiskGroupId{2}, DiskGroupId{3}},
          .last_full = {DiskGroupId{2}, DiskGroupId{3}},
          .token = UINT64_MAX};
}

ClusterVolume volume() {
  return {.id = VolumeId{5},
          .name = "pvc-1",
          .size_bytes = 10 * kGiB,
          .copies = 3,
          .groups = {GroupId{7}, GroupId{9}},
          .generation = 6,
          .holder = NodeId{12},
          .holder_mode = HolderMode::kReadOnly,
          .token = 99};
}

// `text` with the first `from` replaced.
std::string with(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// The message of the refusal of a changed record; empty when it is accepted.
template <typename Decoder>
std::string refusal(const Decoder& decode, std::string_view text) {
  const auto record = decode(text);
  return record.ok() ? "" : std::string(record.status().message());
}

}  // namespace

TEST_CASE("a record stands in the store as lines of key and value") {
  CHECK(encode_group_record(group()) ==
        "record=group\nid=7\nepoch=4\noffice=3\nprimary=2\nmin_in_sync=2\nmembers=1,2,3\n"
        "nodes=11,12,13\nin_sync=2,3\nlast_full=2,3\ntoken=18446744073709551615\n");
  CHECK(encode_cluster_volume(volume()) ==
        "record=volume\nid=5\nname=pvc-1\nsize_bytes=10737418240\ncopies=3\ngroups=7,9\n"
        "generation=6\nholder=12\nmode=ro\ndeleted=no\ntoken=99\n");
}

TEST_CASE("every record comes back as it was written") {
  CHECK(*decode_group_record(encode_group_record(group())) == group());
  CHECK(*decode_cluster_volume(encode_cluster_volume(volume())) == volume());
  const ClusterRecord cluster{.id = uuid_of(0xa5), .copies = 2, .next_volume = 17};
  CHECK(*decode_cluster_record(encode_cluster_record(cluster)) == cluster);
  const PlannerRecord planner{.node = NodeId{3}, .token = 4};
  CHECK(*decode_planner_record(encode_planner_record(planner)) == planner);
  const MoveRecord move{
      .cluster = uuid_of(7), .token = 4, .other_store = "metadata_etcd http://10.0.0.1:2379"};
  CHECK(*decode_move_record(encode_move_record(move)) == move);
  const NodeRecord node{
      .id = NodeId{3}, .name = "node3", .address = "10.0.0.3:7071", .boot = 12, .version = "0.1.0"};
  CHECK(*decode_node_record(encode_node_record(node)) == node);
  for (const auto state :
       {DiskGroupState::kActive, DiskGroupState::kDraining, DiskGroupState::kRemoved}) {
    const DiskGroupRecord disk_group{.id = DiskGroupId{8},
                                     .node = NodeId{3},
                                     .uuid = uuid_of(7),
                                     .name = "ssd0",
                                     .capacity_bytes = kGiB,
                                     .state = state};
    CHECK(*decode_disk_group_record(encode_disk_group_record(disk_group)) == disk_group);
  }
}

TEST_CASE("a text that ends early or goes on is no record") {
  const std::string text = encode_group_record(group());
  for (size_t bytes = 0; bytes < text.size(); ++bytes) {
    INFO(bytes);
    CHECK(decode_group_record(text.substr(0, bytes)).code() == ErrorCode::kDamaged);
  }
  CHECK(refusal(decode_group_record, text + "more=1\n") ==
        "record group: end: more lines than this release knows");
  CHECK(refusal(decode_group_record, encode_cluster_volume(volume())) ==
        "record group: record: another kind");
}

TEST_CASE("what a record's text may not be is refused with the field and the reason") {
  const std::string text = encode_group_record(group());
  const auto why = [&](std::string_view from, std::string_view to) {
    return refusal(decode_group_record, with(text, from, to));
  };
  CHECK(why("epoch=4", "epoch=04") == "record group: epoch: must be a number from 0 to 16777215");
  CHECK(why("epoch=4", "epoch=16777216").find("epoch: must be a number") != std::string::npos);
  CHECK(why("epoch=4", "epoch=+4").find("epoch: must be a number") != std::string::npos);
  CHECK(why("token=1", "token=9").find("token: must be a number") != std::string::npos);
  CHECK(why("office=3", "offise=3") == "record group: office: missing, or not in its place");
  CHECK(why("id=7", "id=0").find("id: must be a number from 1") != std::string::npos);
  for (const char* list : {"1,2,2", "1,2,", ",1,2", "1,,2", "1,2,0", "1,2,3,4", "1 ,2,3", "a"}) {
    INFO(list);
    CHECK(why("members=1,2,3", std::string("members=") + list).find("members: must be at most 3") !=
          std::string::npos);
  }
}

TEST_CASE("a group's record that contradicts itself is refused") {
  const std::string text = encode_group_record(group());
  const auto why = [&](std::string_view from, std::string_view to) {
    return refusal(decode_group_record, with(text, from, to));
  };
  CHECK(why("office=3", "office=5") == "record group: office: later than the epoch");
  CHECK(why("primary=2", "primary=0") == "record group: primary: missing, though in office");
  CHECK(why("primary=2", "primary=1") == "record group: primary: not in sync");
  CHECK(why("in_sync=2,3", "in_sync=2,4") == "record group: in_sync: not a member");
  CHECK(why("in_sync=2,3", "in_sync=") == "record group: in_sync: empty");
  CHECK(why("last_full=2,3", "last_full=9") == "record group: last_full: not a member");
  CHECK(why("nodes=11,12,13", "nodes=11,12") == "record group: nodes: not as many as members");
  CHECK(why("nodes=11,12,13", "nodes=11,12,12").find("nodes: must be at most 3 different ids") !=
        std::string::npos);
  GroupRecord single = group();
  single.members.resize(1);
  single.primary = DiskGroupId{};
  single.office = 0;
  single.in_sync = single.last_full = {DiskGroupId{1}};
  CHECK(refusal(decode_group_record, encode_group_record(single)) ==
        "record group: min_in_sync: more than members");
  single.min_in_sync = 1;
  CHECK(decode_group_record(encode_group_record(single)).ok());
}

TEST_CASE("a volume's record keeps to what a volume can be") {
  const std::string text = encode_cluster_volume(volume());
  const auto why = [&](std::string_view from, std::string_view to) {
    return refusal(decode_cluster_volume, with(text, from, to));
  };
  CHECK(why("name=pvc-1", "name=/pvc") == "record volume: name: not a name");
  CHECK(why("size_bytes=10737418240", "size_bytes=4097") ==
        "record volume: size_bytes: not a volume's size");
  CHECK(why("groups=7,9", "groups=") == "record volume: groups: empty");
  CHECK(why("mode=ro", "mode=wo") == "record volume: mode: must be ro or rw");
  CHECK(why("deleted=no", "deleted=maybe") == "record volume: deleted: must be yes or no");
  CHECK(why("deleted=no", "deleted=yes") == "record volume: deleted: held by a node");
  ClusterVolume many = volume();
  many.groups.clear();
  for (uint32_t i = 0; i < kVolumeGroupsMax; ++i) many.groups.push_back(GroupId{UINT32_MAX - i});
  CHECK(*decode_cluster_volume(encode_cluster_volume(many)) == many);
  CHECK(many.group_of_block(65 * uint64_t{kExtentBlocks}) == many.groups[1]);
  many.groups.push_back(GroupId{1});
  CHECK(decode_cluster_volume(encode_cluster_volume(many)).code() == ErrorCode::kDamaged);
}

TEST_CASE("records of a newer release are refused as such") {
  const std::string text = encode_cluster_record({.id = uuid_of(1)});
  const auto newer = decode_cluster_record(with(text, "format_version=3", "format_version=4"));
  CHECK(newer.code() == ErrorCode::kNewerFormat);
  CHECK(newer.status().message() == "the cluster's records have format 4; this release knows 3");
  CHECK(refusal(decode_cluster_record, encode_cluster_record({})) ==
        "record cluster: id: must not be zero");
  CHECK(refusal(decode_cluster_record, with(text, "id=01", "id=0G")) ==
        "record cluster: id: must be 32 hexadecimal digits in lower case");
}

TEST_CASE("records of the release before are read as they are") {
  const std::string text =
      with(encode_cluster_record({.id = uuid_of(1)}), "format_version=3", "format_version=1");
  const auto older = decode_cluster_record(text);
  REQUIRE(older.ok());
  CHECK(older->format_version == 1);
  CHECK(encode_cluster_record(*older) == text);
  // A volume that never had a snapshot is written as it was then.
  CHECK(decode_cluster_volume(encode_cluster_volume(volume()))->history.is_plain());
}

TEST_CASE("a volume's record has its tier, unless that is auto") {
  ClusterVolume kept = volume();
  kept.tier = VolumeTier::kSsd;
  const std::string text = encode_cluster_volume(kept);
  CHECK(text == encode_cluster_volume(volume()) + "tier=ssd\n");
  CHECK(*decode_cluster_volume(text) == kept);
  CHECK(decode_cluster_volume(with(text, "tier=ssd", "tier=hdd"))->tier == VolumeTier::kHdd);
  CHECK(decode_cluster_volume(encode_cluster_volume(volume()))->tier == VolumeTier::kAuto);
  kept.history.newest = 2;
  const std::string older = encode_cluster_volume(kept);
  CHECK(older == text + "newest=2\nbase=0\nbase_generation=0\nbranches=\nsnapshots=0\n");
  CHECK(*decode_cluster_volume(older) == kept);
  const auto why = [&](std::string_view from, std::string_view to) {
    return refusal(decode_cluster_volume, with(text, from, to));
  };
  const std::string form = "record volume: tier: must be ssd or hdd, or not there";
  for (const char* tier : {"tier=auto", "tier=nvme", "tier=", "tier=SSD"})
    CHECK(why("tier=ssd", tier) == form);
  CHECK(why("tier=ssd\n", "tier=ssd\ntier=ssd\n") ==
        "record volume: newest: missing, or not in its place");
  CHECK(why("tier=ssd\n", "tier=ssd") == "record volume: tier: a line without an end");
}

TEST_CASE("a volume's record has its snapshots, in the order of their generations") {
  ClusterVolume snapped = volume();
  snapped.history.newest = 9;
  snapped.history.snapshots = {
      {.generation = 3, .size_bytes = kGiB, .created_seconds = 1700, .pending = 0, .name = "a"},
      {.generation = 8,
       .size_bytes = 2 * kGiB,
       .created_seconds = 1800,
       .pending = 77,
       .name = "b"}};
  const std::string text = encode_cluster_volume(snapped);
  CHECK(text == encode_cluster_volume(volume()) +
                    "newest=9\nbase=0\nbase_generation=0\nbranches=\nsnapshots=2\n"
                    "snapshot=3 1073741824 1700 0 a\nsnapshot=8 2147483648 1800 77 b\n");
  CHECK(*decode_cluster_volume(text) == snapped);
  ClusterVolume clone = snapped;
  clone.history.base = VolumeId{4};
  clone.history.base_generation = 2;
  clone.history.branches = {{0, 0}, {5, 3}};
  CHECK(*decode_cluster_volume(encode_cluster_volume(clone)) == clone);

  const auto why = [&](std::string_view from, std::string_view to) {
    return refusal(decode_cluster_volume, with(text, from, to));
  };
  const std::string order = "record volume: snapshot: not in the order of its generation";
  const std::string form = "record volume: snapshot: not how a snapshot is written";
  CHECK(why("newest=9", "newest=8") == order);
  CHECK(why("snapshot=3 ", "snapshot=8 ") == order);
  for (const char* bad : {"03 1", "3 1073741825", "3 0", "-3 1", "3  1", "4294967295 1"}) {
    INFO(bad);
    CHECK(why("snapshot=3 1073741824", std::string("snapshot=") + bad) == form);
  }
  CHECK(why("1700 0 a", "1700 0 a@b") == form);
  CHECK(why("1700 0 a", "1700 0 ") == form);
  CHECK(why("base=0", "base=5") == "record volume: base: not an older volume");
  CHECK(why("branches=", "branches=0:0") ==
        "record volume: branches: not how branches are written");
  CHECK(why("branches=", "branches=1:0,5:3") ==
        "record volume: branches: not how branches are written");
  CHECK(why("snapshots=2", "snapshots=1") ==
        "record volume: end: more lines than this release knows");
  CHECK(why("snapshots=2", "snapshots=3") == "record volume: snapshot: missing");
}

TEST_CASE("a cluster that was moved says where to") {
  const MoveRecord move{.cluster = uuid_of(7), .token = 4, .other_store = "metadata_etcd http://x"};
  const auto moved = decode_cluster_record(encode_move_record(move));
  CHECK(moved.code() == ErrorCode::kStale);
  CHECK(moved.status().message() ==
        "the cluster was moved to metadata_etcd http://x, which the node's config must name");
  CHECK(decode_cluster_record("record=move\nx").code() == ErrorCode::kDamaged);
}

TEST_CASE("words with control characters stay out of records") {
  const NodeRecord node{.id = NodeId{1}, .name = "a", .address = "a:1", .version = "1\t2"};
  CHECK(refusal(decode_node_record, encode_node_record(node)) ==
        "record node: version: holds control characters");
  CHECK_FALSE(record_words_allowed(std::string(256, 'a')));
  CHECK(record_words_allowed("10.0.0.1:7071"));
}

TEST_CASE("keys name records, and the keys of names hold an id") {
  CHECK(record_key(GroupId{12}) == "group/12");
  CHECK(record_key(VolumeId{3}) == "volume/3");
  CHECK(volume_name_key("a") == "volume_name/a");
  CHECK(disk_group_uuid_key(uuid_of(0x1f)) == "disk_group_uuid/1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f");
  CHECK(parse_id_value(id_value(VolumeId{UINT32_MAX})) == UINT32_MAX);
  for (const char* bad : {"", "0", "01", "4294967296", "1 ", "-1", "x"}) {
    CHECK_FALSE(parse_id_value(bad));
  }
}

}  // namespace varve
