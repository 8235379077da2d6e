#include "core/cleaning/victim_policy.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {
namespace {

struct Bench {
  explicit Bench(uint32_t count) : slots(count, ready) {}
  void seal(uint32_t slot, uint32_t live_blocks, uint32_t generation) {
    slots.at(slot).state = SlotState::kSealed;
    slots.at(slot).live_blocks = live_blocks;
    slots.at(slot).generation = generation;
  }
  RunQueue ready;
  SlotTable slots;
};

constexpr VictimQuery kCalm{.dense_blocks = 100, .now = 1000};
constexpr VictimQuery kUrgent{.dense_blocks = 100, .now = 1000, .urgent = true};
constexpr VictimQuery kShort{
    .dense_blocks = 100, .now = 1000, .urgent = true, .short_of_reserve = true};

}  // namespace

TEST_CASE("an old segment is worth cleaning at a higher share of live blocks than a young one") {
  Bench bench(2);
  bench.seal(0, 60, 100);
  bench.seal(1, 40, 980);
  CHECK(choose_victim(bench.slots, kCalm) == 0);
  CHECK(choose_victim(bench.slots, kUrgent) == 0);
  CHECK(choose_victim(bench.slots, kShort) == 1);
}

TEST_CASE("only sealed, readable segments that win space are victims") {
  Bench bench(4);
  bench.seal(0, 100, 1);
  bench.seal(1, 10, 1);
  bench.slots.at(1).uncleanable = true;
  bench.slots.at(2).state = SlotState::kSealing;
  CHECK_FALSE(choose_victim(bench.slots, kUrgent));
  bench.seal(3, 99, 1);
  CHECK(choose_victim(bench.slots, kUrgent) == 3);
  CHECK_FALSE(choose_victim(bench.slots, kCalm));
}

TEST_CASE("trim marks count as the room that they take when they are moved") {
  Bench bench(1);
  bench.seal(0, 98, 1);
  bench.slots.at(0).live_marks = 65;
  CHECK(bench.slots.at(0).moved_blocks() == 100);
  CHECK_FALSE(choose_victim(bench.slots, kUrgent));
}

}  // namespace varve
