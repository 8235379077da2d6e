#include "core/format/cold_index.h"

#include <catch2/catch_test_macros.hpp>

#include "core/base/units.h"

namespace varve {
namespace {

constexpr uint32_t kSlotBlocks = 256;
constexpr uint32_t kSeed = 11;

Entry block_of(uint32_t volume, uint64_t block, Sequence sequence) {
  return {.sequence = sequence,
          .volume = volume,
          .extent = static_cast<uint32_t>(block / kExtentBlocks),
          .offset = static_cast<uint16_t>(block % kExtentBlocks),
          .count = 1};
}

std::vector<std::byte> encoded(const ColdIndexBuilder& builder) {
  return encode_cold_index(9, 5, builder.content(), kSeed);
}

}  // namespace

TEST_CASE("an index gives back what was put into it, neighbours of one write as one entry") {
  ColdIndexBuilder builder(kSlotBlocks);
  REQUIRE(builder.add(block_of(1, 10, 7), 100));
  REQUIRE(builder.add(block_of(1, 11, 7), 101));
  REQUIRE(builder.add(block_of(1, 12, 8), 102));
  REQUIRE(builder.add(block_of(2, kExtentBlocks, (Sequence{3} << 40) + 1), 103));
  const std::vector<std::byte> bytes = encoded(builder);
  REQUIRE(bytes.size() == kBlockBytes);
  CHECK(cold_index_blocks(bytes, 9, kSlotBlocks) == 1u);
  const auto index = decode_cold_index(bytes, kSeed, 9, kSlotBlocks);
  REQUIRE(index);
  CHECK(index->generation == 5);
  CHECK(index->content.crcs == std::vector<uint32_t>{100, 101, 102, 103});
  REQUIRE(index->content.entries.size() == 3);
  CHECK(index->content.entries[0].count == 2);
  CHECK(index->content.entries[1].position == 2);
  const Entry& last = index->content.entries[2];
  CHECK(last.sequence == (Sequence{3} << 40) + 1);
  CHECK(last.volume == 2);
  CHECK(last.first_block() == kExtentBlocks);
  CHECK(last.position == 3);
}

TEST_CASE("an index of another slot, seed or length, or with a flipped bit, is none") {
  ColdIndexBuilder builder(kSlotBlocks);
  REQUIRE(builder.add(block_of(1, 10, 7), 100));
  std::vector<std::byte> bytes = encoded(builder);
  CHECK_FALSE(decode_cold_index(bytes, kSeed, 8, kSlotBlocks));
  CHECK_FALSE(decode_cold_index(bytes, kSeed + 1, 9, kSlotBlocks));
  CHECK_FALSE(decode_cold_index(std::span(bytes).first(100), kSeed, 9, kSlotBlocks));
  bytes[sizeof(ColdIndexHeader) + 2] ^= std::byte{1};
  CHECK_FALSE(decode_cold_index(bytes, kSeed, 9, kSlotBlocks));
}

TEST_CASE("an index takes as many single neighbours as the slot has room for, and no more") {
  ColdIndexBuilder builder(kSlotBlocks);
  constexpr uint32_t kRoom = cold_data_blocks(kSlotBlocks);
  for (uint32_t i = 0; i < kRoom; ++i) REQUIRE(builder.add(block_of(1, i, i + 1), i));
  CHECK_FALSE(builder.add(block_of(1, kRoom, 999), 0));
  CHECK(encoded(builder).size() <= cold_index_blocks_max(kSlotBlocks) * size_t{kBlockBytes});
}

TEST_CASE("an index has room for as many blocks as the slot, however far apart they lie") {
  ColdIndexBuilder builder(16 * kSlotBlocks);
  uint64_t taken = 0;
  while (builder.add(block_of(1, taken * kExtentBlocks, taken + 1), 1)) ++taken;
  CHECK(taken == cold_data_blocks(16 * kSlotBlocks));
  const std::vector<std::byte> bytes = encoded(builder);
  CHECK(bytes.size() <= cold_index_blocks_max(16 * kSlotBlocks) * size_t{kBlockBytes});
  const auto index = decode_cold_index(bytes, kSeed, 9, 16 * kSlotBlocks);
  REQUIRE(index);
  CHECK(index->content.entries.size() == taken);
}

}  // namespace varve
