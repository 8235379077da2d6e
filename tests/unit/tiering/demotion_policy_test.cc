#include "core/tiering/demotion_policy.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {
namespace {

// Slots of an SSD, and behind them those of an HDD.
struct Bench {
  explicit Bench(uint32_t hot_count, uint32_t cold_count = 0) : slots(hot_count, ready) {
    slots.add_cold(cold_count);
  }
  Slot& seal(uint32_t slot, uint32_t live_blocks, uint32_t generation, uint8_t moves = 0) {
    slots.at(slot).state = SlotState::kSealed;
    slots.at(slot).live_blocks = live_blocks;
    slots.at(slot).generation = generation;
    slots.at(slot).moves = moves;
    return slots.at(slot);
  }
  std::vector<uint32_t> sinking(uint32_t wanted_blocks, bool urgent = false) const {
    return choose_sinking(slots,
                          {.dense_blocks = 100, .wanted_blocks = wanted_blocks, .urgent = urgent});
  }
  RunQueue ready;
  SlotTable slots;
};

using Slots = std::vector<uint32_t>;

}  // namespace

TEST_CASE("what was moved most often sinks first, then what was written longest ago") {
  Bench bench(4);
  bench.seal(0, 90, 7);
  bench.seal(1, 90, 5);
  bench.seal(2, 90, 9, 1);
  bench.seal(3, 90, 8, 3);
  CHECK(bench.sinking(1000) == Slots{3, 2, 1, 0});
  CHECK(bench.sinking(91) == Slots{3, 2});
}

TEST_CASE("what is being read sinks last, however much it was read") {
  Bench bench(3);
  bench.seal(0, 80, 1, 3).heat = UINT32_MAX;
  bench.seal(1, 80, 2).heat = 10;
  bench.seal(2, 80, 3).heat = 11;
  CHECK(bench.sinking(1000) == Slots{1, 0, 2});
}

TEST_CASE("half dead slots are left to the cleaner, unless a writer waits") {
  Bench bench(2);
  bench.seal(0, 49, 1);
  bench.seal(1, 50, 2);
  CHECK(bench.sinking(1000) == Slots{1});
  CHECK(bench.sinking(1000, true) == Slots{0, 1});
}

TEST_CASE("only sealed, readable slots of the SSD sink, and none twice in vain") {
  Bench bench(4, 1);
  bench.seal(0, 90, 1).uncleanable = true;
  bench.seal(1, 90, 2).barren = true;
  bench.seal(2, 90, 3).state = SlotState::kOpen;
  bench.seal(3, 0, 4);
  bench.seal(4, 90, 5);
  CHECK(bench.sinking(1000, true).empty());
}

TEST_CASE("slots of an HDD are packed emptiest first, two at least, none that is almost full") {
  Bench bench(1, 4);
  bench.seal(0, 10, 1);
  bench.seal(1, 91, 1);
  bench.seal(2, 60, 1);
  CHECK(choose_packing(bench.slots, 100).empty());
  bench.seal(3, 20, 1);
  CHECK(choose_packing(bench.slots, 100) == Slots{3, 2});
  bench.seal(4, 85, 1);
  CHECK(choose_packing(bench.slots, 100) == Slots{3, 2, 4});
  bench.seal(2, 80, 1);
  CHECK(choose_packing(bench.slots, 100) == Slots{3, 2});
}

}  // namespace varve
