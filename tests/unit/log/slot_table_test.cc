#include "core/log/slot_table.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

namespace varve {
namespace {

// A table whose slots are all free.
struct Bench {
  explicit Bench(uint32_t count) : slots(count, ready) {
    for (uint32_t i = 0; i < count; ++i) slots.release(i);
  }
  RunQueue ready;
  SlotTable slots;
};

}  // namespace

TEST_CASE("slots are handed out in the order in which they became free, each under a new number") {
  Bench bench(3);
  const uint32_t first = *bench.slots.acquire(StreamKind::kUser);
  const uint32_t generation = bench.slots.at(first).generation;
  CHECK(first == 0);
  CHECK(*bench.slots.acquire(StreamKind::kUser) == 1);
  bench.slots.set_sealed(0);  // nothing in it: free at once, behind slot 2
  CHECK(*bench.slots.acquire(StreamKind::kUser) == 2);
  CHECK(*bench.slots.acquire(StreamKind::kUser) == 0);
  CHECK(bench.slots.at(0).generation > generation);
  CHECK_FALSE(bench.slots.acquire(StreamKind::kUser));
}

TEST_CASE("a sealed slot becomes free with the death of the last that is live in it") {
  Bench bench(1);
  bench.slots.acquire(StreamKind::kUser);
  bench.slots.add_live(0, 2, 1);
  bench.slots.drop_live(0, 1, 0);
  bench.slots.set_sealed(0);
  bench.slots.drop_live(0, 1, 0);
  CHECK(bench.slots.free_count() == 0);
  bench.slots.drop_live(0, 0, 1);
  CHECK(bench.slots.free_count() == 1);
}

TEST_CASE("a slot that is read from is not handed out") {
  Bench bench(2);
  bench.slots.pin(0);
  CHECK(*bench.slots.acquire(StreamKind::kUser) == 1);
  CHECK_FALSE(bench.slots.acquire(StreamKind::kUser));
  bench.slots.unpin(0);
  CHECK(*bench.slots.acquire(StreamKind::kUser) == 0);
}

TEST_CASE("what lies in a freed slot is remembered until the slot is written again") {
  Bench bench(2);
  bench.slots.acquire(StreamKind::kUser);
  bench.slots.at(0).data_sequences.volumes = 17;
  bench.slots.set_sealed(0);
  CHECK(bench.slots.data_sequences(1).volumes == 17);
  CHECK(bench.slots.data_sequences(0).volumes == kNoSequence);
}

TEST_CASE("a stream gets a slot that was lent, though somebody always reads from it") {
  Bench bench(2);
  std::vector<uint32_t> taken;
  bench.slots.set_lent_taken([&](uint32_t slot) { taken.push_back(slot); });
  const uint32_t lent = *bench.slots.lend(2);
  bench.slots.pin(lent);
  CHECK(*bench.slots.acquire(StreamKind::kUser) == 1 - lent);
  CHECK_FALSE(bench.slots.acquire(StreamKind::kUser));
  CHECK(taken == std::vector{lent});
  CHECK_FALSE(bench.slots.at(lent).lent);
  CHECK(bench.slots.lent_count() == 0);
  bench.slots.unpin(lent);
  CHECK(*bench.slots.acquire(StreamKind::kUser) == lent);
}

TEST_CASE("what was reclaimed of a slot counts until the slot is free, and no longer") {
  Bench bench(2);
  bench.slots.acquire(StreamKind::kUser);
  bench.slots.acquire(StreamKind::kUser);
  for (uint32_t slot = 0; slot < 2; ++slot) {
    bench.slots.add_live(slot, 1, 0);
    bench.slots.set_sealed(slot);
    bench.slots.set_reclaimed(slot, 10);
  }
  bench.slots.set_reclaimed(0, 25);
  CHECK(bench.slots.reclaimed_blocks() == 35);
  bench.slots.drop_live(0, 1, 0);
  CHECK(bench.slots.reclaimed_blocks() == 10);
  bench.slots.set_reclaimed(0, 30);  // it is free already
  CHECK(bench.slots.reclaimed_blocks() == 10);
  bench.slots.set_reclaimed(1, 0);
  CHECK(bench.slots.reclaimed_blocks() == 0);
}

}  // namespace varve
