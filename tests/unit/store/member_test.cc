// The store as a member of replication groups.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/store/store_bench.h"

namespace varve {
namespace {

constexpr GroupId kGroup{7};
constexpr GroupId kOther{9};
constexpr VolumeId kVolume{3};

class MemberBench : public StoreBench {
 public:
  MemberBench() : StoreBench(40) {
    REQUIRE(format(Uuid{std::byte{1}}).ok());
    REQUIRE(open().ok());
    REQUIRE(run(store().put_fence({kGroup, kVolume, 5}, record())).ok());
  }
  static VolumeRecord record() {
    // Even extents belong to kGroup, odd ones to kOther.
    return {.id = kVolume, .blocks = 3 * kExtentBlocks, .name = "v", .groups = {kGroup, kOther}};
  }
  void reopen() {
    close();
    REQUIRE(open().ok());
  }
};

}  // namespace

TEST_CASE("the higher number wins, whatever came first, also after recovery") {
  MemberBench bench;
  REQUIRE(bench.write_as({kGroup, 20}, kVolume, {4, 2}, 2).ok());
  REQUIRE(bench.write_as({kGroup, 10}, kVolume, {4, 1}, 1).ok());
  REQUIRE(bench.run(bench.store().zero_as({kGroup, 15}, kVolume, {5, 2})).ok());
  for (int pass = 0; pass < 2; ++pass) {
    CHECK(bench.read(kVolume, 4) == 2);
    CHECK(bench.read(kVolume, 5) == 2);
    CHECK(bench.read(kVolume, 6) == 0);
    CHECK(bench.store().log_end(kGroup) == 20);
    CHECK(bench.store().log_end(kOther) == 0);
    const auto versions = bench.store().versions({kVolume, 0, {4, 4}});
    CHECK(versions[0].sequence == 20);
    CHECK(versions[2].kind == BlockVersion::Kind::kZero);
    CHECK(versions[2].sequence == 15);
    CHECK(versions[3].kind == BlockVersion::Kind::kNone);
    bench.reopen();
  }
}

TEST_CASE("epochs, positions and attach generations are durable and never fall") {
  MemberBench bench;
  REQUIRE(bench.run(bench.store().put_group({kGroup, 4, 100, 50})).ok());
  REQUIRE(bench.run(bench.store().put_group({kGroup, 4, 90, 60})).ok());
  CHECK(bench.run(bench.store().put_group({kGroup, 3, 0, 0})).code() == ErrorCode::kStale);
  CHECK(bench.run(bench.store().put_fence({kGroup, kVolume, 4}, bench.record())).code() ==
        ErrorCode::kStale);
  bench.reopen();
  REQUIRE(bench.store().groups().size() == 1);
  const MemberState state = bench.store().groups()[0];
  CHECK(state.epoch == 4);
  CHECK(state.position == 100);
  CHECK(state.everyone == 60);
  CHECK(bench.store().fence(kGroup, kVolume) == 5);
  CHECK(bench.store().fence(kOther, kVolume) == 0);
  CHECK(bench.store().cluster() == Uuid{std::byte{1}});
  REQUIRE(bench.remove(kVolume).ok());
  CHECK(bench.store().fence(kGroup, kVolume) == 0);
}

TEST_CASE("a fence lets a volume grow; one that comes late with the former size does not undo it") {
  MemberBench bench;
  VolumeRecord grown = bench.record();
  grown.blocks = 5 * kExtentBlocks;
  REQUIRE(bench.run(bench.store().put_fence({kGroup, kVolume, 5}, grown)).ok());
  const uint64_t last = grown.blocks - 1;
  REQUIRE(bench.write_as({kGroup, 20}, kVolume, {last, 1}, 2).ok());
  REQUIRE(bench.run(bench.store().put_fence({kGroup, kVolume, 5}, bench.record())).ok());
  bench.reopen();
  CHECK(bench.store().volumes().front().size_bytes == grown.blocks * kBlockBytes);
  CHECK(bench.read(kVolume, last) == 2);
}

TEST_CASE("a fence that a catalog could not hold is refused, and the store opens again") {
  MemberBench bench;
  VolumeRecord volume = bench.record();
  volume.groups.push_back(GroupId{});
  CHECK(bench.run(bench.store().put_fence({kGroup, kVolume, 6}, volume)).code() ==
        ErrorCode::kInvalidArgument);
  volume = bench.record();
  volume.id = VolumeId{UINT32_MAX};
  CHECK(bench.run(bench.store().put_fence({kGroup, volume.id, 6}, volume)).code() ==
        ErrorCode::kInvalidArgument);
  CHECK(bench.run(bench.store().put_fence({GroupId{}, kVolume, 6}, bench.record())).code() ==
        ErrorCode::kInvalidArgument);
  CHECK(bench.run(bench.store().put_group({kGroup, kEpochMax + 1, 0, 0})).code() ==
        ErrorCode::kInvalidArgument);
  bench.reopen();
  CHECK(bench.store().fence(kGroup, kVolume) == 5);
}

TEST_CASE("what changed after a number is found, in the group's extents only, page by page") {
  MemberBench bench;
  for (uint64_t i = 0; i < 30; ++i)
    REQUIRE(bench.write_as({kGroup, 100 + i}, kVolume, {i * 300, 2}, 1).ok());
  REQUIRE(bench.write_as({kOther, 500}, kVolume, {kExtentBlocks, 3}, 1).ok());
  REQUIRE(bench.write_as({kGroup, 200}, kVolume, {2 * kExtentBlocks + 7, 3}, 1).ok());
  std::vector<ChangedBlocks> runs;
  ChangedPage page;
  do {
    page = bench.store().changed(kGroup, 110, page.next_volume, page.next_block, 4);
    CHECK(page.runs.size() <= 8);
    for (const ChangedBlocks& run : page.runs) {  // a page may end within a run
      const bool joins = !runs.empty() && runs.back().sequence == run.sequence &&
                         runs.back().range.end() == run.range.first;
      if (joins)
        runs.back().range.count += run.range.count;
      else
        runs.push_back(run);
    }
  } while (page.next_volume != VolumeId{});
  REQUIRE(runs.size() == 20);
  CHECK(runs[0].range.first == 11 * 300);
  CHECK(runs[0].range.count == 2);
  CHECK(runs[0].sequence == 111);
  CHECK(runs[19].range.first == 2 * kExtentBlocks + 7);
  CHECK(runs[19].range.count == 3);
}

TEST_CASE("a trim is remembered until every member has it") {
  MemberBench bench;
  const uint64_t blocks = bench.store().stats().write_limit_blocks * 3 / 4;
  REQUIRE(bench.write_as({kGroup, 1}, kVolume, {0, 1}, 1).ok());
  REQUIRE(bench.run(bench.store().zero_as({kGroup, 2}, kVolume, {0, 1})).ok());
  Sequence sequence = 10;
  const auto overwrite = [&] {
    Random random(sequence);
    for (uint64_t i = 0; i < 20 * blocks; ++i) {
      const uint64_t block = 1 + random.below(blocks);
      REQUIRE(bench.write_as({kGroup, sequence++}, kVolume, {block, 1}, 9).ok());
    }
  };
  overwrite();
  CHECK(bench.store().stats().segments_cleaned > 5);
  CHECK(bench.store().versions({kVolume, 0, {0, 1}})[0].sequence == 2);
  bench.reopen();
  CHECK(bench.store().versions({kVolume, 0, {0, 1}})[0].sequence == 2);
  REQUIRE(bench.run(bench.store().put_group({kGroup, 1, 2, 2})).ok());
  overwrite();
  CHECK(bench.store().versions({kVolume, 0, {0, 1}})[0].kind == BlockVersion::Kind::kNone);
}

TEST_CASE("settlement, repair and catch-up have room where clients have none") {
  MemberBench bench;
  uint64_t filled = 0;
  Sequence sequence = 1;
  while (bench.write_as({kGroup, sequence}, kVolume, {filled, 1}, 5).ok()) ++filled, ++sequence;
  CHECK(bench.write_as({kGroup, sequence}, kVolume, {filled, 1}, 5).code() == ErrorCode::kNoSpace);
  CHECK(bench.write_as({kGroup, sequence, true}, kVolume, {filled, 1}, 5).ok());
  CHECK(bench.run(bench.store().zero_as({kGroup, ++sequence}, kVolume, {0, 1})).ok());
  CHECK(bench.run(bench.store().put_group({kGroup, 2, 1, 0})).ok());
}

namespace {

VolumeHistory history(Generation newest, std::vector<Generation> snapshots) {
  VolumeHistory history;
  history.lineage.newest = newest;
  for (const Generation generation : snapshots)
    history.snapshots.push_back(
        {.volume = kVolume, .generation = generation, .blocks = 100, .name = {}});
  return history;
}

Status tell(MemberBench& bench, const VolumeHistory& news) {
  return bench.run(bench.store().put_fence({kGroup, kVolume, 5}, bench.record(), news));
}

uint8_t shown(MemberBench& bench, Generation generation, uint64_t block) {
  AlignedBuffer data(kBlockBytes);
  REQUIRE(bench.run(bench.store().read({kVolume, generation}, {block, 1}, data.data())).ok());
  return static_cast<uint8_t>(data.data()[0]);
}

}  // namespace

TEST_CASE("a member takes no block of a generation that it has not heard of") {
  MemberBench bench;
  CHECK(bench.write_as({kGroup, 1, false, 1}, kVolume, {0, 1}, 1).code() == ErrorCode::kNotFound);
  REQUIRE(tell(bench, history(1, {0})).ok());
  CHECK(bench.write_as({kGroup, 1, false, 1}, kVolume, {0, 1}, 1).ok());
}

TEST_CASE("of one generation the higher number wins, of two the newer one is shown") {
  MemberBench bench;
  REQUIRE(bench.write_as({kGroup, 10}, kVolume, {0, 2}, 1).ok());
  REQUIRE(tell(bench, history(1, {0})).ok());
  REQUIRE(bench.write_as({kGroup, 20, false, 1}, kVolume, {0, 1}, 2).ok());
  // A repair of what only the snapshot shows has the highest number of all.
  REQUIRE(bench.write_as({kGroup, 30, false, 0}, kVolume, {0, 2}, 3).ok());
  for (int pass = 0; pass < 2; ++pass) {
    CHECK(bench.read(kVolume, 0) == 2);
    CHECK(bench.read(kVolume, 1) == 3);
    CHECK(shown(bench, 0, 0) == 3);
    CHECK(bench.store().versions({kVolume, 0, {0, 1}})[0].sequence == 30);
    CHECK(bench.store().versions({kVolume, 1, {0, 1}})[0].sequence == 20);
    const ChangedPage page = bench.store().changed(kGroup, 15, VolumeId{}, 0, 100);
    REQUIRE(page.runs.size() == 2);
    bench.reopen();
  }
  // The same when nothing tells generations apart but the blocks themselves.
  REQUIRE(bench.run(bench.store().keep_snapshots(kVolume, 1, {})).ok());
  REQUIRE(bench.write_as({kGroup, 40, false, 0}, kVolume, {0, 2}, 4).ok());
  for (int pass = 0; pass < 2; ++pass) {
    CHECK(bench.read(kVolume, 0) == 2);
    CHECK(bench.read(kVolume, 1) == 4);
    bench.reopen();
  }
}

TEST_CASE("a snapshot that a member gave up does not come back with what comes late") {
  MemberBench bench;
  REQUIRE(tell(bench, history(2, {0, 1})).ok());
  REQUIRE(bench.run(bench.store().keep_snapshots(kVolume, 2, {1})).ok());
  REQUIRE(tell(bench, history(2, {0, 1})).ok());
  REQUIRE(tell(bench, history(3, {0, 1, 2})).ok());
  for (int pass = 0; pass < 2; ++pass) {
    CHECK_FALSE(bench.store().has_view({kVolume, 0}));
    CHECK(bench.store().has_view({kVolume, 1}));
    CHECK(bench.store().has_view({kVolume, 2}));
    CHECK(bench.store().newest_generation(kVolume) == 3);
    bench.reopen();
  }
}

TEST_CASE("a history that no catalog could hold is refused") {
  MemberBench bench;
  CHECK(tell(bench, history(1, {1})).code() == ErrorCode::kInvalidArgument);
  CHECK(tell(bench, history(kHead, {})).code() == ErrorCode::kInvalidArgument);
  VolumeHistory strange = history(9, {});
  strange.lineage.base = kVolume;
  CHECK(tell(bench, strange).code() == ErrorCode::kInvalidArgument);
  strange.lineage.base = {};
  strange.lineage.branches = {{0, 0}, {5, 5}};
  CHECK(tell(bench, strange).code() == ErrorCode::kInvalidArgument);
}

}  // namespace varve
