// The SSD's cache for reads of HDDs.
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "tests/unit/store/store_bench.h"

namespace varve {
namespace {

constexpr uint32_t kHotSlots = 40;
constexpr uint32_t kColdSlots = 12;
constexpr uint64_t kColdBytes = kColdSegmentBytes * (kColdSlots + 1ull) + 64 * 1024;
constexpr uint8_t kMarked = 0x77;

uint8_t byte_of(uint64_t block, uint8_t salt) {
  return static_cast<uint8_t>(block % 64 + 64 * salt);
}

// A volume whose first `count` blocks lie on the HDD, and nothing on the SSD.
struct Cold {
  explicit Cold(StoreBench& owner) : bench(owner) {
    REQUIRE(bench.format().ok());
    REQUIRE(bench.open().ok());
    REQUIRE(bench.add_hdd(kColdBytes).ok());
    count = bench.store().stats().write_limit_blocks / 3;
    volume = bench.create("a", count);
  }
  void fill(uint8_t salt) {
    for (uint64_t block = 0; block < count; ++block)
      REQUIRE(bench.write(volume, {block, 1}, byte_of(block, salt)).ok());
  }
  void sink() {
    for (int round = 0; round < 3; ++round) {
      const VolumeId filler = bench.create("filler", count);
      REQUIRE(bench.write(filler, {0, count}, 0xff).ok());
      bench.settle();
      REQUIRE(bench.remove(filler).ok());
      bench.settle();
    }
    REQUIRE(bench.store().stats().hot_live_blocks < count / 2);
  }
  uint64_t count_wrong(uint8_t salt) {
    uint64_t wrong = 0;
    for (uint64_t block = 0; block < count; ++block)
      wrong += bench.read(volume, block) != byte_of(block, salt);
    bench.settle();
    return wrong;
  }
  ReadCacheStats stats() { return bench.store().stats().read_cache; }

  StoreBench& bench;
  uint64_t count = 0;
  VolumeId volume{};
};

// Flips a bit in whatever block is full of kMarked.
uint64_t spoil_marked(DiskImage& image) {
  uint64_t spoiled = 0;
  for (uint64_t at = 0; at + kBlockBytes <= image.size(); at += kBlockBytes) {
    const std::byte* const block = image.data() + at;
    if (block[0] != std::byte{kMarked} || std::memcmp(block, block + 1, kBlockBytes - 1) != 0)
      continue;
    image[at + 9] ^= std::byte{1};
    ++spoiled;
  }
  return spoiled;
}

}  // namespace

TEST_CASE("what is read again comes from the SSD, until the store is opened again") {
  StoreBench bench(kHotSlots);
  Cold cold(bench);
  cold.fill(1);
  cold.sink();
  for (int round = 0; round < 4; ++round) CHECK(cold.count_wrong(1) == 0);
  const ReadCacheStats warm = cold.stats();
  CHECK(warm.filled_blocks >= warm.held_blocks);
  CHECK(warm.held_blocks > cold.count / 4);
  CHECK(warm.held_blocks <= warm.room_blocks);
  CHECK(warm.hit_blocks >= warm.held_blocks);
  CHECK(warm.bad_blocks == 0);
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(cold.stats().held_blocks == 0);
  CHECK(bench.store().stats().damaged_blocks == 0);
  CHECK(cold.count_wrong(1) == 0);
}

TEST_CASE("a hit asks nothing of the HDD") {
  StoreBench bench(kHotSlots);
  Cold cold(bench);
  cold.fill(1);
  cold.sink();
  for (int round = 0; round < 4; ++round) {
    CHECK(bench.read(cold.volume, 3) == byte_of(3, 1));
    bench.settle();
  }
  const uint64_t hits = cold.stats().hit_blocks;
  REQUIRE(hits > 0);
  bench.hdd().set_power(false);
  CHECK(bench.read(cold.volume, 3) == byte_of(3, 1));
  CHECK(bench.read(cold.volume, cold.count / 2) == -1);
  CHECK(cold.stats().hit_blocks == hits + 1);
  bench.hdd().set_power(true);
}

TEST_CASE("overwritten blocks, and those of reused slots of an HDD, read as what they are now") {
  StoreBench bench(kHotSlots);
  Cold cold(bench);
  for (uint8_t salt = 0; salt < 4; ++salt) {
    for (uint64_t block = 0; block < cold.count; ++block) {
      REQUIRE(bench.write(cold.volume, {block, 1}, byte_of(block, salt)).ok());
      // In between, what is on its way down is read, and so is cached in every state.
      const uint64_t other = block * 7 % cold.count;
      const uint8_t now = other <= block ? salt : static_cast<uint8_t>(salt - 1);
      if (salt > 0 || other <= block) CHECK(bench.read(cold.volume, other) == byte_of(other, now));
    }
    cold.sink();
    for (int round = 0; round < 3; ++round) CHECK(cold.count_wrong(salt) == 0);
  }
  CHECK(cold.stats().hit_blocks > cold.count);
  CHECK(cold.stats().bad_blocks == 0);
}

TEST_CASE("a block that is bad in the cache comes from the HDD, and is no damage") {
  StoreBench bench(kHotSlots);
  Cold cold(bench);
  cold.fill(2);
  REQUIRE(bench.write(cold.volume, {5, 1}, kMarked).ok());
  cold.sink();
  // With others, so that they are written out of memory.
  for (int round = 0; round < 3; ++round)
    for (uint64_t block = 0; block < 32; ++block) {
      bench.read(cold.volume, block);
      bench.settle();
    }
  CHECK(bench.spoil_ssd(spoil_marked) > 0);
  CHECK(bench.read(cold.volume, 5) == kMarked);
  CHECK(cold.stats().bad_blocks == 1);
  CHECK(bench.store().stats().damaged_blocks == 0);
  CHECK(bench.read(cold.volume, 5) == kMarked);
  CHECK(cold.stats().bad_blocks == 1);
}

TEST_CASE("writers take the cache's slots as if they were free") {
  StoreBench bench(kHotSlots);
  Cold cold(bench);
  cold.fill(1);
  cold.sink();
  for (int round = 0; round < 4; ++round) CHECK(cold.count_wrong(1) == 0);
  const uint64_t room = cold.stats().room_blocks;
  // Until the disk group is as full as it may be, and beyond.
  const StoreStats stats = bench.store().stats();
  const uint64_t more = stats.write_limit_blocks - stats.live_blocks - 8;
  const VolumeId other = bench.create("b", more);
  for (uint64_t block = 0; block < more; ++block)
    REQUIRE(bench.write(other, {block, 1}, byte_of(block, 3)).ok());
  for (uint64_t block = 0; block < more; ++block)
    REQUIRE(bench.write(other, {block * 11 % more, 1}, byte_of(block * 11 % more, 2)).ok());
  CHECK(cold.stats().room_blocks < room);
  CHECK(cold.count_wrong(1) == 0);
  CHECK(cold.stats().bad_blocks == 0);
}

}  // namespace varve
