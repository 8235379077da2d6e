#include "core/log/space_pacer.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "core/runtime/timer_queue.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1000 * kMillisecond;
constexpr RoomRange kRange{.low = 10'000, .high = 20'000};

struct FixedClock final : Clock {
  uint64_t monotonic_ns() const override { return now_ns; }
  uint64_t wall_seconds() const override { return 0; }
  uint64_t now_ns = kSecond;
};

// Users who always have a batch of 32 blocks, and somebody who reclaims evenly.
struct Bench {
  // Blocks written in each tenth of a second.
  std::vector<uint64_t> write(uint32_t tenths) {
    std::vector<uint64_t> counts;
    for (uint32_t i = 0; i < tenths; ++i) {
      uint64_t count = 0;
      for (const uint64_t end_ns = clock.now_ns + kSecond / 10; clock.now_ns < end_ns;) {
        const uint64_t wait_ns = pacer.wait_ns(static_cast<int64_t>(room), kRange);
        if (wait_ns == 0) {
          pacer.took(32);
          room -= 32;
          count += 32;
        }
        pass(std::max<uint64_t>(wait_ns, device_ns));
      }
      counts.push_back(count);
    }
    return counts;
  }
  void pass(uint64_t ns) {
    clock.now_ns += ns;
    room += reclaimed_per_second * static_cast<double>(ns) / kSecond;
  }

  FixedClock clock;
  SpacePacer pacer{clock};
  double room = 20'000;
  double reclaimed_per_second = 5'000;
  uint64_t device_ns = 500'000;  // 64,000 blocks a second
};

}  // namespace

TEST_CASE("while nobody reclaims space, and while there is enough of it, nobody waits") {
  Bench bench;
  CHECK(bench.write(5) == std::vector<uint64_t>(5, 6400));
  bench.pacer.set_reclaiming(Reclaimer::kTier, true);
  bench.room = 1'000'000;
  CHECK(bench.write(5) == std::vector<uint64_t>(5, 6400));
  bench.pacer.set_reclaiming(Reclaimer::kTier, false);
  bench.room = 0;
  CHECK(bench.write(5) == std::vector<uint64_t>(5, 6400));
}

TEST_CASE(
    "who wants more than is reclaimed becomes slower by and by, down to that, and never stops") {
  Bench bench;
  bench.pacer.set_reclaiming(Reclaimer::kTier, true);
  const std::vector<uint64_t> counts = bench.write(100);
  for (size_t i = 1; i < counts.size(); ++i) {
    CHECK(counts[i] > 0);
    // 7,000 fewer a second, at most, in a tenth of one.
    CHECK(counts[i] + 5'000 >= counts[i - 1]);
  }
  for (size_t i = 60; i < counts.size(); ++i) {
    CHECK(counts[i] >= 450);
    CHECK(counts[i] <= 550);
  }
  CHECK(bench.room > 9'000);
  CHECK(bench.room < 11'000);
}

TEST_CASE(
    "with less room than is kept, users leave most of what is reclaimed until there is enough") {
  Bench bench;
  bench.pacer.set_reclaiming(Reclaimer::kTier, true);
  bench.write(50);
  bench.room = 2'000;
  const std::vector<uint64_t> counts = bench.write(10);
  CHECK(counts.back() > 0);
  CHECK(counts.back() < 250);
  bench.write(90);
  CHECK(bench.room > 9'000);
}

TEST_CASE("when nothing is reclaimed after all, a few may still write: trims make room") {
  Bench bench;
  bench.pacer.set_reclaiming(Reclaimer::kTier, true);
  bench.write(50);
  bench.reclaimed_per_second = 0;
  bench.room = 0;
  bench.write(100);
  uint64_t count = 0;
  for (const uint64_t tenth : bench.write(50)) count += tenth;
  CHECK(count >= 400);
  CHECK(count <= 600);
}

TEST_CASE("what was written while nobody reclaimed is not held against who writes later") {
  Bench bench;
  bench.pacer.set_reclaiming(Reclaimer::kTier, true);
  bench.write(100);
  bench.pacer.set_reclaiming(Reclaimer::kTier, false);
  // Nobody asks then.
  for (int i = 0; i < 100'000; ++i) bench.pacer.took(32);
  bench.clock.now_ns += 10 * kSecond;
  bench.pacer.set_reclaiming(Reclaimer::kTier, true);
  const std::vector<uint64_t> counts = bench.write(3);
  for (const uint64_t count : counts) CHECK(count >= 400);
}

TEST_CASE("a pause saves up next to nothing") {
  Bench bench;
  bench.pacer.set_reclaiming(Reclaimer::kTier, true);
  bench.write(100);
  bench.clock.now_ns += 10 * kSecond;  // room stays
  CHECK(bench.write(1).front() < 700);
}

TEST_CASE("who reclaims rests the longer the more room there is, and not when it is short") {
  constexpr uint64_t kWork = 4 * kMillisecond;
  CHECK(SpacePacer::rest_ns(kWork, 9'000, kRange) == 0);
  CHECK(SpacePacer::rest_ns(kWork, 10'000, kRange) == 0);
  CHECK(SpacePacer::rest_ns(kWork, 15'000, kRange) == kWork);
  CHECK(SpacePacer::rest_ns(kWork, 30'000, kRange) == 9 * kWork);
  CHECK(SpacePacer::rest_ns(kSecond, 30'000, kRange) == 100 * kMillisecond);
}

}  // namespace varve
