// A block tells whether it is whole, in its place and ours.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <vector>

#include "tests/tools/stamp/stamp_block.h"

namespace varve {
namespace {

constexpr StampOwner kOwner{.volume_hash = 11, .journal_id = 22};

std::vector<std::byte> stamped(uint64_t block, uint64_t op, StampOwner owner = kOwner) {
  std::vector<std::byte> bytes(kBlockBytes);
  stamp_block(bytes, owner, {.block = block, .op = op, .session = 3});
  return bytes;
}

}  // namespace

TEST_CASE("A whole block gives its stamp back") {
  const Inspection inspection = inspect_block(stamped(5, 77), kOwner, 5);
  CHECK(inspection.content == BlockContent::kStamp);
  CHECK(inspection.op == 77);
  CHECK(inspection.session == 3);
}

TEST_CASE("Zeroes are zeroes") {
  const std::vector<std::byte> bytes(kBlockBytes);
  CHECK(inspect_block(bytes, kOwner, 5).content == BlockContent::kZeroes);
}

TEST_CASE("One flipped bit anywhere is torn") {
  for (size_t at : {size_t{0}, size_t{300}, size_t{511}, size_t{512}, size_t{4095}}) {
    std::vector<std::byte> bytes = stamped(5, 77);
    bytes[at] ^= std::byte{16};
    CHECK(inspect_block(bytes, kOwner, 5).content == BlockContent::kTorn);
  }
}

TEST_CASE("Sectors of two writes are mixed, at every cut") {
  for (uint32_t cut = 1; cut < kSectorsPerBlock; ++cut) {
    std::vector<std::byte> bytes = stamped(5, 77);
    const std::vector<std::byte> newer = stamped(5, 78);
    std::copy_n(newer.begin(), cut * kSectorBytes, bytes.begin());
    CHECK(inspect_block(bytes, kOwner, 5).content == BlockContent::kMixed);
    std::fill_n(bytes.begin(), cut * kSectorBytes, std::byte{0});
    CHECK(inspect_block(bytes, kOwner, 5).content == BlockContent::kMixed);
  }
}

TEST_CASE("Another block's, volume's or journal's stamp is foreign") {
  CHECK(inspect_block(stamped(6, 77), kOwner, 5).content == BlockContent::kForeign);
  CHECK(inspect_block(stamped(5, 77, {12, 22}), kOwner, 5).content == BlockContent::kForeign);
  CHECK(inspect_block(stamped(5, 77, {11, 23}), kOwner, 5).content == BlockContent::kForeign);
}

TEST_CASE("Sectors of one write in the wrong order are foreign") {
  std::vector<std::byte> bytes = stamped(5, 77);
  std::swap_ranges(bytes.begin(), bytes.begin() + kSectorBytes, bytes.begin() + kSectorBytes);
  CHECK(inspect_block(bytes, kOwner, 5).content == BlockContent::kForeign);
}

}  // namespace varve
