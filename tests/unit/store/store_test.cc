// The store's door, on a simulated disk without faults: what a user of the engine relies on.
#include "core/store/store.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "tests/unit/store/store_bench.h"

namespace varve {

TEST_CASE("what was written is read back, also after the store was closed and opened") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId id = bench.create("one", 100);
  CHECK(bench.write(id, {0, 1}, 11).ok());
  CHECK(bench.write(id, {5, 40}, 12).ok());  // longer than a batch of this segment size
  CHECK(bench.write(id, {6, 1}, 13).ok());
  CHECK(bench.trim(id, {7, 2}).ok());
  for (int round = 0; round < 2; ++round) {
    CHECK(bench.read(id, 0) == 11);
    CHECK(bench.read(id, 1) == 0);
    CHECK(bench.read(id, 5) == 12);
    CHECK(bench.read(id, 6) == 13);
    CHECK(bench.read(id, 7) == 0);
    CHECK(bench.read(id, 44) == 12);
    CHECK(bench.store().stats().live_blocks == 39);
    bench.close();
    REQUIRE(bench.open().ok());
  }
}

TEST_CASE("block status tells data from holes, neighbours merged") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId id = bench.create("one", 1000);
  CHECK(bench.write(id, {10, 5}, 1).ok());
  CHECK(bench.trim(id, {12, 1}).ok());
  std::vector<BlockStatusRun> runs;
  CHECK(bench.store().block_status(id, {0, 1000}, runs).ok());
  REQUIRE(runs.size() == 5);
  CHECK((runs[0].block_count == 10 && !runs[0].data));
  CHECK((runs[1].block_count == 2 && runs[1].data));
  CHECK((runs[2].block_count == 1 && !runs[2].data));
  CHECK((runs[3].block_count == 2 && runs[3].data));
  CHECK((runs[4].block_count == 985 && !runs[4].data));
}

TEST_CASE("overwrites many times the store's size are cleaned away and nothing is lost") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const uint64_t blocks = bench.store().stats().capacity_blocks * 7 / 10;
  const VolumeId id = bench.create("one", blocks);
  std::vector<uint8_t> expected(blocks, 0);
  Random random(1);
  for (int i = 0; i < 5000; ++i) {
    const uint64_t block = random.below(blocks);
    expected[block] = static_cast<uint8_t>(1 + random.below(250));
    REQUIRE(bench.write(id, {block, 1}, expected[block]).ok());
  }
  CHECK(bench.store().stats().segments_cleaned > 50);
  for (uint64_t block = 0; block < blocks; ++block)
    REQUIRE(bench.read(id, block) == expected[block]);
  bench.close();
  REQUIRE(bench.open().ok());
  for (uint64_t block = 0; block < blocks; ++block)
    REQUIRE(bench.read(id, block) == expected[block]);
}

TEST_CASE("a full store refuses writes, serves the rest, and takes writes again after a trim") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId id = bench.create("one", 1000);
  uint64_t filled = 0;
  while (bench.write(id, {filled, 1}, 5).ok()) ++filled;
  CHECK(bench.write(id, {filled, 1}, 5).code() == ErrorCode::kNoSpace);
  CHECK(filled == bench.store().stats().write_limit_blocks);
  CHECK(bench.read(id, 3) == 5);
  CHECK(bench.trim(id, {0, 20}).ok());
  CHECK(bench.write(id, {filled, 1}, 6).ok());
  CHECK(bench.read(id, filled) == 6);
}

TEST_CASE("a device that fails a write ends the waiting for space, and the store says so") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId id = bench.create("one", 1000);
  uint64_t filled = 0;
  while (bench.write(id, {filled, 1}, 5).ok()) ++filled;
  TaskGroup waiting(bench.ready());
  waiting.start(bench.store().space_freed());
  bench.settle();
  CHECK(waiting.running() == 1);
  bench.device().set_power(false);
  CHECK(bench.trim(id, {0, 1}).code() == ErrorCode::kIoError);
  bench.settle();
  CHECK(waiting.running() == 0);
  CHECK(bench.store().stats().failed);
  bench.device().set_power(true);
  CHECK(bench.write(id, {filled, 1}, 6).code() == ErrorCode::kIoError);
  CHECK(bench.read(id, 7) == 5);
  bench.close_failed();
}

TEST_CASE("a block that the device cannot read stops neither cleaning nor writing") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId id = bench.create("one", 1000);
  REQUIRE(bench.write(id, {0, 1}, 7).ok());
  // The first block lies behind the header of the first batch of the first user segment.
  const auto& image = bench.device().image();
  std::vector<std::byte> sevens(kBlockBytes, std::byte{7});
  uint64_t offset = 0;
  while (std::memcmp(image.data() + offset, sevens.data(), kBlockBytes) != 0) offset += kBlockBytes;
  bench.device().make_unreadable(offset);
  // Fill three quarters, then overwrite all but the first blocks many times over.
  const uint64_t blocks = bench.store().stats().write_limit_blocks * 3 / 4;
  for (uint8_t round = 1; round < 20; ++round)
    for (uint64_t block = 1; block < blocks; ++block)
      if (block > 9 || round == 1) REQUIRE(bench.write(id, {block, 1}, round).ok());
  CHECK(bench.store().stats().segments_cleaned > 20);
  CHECK(bench.read(id, 0) == -1);
  CHECK(bench.read(id, 5) == 1);
  CHECK(bench.read(id, blocks - 1) == 19);
  CHECK(bench.store().stats().damaged_blocks == 0);  // perhaps it can be read later
  REQUIRE(bench.write(id, {0, 1}, 8).ok());
  CHECK(bench.read(id, 0) == 8);
}

TEST_CASE("a volume grows, also for good, and never shrinks") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId id = bench.create("one", 10);
  CHECK(bench.write(id, {9, 2}, 1).code() == ErrorCode::kInvalidArgument);
  REQUIRE(bench.resize(id, 30).ok());
  CHECK(bench.resize(id, 30)->size_bytes == 30 * kBlockBytes);
  REQUIRE(bench.write(id, {9, 21}, 7).ok());
  const auto refused = bench.resize(id, 29);
  CHECK(refused.code() == ErrorCode::kInvalidArgument);
  CHECK(refused.status().message().find("has 120KiB and cannot shrink to 116KiB") !=
        std::string_view::npos);
  CHECK(bench.resize(id, kVolumeBlocksMax + 1).code() == ErrorCode::kInvalidArgument);
  CHECK(bench.resize(VolumeId{77}, 40).code() == ErrorCode::kNotFound);
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(bench.store().volumes().front().size_bytes == 30 * kBlockBytes);
  CHECK(bench.read(id, 8) == 0);
  CHECK(bench.read(id, 9) == 7);
  CHECK(bench.read(id, 29) == 7);
}

TEST_CASE("a deleted volume is gone, its space comes back, and its number is not used again") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId first = bench.create("one", 50);
  CHECK(bench.write(first, {0, 50}, 9).ok());
  CHECK(bench.remove(first).ok());
  bench.settle();
  CHECK(bench.store().stats().live_blocks == 0);
  CHECK(bench.write(first, {0, 1}, 1).code() == ErrorCode::kNotFound);
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(bench.store().volumes().empty());
  const VolumeId second = bench.create("one", 50);
  CHECK(second != first);
  CHECK(bench.read(second, 0) == 0);
}

TEST_CASE("catalog segments follow each other for as long as volumes come and go") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId kept = bench.create("kept", 10);
  for (int i = 0; i < 60; ++i) REQUIRE(bench.remove(bench.create("passing", 10)).ok());
  CHECK(bench.write(kept, {1, 1}, 3).ok());
  bench.close();
  REQUIRE(bench.open().ok());
  REQUIRE(bench.store().volumes().size() == 1);
  CHECK(bench.store().volumes()[0].name == "kept");
  CHECK(bench.read(kept, 1) == 3);
}

TEST_CASE("a device that is too small or was never formatted is refused in words") {
  StoreBench small(4);
  const Status refused = small.format();
  CHECK(refused.code() == ErrorCode::kInvalidArgument);
  CHECK(refused.message().find("needs at least") != std::string_view::npos);
  StoreBench blank(20);
  CHECK(blank.open().code() == ErrorCode::kNotFormatted);
}

}  // namespace varve
