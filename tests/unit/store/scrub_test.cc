// What a scrub finds.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/store/store_bench.h"

namespace varve {
namespace {

constexpr uint64_t kFast = 1 << 30;

// The blocks that are filled with 33 and 34.
uint64_t spoil_two_blocks(DiskImage& image) {
  uint64_t count = 0;
  for (size_t at = 0; at + kBlockBytes <= image.size(); at += kBlockBytes) {
    const std::byte fill = image[at];
    if (fill != std::byte{33} && fill != std::byte{34}) continue;
    if (std::any_of(&image[at], &image[at] + kBlockBytes, [&](std::byte b) { return b != fill; }))
      continue;
    image[at + 100] ^= std::byte{1};
    ++count;
  }
  return count;
}

uint64_t spoil_nothing(DiskImage&) {
  return 0;
}

Task<bool> note(std::vector<BadBlock>* found, BadBlock bad) {
  found->push_back(bad);
  co_return true;
}

// Mends what it is told of the third time.
Task<bool> mend_late(StoreBench* bench, uint32_t* calls, BadBlock bad) {
  if (++*calls < 3) co_return false;
  AlignedBuffer data(kBlockBytes);
  std::memset(data.data(), static_cast<int>(bad.block), data.size());
  const Status status = co_await bench->store().heal(bad, data.data());
  co_return status.ok();
}

// Reopened after `change`, and scrubbed once.
ScrubStats scrub_after(StoreBench& bench, StoreBench::Change change,
                       std::vector<BadBlock>* found = nullptr) {
  bench.close();
  bench.spoil_ssd(change);
  REQUIRE(bench.open().ok());
  if (found != nullptr)
    bench.store().set_healer([found](BadBlock bad) { return note(found, bad); });
  bench.store().scrub_now(kFast);
  bench.settle();
  return bench.store().stats().scrub;
}

}  // namespace

TEST_CASE("a scrub reads every live block once, those of snapshots too, and finds good ones good") {
  StoreBench bench(24);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId volume = bench.create("a", 64);
  for (uint64_t block = 0; block < 64; ++block) REQUIRE(bench.write(volume, {block, 1}, 1).ok());
  REQUIRE(bench.snapshot({volume}, "then").ok());
  for (uint64_t block = 0; block < 32; ++block) REQUIRE(bench.write(volume, {block, 1}, 2).ok());
  const ScrubStats stats = scrub_after(bench, spoil_nothing);
  CHECK(stats.passes_done == 1);
  CHECK(stats.slots_left == 0);
  CHECK(stats.bad_blocks == 0);
  CHECK(stats.checked_blocks == 64 + 32);
}

TEST_CASE("a scrub finds each flipped bit, reads answer that it is damaged, and it can be mended") {
  StoreBench bench(24);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId volume = bench.create("a", 64);
  for (uint64_t block = 0; block < 64; ++block)
    REQUIRE(bench.write(volume, {block, 1}, static_cast<uint8_t>(block)).ok());
  std::vector<BadBlock> found;
  ScrubStats stats = scrub_after(bench, spoil_two_blocks, &found);
  CHECK(stats.bad_blocks == 2);
  CHECK(bench.store().stats().damaged_blocks == 2);
  REQUIRE(found.size() == 2);
  if (found[0].block > found[1].block) std::swap(found[0], found[1]);
  for (uint64_t block = 0; block < 64; ++block) {
    const bool bad = block == 33 || block == 34;
    CHECK(bench.read(volume, block) == (bad ? -1 : static_cast<int>(block)));
  }
  // Those that nobody mended are told again; they are not new.
  bench.store().scrub_now(kFast);
  bench.settle();
  CHECK(bench.store().stats().scrub.passes_done == 2);
  CHECK(bench.store().stats().scrub.bad_blocks == 2);
  REQUIRE(found.size() == 4);

  AlignedBuffer data(kBlockBytes);
  std::memset(data.data(), 33, data.size());
  CHECK(bench.run(bench.store().heal(found[1], data.data())).code() == ErrorCode::kInvalidArgument);
  REQUIRE(found[0].block == 33);
  CHECK(bench.run(bench.store().heal(found[0], data.data())).ok());
  CHECK(bench.run(bench.store().heal(found[0], data.data())).code() == ErrorCode::kNotFound);
  REQUIRE(bench.write(volume, {34, 1}, 7).ok());
  std::memset(data.data(), 34, data.size());
  CHECK(bench.run(bench.store().heal(found[1], data.data())).code() == ErrorCode::kNotFound);
  CHECK(bench.store().stats().damaged_blocks == 0);
  CHECK(bench.store().stats().repaired_blocks == 1);
  bench.close();
  REQUIRE(bench.open().ok());
  CHECK(bench.read(volume, 33) == 33);
  CHECK(bench.read(volume, 34) == 7);
}

TEST_CASE("a healer that has no copy yet is asked again") {
  StoreBench bench(24);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId volume = bench.create("a", 64);
  for (uint64_t block = 0; block < 64; ++block)
    REQUIRE(bench.write(volume, {block, 1}, static_cast<uint8_t>(block)).ok());
  CHECK(scrub_after(bench, spoil_two_blocks).bad_blocks == 2);
  uint32_t calls = 0;
  // Only now: what was found before is kept.
  bench.store().set_healer(
      [&bench, &calls](BadBlock bad) { return mend_late(&bench, &calls, bad); });
  bench.settle();
  CHECK(bench.store().stats().damaged_blocks == 0);
  CHECK(bench.read(volume, 33) == 33);
  CHECK(bench.read(volume, 34) == 34);
}

TEST_CASE("a scrub keeps to its rate, and ends with the store") {
  StoreBench bench(64);  // nothing is cleaned meanwhile
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId volume = bench.create("a", 128);
  for (uint64_t block = 0; block < 128; ++block) REQUIRE(bench.write(volume, {block, 1}, 1).ok());
  bench.close();
  REQUIRE(bench.open().ok());
  const uint64_t begin_ns = bench.now_ns();
  bench.store().scrub_now(kBlockBytes * 64);
  bench.settle();
  CHECK(bench.store().stats().scrub.checked_blocks == 128);
  CHECK(bench.now_ns() - begin_ns >= 2'000'000'000u);
  CHECK(bench.now_ns() - begin_ns < 2'500'000'000u);
  bench.store().scrub_now(1);
  bench.close();
}

TEST_CASE("passes follow each other, one in each interval") {
  StoreBench bench(24);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId volume = bench.create("a", 64);
  for (uint64_t block = 0; block < 64; ++block) REQUIRE(bench.write(volume, {block, 1}, 1).ok());
  bench.store().scrub_every(3600);
  bench.wait_ns(3 * 3600'000'000'000u + 60'000'000'000u);
  CHECK(bench.store().stats().scrub.passes_done == 4);
  bench.store().scrub_every(0);
  bench.settle();
  CHECK(bench.store().stats().scrub.passes_done == 4);
}

TEST_CASE("a scrub finds what is bad on an HDD, and an index that is bad, and has that mended") {
  StoreBench bench(24);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  REQUIRE(bench.add_hdd(kColdSegmentBytes * 9ull + 64 * 1024).ok());
  const uint64_t count = bench.store().stats().write_limit_blocks - 8;
  const VolumeId volume = bench.create("a", count);
  for (uint64_t block = 0; block < count; ++block) REQUIRE(bench.write(volume, {block, 1}, 1).ok());
  REQUIRE(bench.store().stats().demoted_blocks_written > 0);
  bench.settle();
  bench.spoil_hdd([](DiskImage& image) {
    image[kColdSegmentBytes + 5 * kBlockBytes] ^= std::byte{1};
    return uint64_t{1};
  });
  CHECK(bench.spoil_ssd(spoil_indexes) > 0);
  bench.store().scrub_now(kFast);
  bench.settle();
  CHECK(bench.store().stats().scrub.bad_blocks == 1);
  CHECK(bench.store().stats().damaged_blocks == 1);  // the indexes are good again
}

}  // namespace varve
