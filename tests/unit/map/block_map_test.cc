#include "core/map/block_map.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {
namespace {

constexpr VolumeId kVolume{1};

struct Bench {
  Bench() : slots(4, ready), map(slots) {
    for (uint32_t i = 0; i < 4; ++i) {
      slots.at(i).state = SlotState::kOpen;
      slots.at(i).stream = StreamKind::kUser;
      slots.at(i).generation = i + 1;
    }
    map.add_volume(kVolume, 1000, {});
  }
  static Entry entry(Sequence sequence, uint16_t block, uint16_t count, uint16_t position,
                     EntryOp op = EntryOp::kData) {
    return {.sequence = sequence,
            .volume = 1,
            .offset = block,
            .count = count,
            .position = position,
            .op = op};
  }
  static Entry of_generation(Generation generation, Entry entry) {
    entry.generation = generation;
    return entry;
  }
  void apply(const Entry& what, uint32_t slot) { map.apply(what, slot, crcs); }
  BlockState get(uint64_t block) { return map.find(kVolume)->get(block); }

  RunQueue ready;
  SlotTable slots;
  BlockMap map;
  uint32_t crcs[8] = {1, 2, 3, 4, 5, 6, 7, 8};
};

}  // namespace

TEST_CASE("the higher sequence number wins, in whatever order entries arrive") {
  Bench bench;
  bench.apply(Bench::entry(9, 10, 2, 5), 1);
  bench.apply(Bench::entry(3, 10, 4, 1), 0);
  CHECK(bench.get(10).slot == 1);
  CHECK(bench.get(11).position == 6);
  CHECK(bench.get(12).slot == 0);
  CHECK(bench.get(13).crc == 4);
  CHECK(bench.slots.at(0).live_blocks == 2);
  CHECK(bench.slots.at(1).live_blocks == 2);
  CHECK(bench.map.live_blocks() == 4);
}

TEST_CASE("of one write in two places the moved copy counts, though its segment may be older") {
  Bench bench;
  bench.slots.at(0).stream = StreamKind::kRelocated;  // generation 1, against 3
  for (const bool copy_first : {true, false}) {
    const auto block = static_cast<uint16_t>(copy_first ? 20 : 30);
    bench.apply(Bench::entry(5, block, 1, 7), copy_first ? 0 : 2);
    bench.apply(Bench::entry(5, block, 1, 7), copy_first ? 2 : 0);
    CHECK(bench.get(block).slot == 0);
  }
}

TEST_CASE("of one write in relocated segments the one counts whose blocks were moved more often") {
  Bench bench;
  for (uint32_t slot = 0; slot < 3; ++slot) bench.slots.at(slot).stream = StreamKind::kRelocated;
  bench.slots.at(0).moves = 2;  // and the oldest
  bench.slots.at(1).moves = 1;
  bench.slots.at(2).moves = 1;
  for (const bool copy_first : {true, false}) {
    const auto block = static_cast<uint16_t>(copy_first ? 20 : 30);
    bench.apply(Bench::entry(5, block, 1, 7), copy_first ? 0 : 2);
    bench.apply(Bench::entry(5, block, 1, 7), copy_first ? 2 : 0);
    CHECK(bench.get(block).slot == 0);
    bench.apply(Bench::entry(6, block, 1, 7), copy_first ? 1 : 2);
    bench.apply(Bench::entry(6, block, 1, 7), copy_first ? 2 : 1);
    CHECK(bench.get(block).slot == 2);  // of as many moves, the later
  }
}

TEST_CASE("relocation moves a block only if the map still points at where it was") {
  Bench bench;
  bench.apply(Bench::entry(5, 10, 3, 1), 0);
  bench.apply(Bench::entry(6, 11, 1, 1), 1);  // overwritten meanwhile
  Append moved;
  moved.entry = Bench::entry(5, 10, 3, 8);
  moved.from_slot = 0;
  moved.from_position = 1;
  moved.slot = 2;
  moved.crcs = bench.crcs;
  bench.map.relocate(moved);
  CHECK(bench.get(10).slot == 2);
  CHECK(bench.get(11).slot == 1);
  CHECK(bench.get(12).position == 10);
  CHECK(bench.slots.at(0).live_blocks == 0);
}

TEST_CASE("a trim leaves a mark that lives in its segment until it may be forgotten") {
  Bench bench;
  bench.apply(Bench::entry(5, 10, 2, 1), 0);
  bench.apply(Bench::entry(6, 10, 2, 0, EntryOp::kZero), 1);
  CHECK(bench.slots.at(0).live_blocks == 0);
  CHECK(bench.slots.at(1).live_marks == 2);
  bench.map.forget_zero(kVolume, 10, 1, 5);  // not that one
  CHECK(bench.get(10).kind == BlockKind::kZero);
  bench.map.forget_zero(kVolume, 10, 1, 6);
  CHECK(bench.get(10).kind == BlockKind::kNone);
  CHECK(bench.map.live_marks() == 1);
}

TEST_CASE("recovery forgets the marks that no older version can contradict, and no others") {
  Bench bench;
  bench.apply(Bench::entry(6, 10, 1, 0, EntryOp::kZero), 1);
  bench.apply(Bench::entry(9, 11, 1, 0, EntryOp::kZero), 2);
  bench.slots.at(0).data_sequences.volumes = 8;
  bench.slots.at(1).data_sequences.volumes = 2;  // goes with the mark in the same slot
  bench.slots.at(2).data_sequences.volumes = 7;
  bench.map.forget_old_zeroes();
  CHECK(bench.get(10).kind == BlockKind::kNone);
  CHECK(bench.get(11).kind == BlockKind::kZero);
}

TEST_CASE("damage is counted once, and ends with the next write") {
  Bench bench;
  bench.apply(Bench::entry(5, 10, 1, 1), 0);
  bench.map.mark_bad(kVolume, 10, 0, 1);
  bench.map.mark_bad(kVolume, 10, 0, 1);
  CHECK(bench.map.damaged_blocks() == 1);
  CHECK(bench.get(10).kind == BlockKind::kBad);
  bench.apply(Bench::entry(6, 10, 1, 1), 1);
  CHECK(bench.map.damaged_blocks() == 0);
  CHECK(bench.map.find(kVolume)->used_blocks == 1);
}

TEST_CASE("an overwritten block stays while a snapshot sees it, and goes with the last one") {
  for (const bool newer_first : {false, true}) {
    Bench bench;
    Lineage& lineage = bench.map.find(kVolume)->lineage();
    const Generation view = lineage.snapshot();
    const Entry older = Bench::entry(5, 10, 3, 1);
    const Entry newer = Bench::of_generation(1, Bench::entry(6, 11, 1, 7));
    bench.apply(newer_first ? newer : older, newer_first ? 1 : 0);
    bench.apply(newer_first ? older : newer, newer_first ? 0 : 1);
    CHECK(bench.map.live_blocks() == 4);
    CHECK(bench.map.get({kVolume, view}, 11).position == 2);
    CHECK(bench.get(11).position == 7);
    CHECK(bench.map.live(older, 0, 1));
    lineage.drop_view(view);
    bench.map.views_dropped(kVolume);
    while (bench.map.give_up_some()) {
    }
    CHECK(bench.map.live_blocks() == 3);
    CHECK_FALSE(bench.map.live(older, 0, 1));
    CHECK(bench.slots.at(0).live_blocks == 2);
    const Leaf* const leaf = bench.map.find(kVolume)->find_leaf(10);
    CHECK_FALSE(leaf->has_history());
    CHECK(leaf->memory_bytes() <= 256);
  }
}

TEST_CASE("relocation moves the version that it carries, not the newest") {
  Bench bench;
  const Generation view = bench.map.find(kVolume)->lineage().snapshot();
  bench.apply(Bench::entry(5, 10, 1, 1), 0);
  bench.apply(Bench::of_generation(1, Bench::entry(6, 10, 1, 2)), 0);
  Append moved;
  moved.entry = Bench::entry(5, 10, 1, 8);
  moved.from_slot = 0;
  moved.from_position = 1;
  moved.slot = 2;
  moved.crcs = bench.crcs;
  bench.map.relocate(moved);
  CHECK(bench.map.get({kVolume, view}, 10).slot == 2);
  CHECK(bench.get(10).slot == 0);
  CHECK(bench.slots.at(0).live_blocks == 1);
}

TEST_CASE("a mark is not forgotten while it hides what a snapshot shows") {
  Bench bench;
  Lineage& lineage = bench.map.find(kVolume)->lineage();
  const Generation view = lineage.snapshot();
  bench.apply(Bench::entry(5, 10, 1, 1), 0);
  bench.apply(Bench::of_generation(1, Bench::entry(6, 10, 2, 0, EntryOp::kZero)), 0);
  CHECK_FALSE(bench.map.forget_zero(kVolume, 10, 0, 6));
  CHECK(bench.map.forget_zero(kVolume, 11, 0, 6));
  CHECK(bench.get(10).kind == BlockKind::kZero);
  bench.map.forget_old_zeroes();  // the slot's own data does not count, but is still shown
  CHECK(bench.get(10).kind == BlockKind::kZero);
  lineage.drop_view(view);
  bench.map.views_dropped(kVolume);
  while (bench.map.give_up_some()) {
  }
  CHECK(bench.map.forget_zero(kVolume, 10, 0, 6));
}

TEST_CASE("a clone shows its base until it is written, and a trim in it hides the base") {
  Bench bench;
  constexpr VolumeId kClone{2};
  const Generation view = bench.map.find(kVolume)->lineage().snapshot();
  bench.apply(Bench::entry(5, 10, 3, 1), 0);
  bench.map.add_volume(kClone, 1000, {});
  bench.map.find(kClone)->set_base({kVolume, view});
  bench.apply(Bench::of_generation(1, Bench::entry(6, 10, 1, 9)), 1);  // of the parent, later
  Entry own = Bench::entry(7, 11, 1, 4);
  own.volume = 2;
  bench.apply(own, 1);
  Entry trim = Bench::entry(8, 12, 2, 0, EntryOp::kZero);
  trim.volume = 2;
  bench.apply(trim, 1);
  CHECK(bench.map.get(kClone, 10).position == 1);
  CHECK(bench.map.get(kClone, 11).position == 4);
  CHECK(bench.map.get(kClone, 12).kind == BlockKind::kZero);
  CHECK_FALSE(bench.map.forget_zero(kClone, 12, 1, 8));
  CHECK(bench.map.forget_zero(kClone, 13, 1, 8));
  CHECK(bench.map.get({kVolume, view}, 12).position == 3);
}

TEST_CASE("what was trimmed and forgotten leaves no leaf behind") {
  Bench bench;
  bench.apply(Bench::entry(5, 10, 4, 1), 0);
  CHECK(bench.map.has_extent(kVolume, 0));
  bench.apply(Bench::entry(6, 10, 4, 0, EntryOp::kZero), 1);
  for (uint64_t block = 10; block < 14; ++block) {
    CHECK(bench.map.has_leaf(kVolume, block));
    CHECK(bench.map.forget_zero(kVolume, block, 1, 6));
  }
  CHECK_FALSE(bench.map.has_leaf(kVolume, 10));
  CHECK_FALSE(bench.map.has_extent(kVolume, 0));
  CHECK(bench.map.memory_bytes() == bench.map.find(kVolume)->table_bytes());
}

TEST_CASE("a dropped volume is gone at once and counted out piece by piece") {
  Bench bench;
  bench.apply(Bench::entry(5, 10, 4, 1), 0);
  bench.map.drop_volume(kVolume);
  CHECK(bench.map.find(kVolume) == nullptr);
  bench.apply(Bench::entry(7, 10, 1, 1), 1);  // a late write to it is nothing
  CHECK(bench.map.live_blocks() == 4);
  while (bench.map.give_up_some()) {
  }
  CHECK(bench.map.live_blocks() == 0);
  CHECK(bench.map.memory_bytes() == 0);
}

}  // namespace varve
