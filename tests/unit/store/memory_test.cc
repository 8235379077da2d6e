// The budget of memory, as those meet it who write.
#include <catch2/catch_test_macros.hpp>

#include "core/store/memory_budget.h"
#include "tests/unit/store/store_bench.h"

namespace varve {
namespace {

constexpr uint64_t kVolumeBlocks = uint64_t{1} << 30;

uint64_t fixed_bytes(const StoreStats& stats) {
  return stats.memory_bytes() - stats.map_bytes;
}

}  // namespace

TEST_CASE("the default of memory_max is enough for every block of the disk, in any order") {
  StoreBench bench(64);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const StoreStats stats = bench.store().stats();
  CHECK(stats.memory_max_bytes == stats.memory_needed_bytes);
  CHECK(stats.memory_max_blocks == stats.capacity_blocks);
  CHECK(stats.memory_needed_bytes >= stats.capacity_blocks * 14 + fixed_bytes(stats));
}

TEST_CASE("at memory_max writes find no space; trims and deletes go on, and make room") {
  StoreBench bench(300);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const uint64_t memory_max = fixed_bytes(bench.store().stats()) + 14 * kKiB;
  bench.close();
  REQUIRE(bench.open_with_memory(memory_max).ok());
  const VolumeId volume = bench.create("v", kVolumeBlocks);
  // One by one and backwards: each has a number and a place of its own.
  uint64_t blocks = 0;
  while (bench.write(volume, {4095 - blocks, 1}, 1).ok()) ++blocks;
  CHECK(bench.store().stats().live_blocks < bench.store().stats().write_limit_blocks / 10 * 8);
  REQUIRE(blocks > 256);
  CHECK(blocks < 4096);
  CHECK(bench.store().stats().memory_bytes() <= memory_max);
  CHECK(bench.write(volume, {4095, 1}, 2).code() == ErrorCode::kNoSpace);  // an overwrite, too
  CHECK(bench.read(volume, 4095) == 1);
  const auto refused = bench.run(bench.store().create_volume("other", kMiB));
  CHECK(refused.code() == ErrorCode::kNoSpace);
  CHECK(refused.status().message().find("memory_max") != std::string::npos);

  REQUIRE(bench.trim(volume, {2048, 2048}).ok());
  CHECK(bench.write(volume, {0, 1}, 3).ok());
  REQUIRE(bench.remove(volume).ok());
  bench.settle();
  const VolumeId other = bench.create("other", kVolumeBlocks);
  CHECK(bench.write(other, {0, 16}, 4).ok());
}

TEST_CASE(
    "a disk group opens and is read with less memory than its map takes, and is not written") {
  StoreBench bench(200);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId volume = bench.create("v", kVolumeBlocks);
  for (uint64_t i = 0; i < 100; ++i) REQUIRE(bench.write(volume, {i * kExtentBlocks, 1}, 7).ok());
  const uint64_t taken = bench.store().stats().memory_bytes();
  bench.close();
  REQUIRE(bench.open_with_memory(taken / 2).ok());
  CHECK(bench.read(volume, 99 * kExtentBlocks) == 7);
  CHECK(bench.write(volume, {0, 1}, 8).code() == ErrorCode::kNoSpace);
  bench.close();
  REQUIRE(bench.open_with_memory(taken * 2).ok());
  CHECK(bench.write(volume, {0, 1}, 8).ok());
}

TEST_CASE("a write is charged for every leaf that it touches") {
  CHECK(memory_growth({0, 0}) == 0);
  CHECK(memory_growth({5, 1}) == memory_growth({0, 1}));
  CHECK(memory_growth({255, 2}) - memory_growth({254, 2}) ==
        memory_growth({0, 1}) - kMapBlockBytesMax);
  CHECK(memory_growth({0, 256}) < memory_growth({1, 256}));
}

}  // namespace varve
