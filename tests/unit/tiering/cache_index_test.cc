#include <catch2/catch_test_macros.hpp>

#include "core/tiering/cache_index.h"

namespace varve {
namespace {

constexpr uint32_t kHotSlots = 4;
constexpr uint32_t kSlotBlocks = 1024;
constexpr uint32_t kColdSlot = kHotSlots + 2;

bool at(const std::optional<CachePlace>& found, const CachePlace& wanted) {
  return found && found->slot == wanted.slot && found->position == wanted.position;
}

}  // namespace

TEST_CASE("what was filled from an earlier generation of a slot is never found again") {
  CacheIndex index(kHotSlots, kSlotBlocks);
  index.add_slot(1);
  index.insert({kColdSlot, 7, 30}, {1, 5});
  CHECK(at(index.find({kColdSlot, 7, 30}), {1, 5}));
  CHECK(!index.find({kColdSlot, 8, 30}));
  CHECK(!index.find({kColdSlot, 6, 30}));
  CHECK(!index.find({kColdSlot + 1, 7, 30}));
  index.insert({kColdSlot, 8, 31}, {1, 6});
  CHECK(!index.find({kColdSlot, 7, 30}));
  CHECK(!index.find({kColdSlot, 8, 30}));
  CHECK(index.block_count() == 1);
}

TEST_CASE("a slot that is taken takes along what it holds, and tells what was found in it") {
  CacheIndex index(kHotSlots, kSlotBlocks);
  index.add_slot(0);
  index.add_slot(3);
  for (uint32_t i = 1; i < kSlotBlocks; ++i) {
    index.insert({kColdSlot, 1, 2 * i}, {0, i});
    index.insert({kColdSlot + i % 5, 1, 2 * i + 1}, {3, i});
  }
  CHECK(at(index.find({kColdSlot, 1, 600}), {0, 300}));
  CHECK(at(index.find({kColdSlot + 1, 1, 603}), {3, 301}));
  const std::vector<ColdPlace> found = index.drop_slot(0);
  REQUIRE(found.size() == 1);
  CHECK(found[0].slot == kColdSlot);
  CHECK(found[0].generation == 1);
  CHECK(found[0].position == 600);
  CHECK(index.block_count() == kSlotBlocks - 1);
  CHECK(!index.find({kColdSlot, 1, 602}));
  CHECK(at(index.find({kColdSlot + 2, 1, 605}), {3, 302}));
  index.drop_slot(3);
  CHECK(index.block_count() == 0);
  index.add_slot(0);
  index.insert({kColdSlot, 1, 602}, {0, 1});
  CHECK(at(index.find({kColdSlot, 1, 602}), {0, 1}));
}

TEST_CASE("a block that is erased is gone, and its neighbours are not") {
  CacheIndex index(kHotSlots, kSlotBlocks);
  index.add_slot(2);
  for (uint32_t i = 0; i < 100; ++i) index.insert({kColdSlot, 1, i * 16}, {2, i});
  index.erase({kColdSlot, 1, 160});
  index.erase({kColdSlot, 2, 176});
  for (uint32_t i = 0; i < 100; ++i)
    CHECK(index.find({kColdSlot, 1, i * 16}).has_value() == (i != 10));
}

TEST_CASE("a cached block takes at most 20 bytes once its slot is full") {
  CacheIndex index(kHotSlots, kSlotBlocks);
  index.add_slot(1);
  for (uint32_t i = 0; i < kSlotBlocks; ++i) index.insert({kColdSlot + i % 3, 1, i}, {1, i});
  CHECK(index.block_count() == index.room_blocks());
  CHECK(index.memory_bytes() <= 20 * index.block_count());
}

TEST_CASE("what a cached block took is given back with it") {
  CacheIndex index(kHotSlots, kSlotBlocks);
  index.add_slot(0);
  const uint64_t empty = index.memory_bytes();
  CHECK(empty <= 13 * kSlotBlocks);
  for (uint32_t i = 0; i < kSlotBlocks; ++i) index.insert({kColdSlot, 1, i}, {0, i});
  const uint64_t full = index.memory_bytes();
  CHECK(full <= empty + index.slot_bytes_max() - 12 * kSlotBlocks + 64);
  for (uint32_t i = 16; i < kSlotBlocks; ++i) index.erase({kColdSlot, 1, i});
  CHECK(index.memory_bytes() <= empty + 512);
  for (uint32_t i = 0; i < kSlotBlocks; ++i)
    CHECK(index.find({kColdSlot, 1, i}).has_value() == (i < 16));
  index.insert({kColdSlot, 2, 3}, {0, 99});  // the former generation's are gone
  CHECK(index.block_count() == 1);
  index.drop_slot(0);
  CHECK(index.memory_bytes() < 1024);
}

}  // namespace varve
