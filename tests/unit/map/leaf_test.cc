#include "core/map/leaf.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>

namespace varve {
namespace {

BlockState data(Sequence sequence, uint32_t slot) {
  return {.kind = BlockKind::kData,
          .position = static_cast<uint16_t>(sequence),
          .slot = slot,
          .crc = static_cast<uint32_t>(sequence * 3),
          .sequence = sequence};
}

}  // namespace

TEST_CASE("a leaf takes no memory for generations until there are two") {
  Leaf leaf;
  leaf.insert(7, 0, data(1, 1));
  leaf.insert(8, 0, data(2, 1));
  CHECK_FALSE(leaf.has_history());
  const uint64_t before = leaf.memory_bytes();
  leaf.insert(7, 3, data(3, 2));
  CHECK(leaf.has_history());
  CHECK(leaf.newest(7).sequence == 3);
  CHECK(leaf.generation_at(leaf.newest_place(7)) == 3);
  CHECK(leaf.generation_at(leaf.newest_place(8)) == 0);
  CHECK(leaf.has_older(7));
  leaf.erase(leaf.place_of(7, 0));
  leaf.forget_history();
  CHECK_FALSE(leaf.has_history());
  CHECK(leaf.memory_bytes() <= before);
  CHECK(leaf.newest(7).sequence == 3);
}

TEST_CASE("a leaf written in one piece takes its checksums, in no order some 13 bytes a block") {
  std::mt19937_64 random(1);
  const auto of = [&](uint64_t place, Sequence sequence) {
    return BlockState{.kind = BlockKind::kData,
                      .position = static_cast<uint16_t>(place),
                      .slot = static_cast<uint32_t>(place >> 16),
                      .crc = static_cast<uint32_t>(random()),
                      .sequence = sequence};
  };
  Leaf leaf;
  for (uint32_t i = 0; i < kLeafBlocks; ++i) leaf.set_only(i, 0, of((5 << 16) + 100 + i, 77));
  CHECK(leaf.memory_bytes() <= kLeafBlocks * 9 / 2);
  for (uint32_t i = 0; i < kLeafBlocks; ++i)
    leaf.set_only(i, 0, of(random() % (uint64_t{1} << 32), random() % (uint64_t{1} << 40)));
  CHECK(leaf.memory_bytes() <= kLeafBlocks * 27 / 2);
  // Moved in order, as when it sinks to an HDD: where it lies takes nothing any more.
  for (uint32_t i = 0; i < kLeafBlocks; ++i) {
    BlockState moved = leaf.newest(i);
    moved.slot = 9;
    moved.position = static_cast<uint16_t>(i);
    leaf.set(i, leaf.newest_place(i), moved);
  }
  CHECK(leaf.memory_bytes() <= kLeafBlocks * 19 / 2);
  for (uint32_t i = 0; i < kLeafBlocks; ++i) CHECK(leaf.newest(i).position == i);
  for (uint32_t i = 0; i < kLeafBlocks; ++i)
    leaf.set_only(i, 0, {.kind = BlockKind::kZero, .slot = 12, .sequence = 99});
  CHECK(leaf.memory_bytes() <= 160);
  CHECK(leaf.newest(200).slot == 12);
  CHECK(leaf.newest(200).position == 0);
  for (uint32_t i = 0; i < kLeafBlocks; ++i) leaf.set_only(i, 0, of(i, i + 1));
  leaf.erase(leaf.newest_place(3));
  CHECK(leaf.newest_kind(3) == BlockKind::kNone);
  CHECK(leaf.newest(4).position == 4);
  for (uint32_t i = 4; i < kLeafBlocks; ++i) leaf.erase(leaf.newest_place(i));
  CHECK(leaf.memory_bytes() <= 256);
}

TEST_CASE("versions of a block stay in the order of their generations, whatever comes first") {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    Leaf leaf;
    std::map<uint32_t, std::map<Generation, BlockState>> model;
    for (int step = 0; step < 300; ++step) {
      const uint32_t index = random() % 5 * 63;  // not quite both ends, and between
      const Generation generation = random() % 8;
      auto& block = model[index];
      if (random() % 3 == 0 && !block.empty()) {
        const size_t ordinal = random() % block.size();
        leaf.erase(leaf.place_of(index, ordinal));
        block.erase(std::next(block.begin(), static_cast<ptrdiff_t>(ordinal)));
      } else if (!block.contains(generation)) {
        block[generation] = data(static_cast<Sequence>(step) + 1, random() % 3);
        leaf.insert(index, generation, block[generation]);
      } else {
        const auto ordinal = std::distance(block.begin(), block.find(generation));
        block[generation] = data(static_cast<Sequence>(step) + 1, random() % 3);
        leaf.set(index, leaf.place_of(index, static_cast<size_t>(ordinal)), block[generation]);
      }
      for (auto& [at, versions] : model) {
        std::vector<Generation> generations;
        leaf.generations(at, generations);
        REQUIRE(generations.size() == versions.size());
        size_t ordinal = 0;
        for (const auto& [wanted, state] : versions) {
          const VersionPlace place = leaf.place_of(at, ordinal);
          REQUIRE(generations[ordinal++] == wanted);
          REQUIRE(leaf.generation_at(place) == wanted);
          REQUIRE(leaf.at(at, place).sequence == state.sequence);
          REQUIRE(leaf.at(at, place).position == state.position);
          REQUIRE(leaf.at(at, leaf.find(at, state.sequence, state.slot)).crc == state.crc);
        }
        REQUIRE(leaf.has_older(at) == (versions.size() > 1));
      }
    }
  }
}

TEST_CASE(
    "a leaf that is full, and one with holes and many versions, hold what a plain list does") {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    Leaf leaf;
    std::map<std::pair<uint32_t, Generation>, BlockState> model;
    const auto draw = [&] {
      BlockState state{.kind = static_cast<BlockKind>(1 + random() % 4),
                       .position = 0,
                       .slot = static_cast<uint32_t>(random()) >> random() % 32,
                       .crc = static_cast<uint32_t>(random()),
                       .sequence = random() >> random() % 64};
      if (takes_block(state.kind)) state.position = static_cast<uint16_t>(random());
      return state;
    };
    for (int step = 0; step < 4000; ++step) {
      const auto index = static_cast<uint32_t>(random() % kLeafBlocks);
      // First all of one generation, then of many, then fewer and fewer.
      const auto generation = static_cast<Generation>(step < 2000 ? 0 : random() % 4);
      const auto found = model.find({index, generation});
      VersionPlace place = kNoVersion;
      std::vector<Generation> generations;
      leaf.generations(index, generations);
      for (size_t i = 0; i < generations.size(); ++i)
        if (generations[i] == generation) place = leaf.place_of(index, i);
      REQUIRE((place == kNoVersion) == (found == model.end()));
      if (found == model.end())
        leaf.insert(index, generation, model[{index, generation}] = draw());
      else if (random() % 10 < (step < 3000 ? 1u : 9u))
        leaf.erase(place), model.erase(found);
      else
        leaf.set(index, place, found->second = draw());
      if (step % 50 != 0) continue;
      for (const auto& [key, state] : model) {
        const BlockState held = leaf.of_generation(key.first, key.second);
        REQUIRE(held.kind == state.kind);
        REQUIRE(held.position == state.position);
        REQUIRE(held.slot == state.slot);
        REQUIRE(held.crc == state.crc);
        REQUIRE(held.sequence == state.sequence);
      }
    }
  }
}

}  // namespace varve
