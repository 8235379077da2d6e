// Volumes whose blocks stay on the SSD, or are not worth room there.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/unit/store/store_bench.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr uint32_t kHotSlots = 40;
constexpr uint32_t kColdSlots = 14;
constexpr uint64_t kColdBytes = kColdSegmentBytes * (kColdSlots + 1ull) + 64 * 1024;
constexpr uint64_t kBlocks = 48;

// A store with an HDD.
struct Tiers {
  Tiers() : bench(kHotSlots) {
    REQUIRE(bench.format().ok());
    REQUIRE(bench.open().ok());
    REQUIRE(bench.add_hdd(kColdBytes).ok());
  }
  Result<VolumeInfo> set(VolumeId id, VolumeTier tier) {
    return bench.run(bench.store().set_volume_tier(id, tier));
  }
  // What was written before and may sink sinks.
  void press() {
    const uint64_t count = bench.store().stats().hot_capacity_blocks * 3 / 2;
    const VolumeId filler = bench.create("filler", count);
    for (uint64_t block = 0; block < count; ++block)
      REQUIRE(bench.write(filler, {block, 1}, 0xff).ok());
    bench.settle();
    REQUIRE(bench.remove(filler).ok());
    bench.settle();
  }
  // Blocks that cannot be read without the HDD.
  uint64_t count_cold(VolumeId volume) {
    bench.hdd().set_power(false);
    uint64_t cold = 0;
    for (uint64_t block = 0; block < kBlocks; ++block) cold += bench.read(volume, block) < 0;
    bench.hdd().set_power(true);
    return cold;
  }
  uint64_t count_wrong(VolumeView view, uint64_t count, int fill) {
    uint64_t wrong = 0;
    for (uint64_t block = 0; block < count; ++block) wrong += bench.read(view, block) != fill;
    return wrong;
  }

  StoreBench bench;
};

}  // namespace

TEST_CASE(
    "a volume with tier ssd stays on the SSD, across restarts, and sinks when it is changed") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const VolumeId kept = bench.create("kept", kBlocks);
  const VolumeId other = bench.create("other", kBlocks);
  const Result<VolumeInfo> info = tiers.set(kept, VolumeTier::kSsd);
  REQUIRE(info.ok());
  CHECK(info->tier == VolumeTier::kSsd);
  for (uint64_t block = 0; block < kBlocks; ++block) {
    REQUIRE(bench.write(kept, {block, 1}, 1).ok());
    REQUIRE(bench.write(other, {block, 1}, 2).ok());
  }
  tiers.press();
  CHECK(tiers.count_cold(kept) == 0);
  CHECK(tiers.count_cold(other) > kBlocks / 2);
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(bench.store().find_volume("kept")->tier == VolumeTier::kSsd);
  CHECK(bench.store().find_volume("other")->tier == VolumeTier::kAuto);
  tiers.press();
  CHECK(tiers.count_cold(kept) == 0);
  REQUIRE(tiers.set(kept, VolumeTier::kAuto).ok());
  tiers.press();
  CHECK(tiers.count_cold(kept) > kBlocks / 2);
  CHECK(tiers.count_wrong(kept, kBlocks, 1) == 0);
  CHECK(tiers.count_wrong(other, kBlocks, 2) == 0);
}

TEST_CASE("volumes that stay on the SSD have room there together, or are refused in words") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const uint64_t blocks = bench.store().stats().hot_capacity_blocks;
  const VolumeId large = bench.create("large", blocks);
  const VolumeId half = bench.create("half", blocks / 3);
  const VolumeId more = bench.create("more", blocks / 3);
  const Status refused = tiers.set(large, VolumeTier::kSsd).status();
  CHECK(refused.code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(std::string(refused.message()), ContainsSubstring("the SSD has room for"));
  CHECK(bench.store().find_volume("large")->tier == VolumeTier::kAuto);
  CHECK(tiers.set(half, VolumeTier::kSsd).ok());
  CHECK(tiers.set(half, VolumeTier::kSsd).ok());
  CHECK(tiers.set(more, VolumeTier::kSsd).status().code() == ErrorCode::kInvalidArgument);
  REQUIRE(bench.remove(half).ok());
  CHECK(tiers.set(more, VolumeTier::kSsd).ok());
  CHECK(tiers.set(large, VolumeTier::kHdd).ok());
  CHECK(tiers.set(half, VolumeTier::kHdd).status().code() == ErrorCode::kNotFound);
}

TEST_CASE("a volume is made with its tier, in one step that a crash does not halve") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const uint64_t blocks = bench.store().stats().hot_capacity_blocks;
  const auto create = [&](const char* name, uint64_t count, VolumeTier tier) {
    return bench.run(bench.store().create_volume(name, count * kBlockBytes, {}, tier));
  };
  const auto refused = create("large", blocks, VolumeTier::kSsd);
  CHECK(refused.status().code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(std::string(refused.status().message()), ContainsSubstring("the SSD has room for"));
  CHECK(bench.store().find_volume("large").status().code() == ErrorCode::kNotFound);
  REQUIRE(create("kept", kBlocks, VolumeTier::kSsd).ok());
  const auto archive = create("archive", blocks, VolumeTier::kHdd);
  REQUIRE(archive.ok());
  CHECK(archive->tier == VolumeTier::kHdd);
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(bench.store().find_volume("kept")->tier == VolumeTier::kSsd);
  CHECK(bench.store().find_volume("archive")->tier == VolumeTier::kHdd);
}

TEST_CASE("a volume with tier ssd does not grow beyond the SSD's room, others do") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const uint64_t blocks = bench.store().stats().hot_capacity_blocks;
  const VolumeId kept = bench.create("kept", kBlocks);
  const VolumeId other = bench.create("other", kBlocks);
  REQUIRE(tiers.set(kept, VolumeTier::kSsd).ok());
  const auto resize = [&](VolumeId id, uint64_t count) {
    return bench.run(bench.store().resize_volume(id, count * kBlockBytes));
  };
  const Status refused = resize(kept, blocks).status();
  CHECK(refused.code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(std::string(refused.message()), ContainsSubstring("the SSD has room for"));
  CHECK(bench.store().find_volume("kept")->size_bytes == kBlocks * kBlockBytes);
  CHECK(resize(kept, 2 * kBlocks).ok());
  CHECK(resize(other, blocks).ok());
  REQUIRE(tiers.set(kept, VolumeTier::kAuto).ok());
  CHECK(resize(kept, blocks).ok());
}

TEST_CASE("an HDD beside which the volumes with tier ssd would not stay is refused in words") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId large = bench.create("large", bench.store().stats().hot_capacity_blocks);
  REQUIRE(bench.run(bench.store().set_volume_tier(large, VolumeTier::kSsd)).ok());
  const Status refused = bench.add_hdd(kColdBytes);
  CHECK(refused.code() == ErrorCode::kInvalidArgument);
  CHECK_THAT(std::string(refused.message()), ContainsSubstring("beside this HDD the SSD has room"));
  CHECK(bench.store().check_cold_device(kColdBytes).code() == ErrorCode::kInvalidArgument);
  REQUIRE(bench.run(bench.store().set_volume_tier(large, VolumeTier::kAuto)).ok());
  CHECK(bench.add_hdd(kColdBytes).ok());
}

TEST_CASE("in a cluster an HDD is not refused because of volumes with tier ssd") {
  StoreBench bench(kHotSlots);
  REQUIRE(bench.format(Uuid{std::byte{1}}).ok());
  REQUIRE(bench.open().ok());
  const uint64_t blocks = bench.store().stats().hot_capacity_blocks;
  const VolumeId large = bench.create("large", blocks);
  REQUIRE(bench.run(bench.store().set_volume_tier(large, VolumeTier::kSsd)).ok());
  CHECK(bench.store().check_cold_device(kColdBytes).ok());
  REQUIRE(bench.add_hdd(kColdBytes).ok());
  // Its node sees that it has no room now.
  CHECK(bench.store().volume_tier(large) == VolumeTier::kSsd);
  CHECK(bench.store().check_volume_tier(large, VolumeTier::kSsd).code() ==
        ErrorCode::kInvalidArgument);
  CHECK(bench.store().check_new_tier(kBlockBytes, VolumeTier::kSsd).code() ==
        ErrorCode::kInvalidArgument);
  REQUIRE(bench.run(bench.store().set_volume_tier(large, VolumeTier::kAuto)).ok());
  CHECK(bench.store().check_new_tier(kBlockBytes, VolumeTier::kSsd).ok());
  CHECK(bench.store().check_new_tier(blocks * kBlockBytes, VolumeTier::kSsd).code() ==
        ErrorCode::kInvalidArgument);
  CHECK(bench.store().check_new_tier(blocks * kBlockBytes, VolumeTier::kHdd).ok());
}

TEST_CASE("what a clone still shows of a deleted volume with tier ssd sinks") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const VolumeId kept = bench.create("kept", kBlocks);
  REQUIRE(tiers.set(kept, VolumeTier::kSsd).ok());
  for (uint64_t block = 0; block < kBlocks; ++block) REQUIRE(bench.write(kept, {block, 1}, 1).ok());
  REQUIRE(bench.snapshot({kept}, "s").ok());
  const auto clone =
      bench.run(bench.store().clone_volume(kept, "s", "clone", 0, VolumeTier::kAuto));
  REQUIRE(clone.ok());
  tiers.press();
  CHECK(tiers.count_cold(clone->id) == 0);
  REQUIRE(bench.run(bench.store().delete_snapshot(kept, "s")).ok());
  REQUIRE(bench.remove(kept).ok());
  tiers.press();
  CHECK(tiers.count_cold(clone->id) > kBlocks / 2);
  CHECK(tiers.count_wrong(clone->id, kBlocks, 1) == 0);
}

TEST_CASE("a clone has the tier of its parent unless it is given another") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const uint64_t third = bench.store().stats().hot_capacity_blocks / 3;
  const VolumeId kept = bench.create("kept", third);
  REQUIRE(tiers.set(kept, VolumeTier::kSsd).ok());
  REQUIRE(bench.snapshot({kept}, "s").ok());
  const auto clone = [&](const char* name, std::optional<VolumeTier> tier) {
    return bench.run(bench.store().clone_volume(kept, "s", name, 0, tier));
  };
  CHECK(clone("full", {}).status().code() == ErrorCode::kInvalidArgument);
  CHECK(clone("told", VolumeTier::kHdd)->tier == VolumeTier::kHdd);
  REQUIRE(tiers.set(kept, VolumeTier::kHdd).ok());
  CHECK(clone("heir", {})->tier == VolumeTier::kHdd);
  CHECK(clone("free", VolumeTier::kAuto)->tier == VolumeTier::kAuto);
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(bench.store().find_volume("heir")->tier == VolumeTier::kHdd);
}

TEST_CASE("a tier that a volume has already is not written again") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const VolumeId volume = bench.create("a", kBlocks);
  REQUIRE(tiers.set(volume, VolumeTier::kHdd).ok());
  const uint64_t writes = bench.store().stats().device_write_count;
  CHECK(tiers.set(volume, VolumeTier::kHdd).ok());
  CHECK(bench.store().stats().device_write_count == writes);
  CHECK(tiers.set(volume, VolumeTier::kAuto).ok());
  CHECK(bench.store().stats().device_write_count > writes);
}

TEST_CASE("where too much is to stay on the SSD, it sinks rather than hold writers up") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const uint64_t count = bench.store().stats().hot_capacity_blocks / 3;
  const VolumeId kept = bench.create("kept", count);
  REQUIRE(tiers.set(kept, VolumeTier::kSsd).ok());
  std::vector<SnapshotInfo> cuts;
  for (uint8_t round = 1; round <= 5; ++round) {
    for (uint64_t block = 0; block < count; ++block)
      REQUIRE(bench.write(kept, {block, 1}, round).ok());
    const auto cut = bench.snapshot({kept}, "s" + std::to_string(round));
    REQUIRE(cut.ok());
    cuts.push_back(cut->front());
  }
  bench.settle();
  CHECK(bench.store().stats().demoted_blocks_written > 0);
  for (uint8_t round = 1; round <= 5; ++round)
    CHECK(tiers.count_wrong({kept, cuts[round - 1].generation}, count, round) == 0);
}

TEST_CASE("reads of a volume with tier hdd bring nothing into the read cache") {
  Tiers tiers;
  StoreBench& bench = tiers.bench;
  const VolumeId volume = bench.create("a", kBlocks);
  REQUIRE(bench.write(volume, {0, kBlocks}, 7).ok());
  tiers.press();
  REQUIRE(tiers.set(volume, VolumeTier::kHdd).ok());
  for (int round = 0; round < 4; ++round) {
    CHECK(tiers.count_wrong(volume, kBlocks, 7) == 0);
    bench.settle();
  }
  CHECK(bench.store().stats().read_cache.missed_blocks > kBlocks);
  CHECK(bench.store().stats().read_cache.held_blocks == 0);
  REQUIRE(tiers.set(volume, VolumeTier::kAuto).ok());
  for (int round = 0; round < 4; ++round) {
    CHECK(tiers.count_wrong(volume, kBlocks, 7) == 0);
    bench.settle();
  }
  CHECK(bench.store().stats().read_cache.held_blocks > 0);
}

}  // namespace varve
