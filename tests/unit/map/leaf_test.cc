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
  CHECK(leaf.memory_bytes() == sizeof(Leaf));
  leaf.insert(7, 3, data(3, 2));
  CHECK(leaf.memory_bytes() > sizeof(Leaf));
  CHECK(leaf.newest(7).sequence == 3);
  CHECK(leaf.newest_generation(7) == 3);
  CHECK(leaf.newest_generation(8) == 0);
  CHECK(leaf.has_older(7));
  leaf.erase(7, leaf.place_of(7, 0));
  leaf.forget_history();
  CHECK(leaf.memory_bytes() == sizeof(Leaf));
  CHECK(leaf.newest(7).sequence == 3);
}

TEST_CASE("versions of a block stay in the order of their generations, whatever comes first") {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    Leaf leaf;
    std::map<uint32_t, std::map<Generation, BlockState>> model;
    for (int step = 0; step < 300; ++step) {
      const uint32_t index = random() % 5 * 63;  // both ends, and between
      const Generation generation = random() % 8;
      auto& block = model[index];
      if (random() % 3 == 0 && !block.empty()) {
        const size_t ordinal = random() % block.size();
        leaf.erase(index, leaf.place_of(index, ordinal));
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
          REQUIRE(leaf.generation_at(at, place) == wanted);
          REQUIRE(leaf.at(at, place).sequence == state.sequence);
          REQUIRE(leaf.at(at, place).position == state.position);
          REQUIRE(leaf.at(at, leaf.find(at, state.sequence, state.slot)).crc == state.crc);
        }
        REQUIRE(leaf.has_older(at) == (versions.size() > 1));
      }
    }
  }
}

}  // namespace varve
