// A store with an HDD.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>

#include "tests/unit/store/store_bench.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr uint32_t kHotSlots = 24;
constexpr uint32_t kColdSlots = 8;
constexpr uint64_t kColdBytes = kColdSegmentBytes * (kColdSlots + 1ull) + 64 * 1024;

// The blocks 0 to count - 1, each filled with its number and `salt`.
void fill(StoreBench& bench, VolumeId volume, uint64_t count, uint8_t salt) {
  for (uint64_t block = 0; block < count; ++block)
    REQUIRE(bench.write(volume, {block, 1}, static_cast<uint8_t>(block ^ salt)).ok());
}

uint64_t count_wrong(StoreBench& bench, VolumeView view, uint64_t count, uint8_t salt) {
  uint64_t wrong = 0;
  for (uint64_t block = 0; block < count; ++block)
    wrong += bench.read(view, block) != static_cast<uint8_t>(block ^ salt);
  return wrong;
}

// Of the first slot of the HDD.
uint64_t spoil_sixth_block(DiskImage& image) {
  image[kColdSegmentBytes + 5 * kBlockBytes] ^= std::byte{1};
  return 1;
}

}  // namespace

TEST_CASE("what does not fit on the SSD sinks to the HDD and is read from there") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const uint64_t hot_blocks = bench.store().stats().capacity_blocks;
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  CHECK(bench.store().stats().capacity_blocks > hot_blocks + 5 * 64 * 9 / 10);
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  const VolumeId volume = bench.create("a", count);
  fill(bench, volume, count, 0x55);
  CHECK(bench.store().stats().hot_live_blocks < hot_blocks);
  CHECK(bench.store().stats().demoted_blocks_written >= count - hot_blocks);
  CHECK(count_wrong(bench, volume, count, 0x55) == 0);
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(count_wrong(bench, volume, count, 0x55) == 0);
  fill(bench, volume, count, 0xaa);  // lands on the SSD, and sinks in its turn
  CHECK(count_wrong(bench, volume, count, 0xaa) == 0);
  CHECK(bench.store().stats().live_blocks == count);
}

TEST_CASE("a snapshot keeps what has sunk, and a trim returns the space of both tiers") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks / 3;
  const VolumeId volume = bench.create("a", count);
  fill(bench, volume, count, 1);
  const auto cuts = bench.snapshot({volume}, "then");
  REQUIRE(cuts.ok());
  const SnapshotInfo& cut = cuts->front();
  fill(bench, volume, count, 2);
  CHECK(count_wrong(bench, {volume, cut.generation}, count, 1) == 0);
  CHECK(count_wrong(bench, volume, count, 2) == 0);
  REQUIRE(bench.trim(volume, {0, count}).ok());
  CHECK(count_wrong(bench, {volume, cut.generation}, count, 1) == 0);
  REQUIRE(bench.drop(volume, "then").ok());
  bench.settle();
  const StoreStats stats = bench.store().stats();
  CHECK(stats.live_blocks == 0);
  CHECK(stats.free_cold_slot_count == stats.cold_slot_count);
}

TEST_CASE("a store is closed while slots of its HDD are being emptied") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  const VolumeId volume = bench.create("a", count);
  fill(bench, volume, count, 0x55);
  bench.settle();
  REQUIRE(bench.remove(volume).ok());
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(bench.store().stats().live_blocks == 0);
}

TEST_CASE("a block that is damaged on the HDD answers so, and no other does") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  const VolumeId volume = bench.create("a", count);
  fill(bench, volume, count, 0x55);
  bench.close();
  bench.spoil_hdd(spoil_sixth_block);
  REQUIRE(bench.open().ok());
  CHECK(count_wrong(bench, volume, count, 0x55) == 1);
  CHECK(bench.store().stats().damaged_blocks == 1);
}

TEST_CASE("an index that is damaged on the SSD is known from the HDD, and is mended") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  const VolumeId volume = bench.create("a", count);
  fill(bench, volume, count, 0x55);
  bench.close();
  CHECK(bench.spoil_ssd(spoil_indexes) > 0);
  REQUIRE(bench.open().ok());
  CHECK(count_wrong(bench, volume, count, 0x55) == 0);
  fill(bench, volume, count / 4, 0xaa);  // what is packed meanwhile reads indexes, too
  bench.settle();
  CHECK(count_wrong(bench, volume, count / 4, 0xaa) == 0);
  bench.close();
  // Mended: the copies are not needed any more.
  CHECK(bench.spoil_hdd(spoil_indexes) > 0);
  REQUIRE(bench.open().ok());
  CHECK(bench.store().stats().damaged_blocks == 0);
  CHECK(count_wrong(bench, volume, count / 4, 0xaa) == 0);
}

TEST_CASE("an index that is damaged in both places keeps the disk group closed, in words") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  fill(bench, bench.create("a", count), count, 0x55);
  bench.close();
  CHECK(bench.spoil_ssd(spoil_indexes) > 0);
  CHECK(bench.spoil_hdd(spoil_indexes) > 0);
  const Status opened = bench.open();
  CHECK(opened.code() == ErrorCode::kDamaged);
  CHECK_THAT(std::string(opened.message()), ContainsSubstring("the index of the HDDs' slot"));
}

TEST_CASE("a damaged block does not keep its HDD slot from becoming empty") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  const VolumeId volume = bench.create("a", count);
  fill(bench, volume, count, 0x55);
  bench.close();
  bench.spoil_hdd(spoil_sixth_block);
  REQUIRE(bench.open().ok());
  uint64_t bad = 0;
  while (bad < count && bench.read(volume, bad) >= 0) ++bad;
  REQUIRE(bad < count);
  // All but a few are written again and again: what the HDD held is packed.
  for (uint8_t round = 0; round < 6; ++round)
    for (uint64_t block = 0; block < count; ++block)
      if (block % 16 != bad % 16)
        REQUIRE(bench.write(volume, {block, 1}, static_cast<uint8_t>(block ^ round)).ok());
  bench.settle();
  CHECK(bench.store().stats().packed_blocks_written > 0);
  uint64_t lost = 0;
  for (uint64_t block = bad % 16; block < count; block += 16)
    lost += bench.read(volume, block) != static_cast<uint8_t>(block ^ 0x55);
  CHECK(lost == 1);
  bench.close();
  bench.spoil_hdd(spoil_sixth_block);  // good again, if anybody still looked there
  REQUIRE(bench.open().ok());
  CHECK(bench.store().stats().damaged_blocks == 1);
}

TEST_CASE(
    "without its HDD, or with another one, a disk group is not opened, and nothing is written") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  bench.close();
  const Status missing = bench.open_without_hdd();
  CHECK(missing.code() == ErrorCode::kNotFound);
  CHECK_THAT(std::string(missing.message()), ContainsSubstring("HDD 1"));
  const Status swapped = bench.open_hdd_as_ssd();
  CHECK(swapped.code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(std::string(swapped.message()), ContainsSubstring("is an HDD of a disk group"));
  REQUIRE(bench.open().ok());
}

TEST_CASE("a block that the HDD cannot read is an error of that block alone") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  const VolumeId volume = bench.create("a", count);
  fill(bench, volume, count, 0x55);
  bench.settle();
  bench.hdd().make_unreadable(kColdSegmentBytes + 5 * kBlockBytes);
  CHECK(count_wrong(bench, volume, count, 0x55) == 1);
  CHECK_FALSE(bench.store().stats().failed);
  CHECK(bench.write(volume, {0, 1}, 0x11).ok());
}

TEST_CASE("the devices of a disk group add up to the whole") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.store().devices().size() == 1);
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  const VolumeId volume = bench.create("a", count);
  fill(bench, volume, count, 0x55);
  bench.settle();
  const StoreStats stats = bench.store().stats();
  const std::vector<DeviceStats> devices = bench.store().devices();
  REQUIRE(devices.size() == 2);
  CHECK(devices[0].device == &bench.device());
  CHECK(devices[1].device == &bench.hdd());
  CHECK_FALSE(devices[0].cold);
  CHECK(devices[1].cold);
  CHECK(devices[0].id == bench.store().disk());
  CHECK(devices[0].capacity_blocks + devices[1].capacity_blocks == stats.capacity_blocks);
  CHECK(devices[0].live_blocks + devices[1].live_blocks == stats.live_blocks);
  CHECK(devices[1].live_blocks > 0);
  CHECK(devices[1].slot_count == kColdSlots);
  CHECK(devices[1].free_slot_count < kColdSlots);
}

TEST_CASE("an HDD that fails a write leaves the disk group to read everything, and is named") {
  // The first three are its superblocks; a slot takes one, and its cache is flushed after it.
  for (const uint64_t number : {4, 5, 7}) {
    INFO("write " << number);
    StoreBench bench(kHotSlots);
    REQUIRE(bench.format().ok());
    REQUIRE(bench.open().ok());
    REQUIRE(bench.add_hdd(kColdBytes, {.fail_write = number}).ok());
    const uint64_t count = bench.store().stats().write_limit_blocks - 8;
    const VolumeId volume = bench.create("a", count);
    uint64_t written = 0;
    while (written < count && bench.write(volume, {written, 1}, static_cast<uint8_t>(written)).ok())
      ++written;
    CHECK(written > 0);
    CHECK(written < count);
    bench.settle();
    CHECK(bench.store().stats().failed);
    const std::vector<DeviceStats> devices = bench.store().devices();
    CHECK_FALSE(devices[0].failed);
    CHECK(devices[1].failed);
    CHECK(bench.write(volume, {0, 1}, 1).code() == ErrorCode::kIoError);
    CHECK(bench.trim(volume, {0, 1}).code() == ErrorCode::kIoError);
    CHECK(count_wrong(bench, volume, written, 0) == 0);
    bench.close_failed();
    REQUIRE(bench.open().ok());  // the HDD writes again
    CHECK_FALSE(bench.store().stats().failed);
    CHECK(count_wrong(bench, volume, written, 0) == 0);
    fill(bench, volume, count, 0);
    CHECK(count_wrong(bench, volume, count, 0) == 0);
  }
}

TEST_CASE("an SSD that fails a write is not taken for its HDD") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  const VolumeId volume = bench.create("a", 8);
  bench.device().set_power(false);
  CHECK(bench.write(volume, {0, 1}, 1).code() == ErrorCode::kIoError);
  const std::vector<DeviceStats> devices = bench.store().devices();
  CHECK(devices[0].failed);
  CHECK_FALSE(devices[1].failed);
  bench.close_failed();
}

TEST_CASE("an HDD that is too small, or too large for the SSD, is refused, and is not touched") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const Status small = bench.add_hdd(kColdSegmentBytes * 3);
  CHECK(small.code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(std::string(small.message()), ContainsSubstring("at least"));
  CHECK(bench.store().check_cold_device(kColdSegmentBytes * 3).message() == small.message());
  CHECK(bench.store().check_cold_device(kColdBytes).ok());
  const Status large = bench.add_hdd(kColdSegmentBytes * 100ull);
  CHECK(large.code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(std::string(large.message()), ContainsSubstring("of the SSD"));
  CHECK(bench.hdd_writes() == 0);
}

}  // namespace varve
