// Torn is not damaged: the same bytes count or not, depending on what had been claimed durable.
#include "core/log/segment_scan.h"

#include <catch2/catch_test_macros.hpp>

#include "core/base/crc32c.h"
#include "core/format/seal.h"

namespace varve {
namespace {

constexpr uint32_t kSeed = 5;
constexpr uint32_t kSlot = 2;
constexpr uint32_t kGeneration = 40;

// A slot of 16 blocks with batches of one data block each: block 1-2, 3-4, 5-6, ...
class SlotBytes {
 public:
  void add_batch(uint32_t start_block, OpenList open = {}, uint32_t generation = kGeneration) {
    const auto data = block(start_block + 1);
    std::fill(data.begin(), data.end(), static_cast<std::byte>(start_block));
    const uint32_t crc = crc32c(data);
    const Entry entry{.sequence = start_block,
                      .volume = 1,
                      .offset = static_cast<uint16_t>(start_block),
                      .count = 1,
                      .position = static_cast<uint16_t>(start_block + 1)};
    const BatchHeader header{.slot = kSlot,
                             .generation = generation,
                             .start_block = start_block,
                             .data_blocks = 1,
                             .header_blocks = 1,
                             .entry_count = 1,
                             .open = open};
    encode_batch_header(header, {&entry, 1}, {&crc, 1}, kSeed, block(start_block));
  }
  void spoil(uint32_t index) { block(index)[100] ^= std::byte{1}; }
  std::span<std::byte> block(uint32_t index) {
    return std::span(bytes_).subspan(index * kBlockBytes, kBlockBytes);
  }
  SegmentScan scan() { return scan_segment(bytes_, kSeed, kSlot, kGeneration, claims); }
  // The number of batches that count, or -1 for a lost header.
  int accepted(SegmentContent& content) {
    const SegmentScan found = scan();
    const bool ok = accept_batches(found, claims.durable_blocks(kSlot, kGeneration), content);
    return ok ? static_cast<int>(content.footer.entries.size()) : -1;
  }
  DurableClaims claims;

 private:
  std::vector<std::byte> bytes_ = std::vector<std::byte>(16 * kBlockBytes);
};

OpenList claim(uint32_t durable_blocks) {
  OpenList list;
  list.count = 1;
  list.segments[0] = {kSlot, kGeneration, durable_blocks, 0};
  return list;
}

}  // namespace

TEST_CASE("the log ends at a torn batch, whatever lies behind it") {
  SlotBytes slot;
  slot.add_batch(1);
  slot.add_batch(3);
  slot.add_batch(5);
  slot.spoil(4);
  SegmentContent content;
  CHECK(slot.accepted(content) == 1);
  CHECK(content.used_blocks == 3);
  CHECK(content.damaged.empty());
}

TEST_CASE("a bad block that had been durable is damage: it is named and the log goes on") {
  SlotBytes slot;
  slot.add_batch(1);
  slot.add_batch(3);
  slot.add_batch(5, claim(5));  // says that the second batch was durable
  slot.spoil(4);
  SegmentContent content;
  CHECK(slot.accepted(content) == 3);
  CHECK(content.damaged == std::vector<uint16_t>{4});
}

TEST_CASE("an unreadable header that had been durable stops everything") {
  SlotBytes slot;
  slot.add_batch(1);
  slot.add_batch(3);
  slot.add_batch(5, claim(5));
  slot.spoil(3);
  SegmentContent content;
  CHECK(slot.accepted(content) == -1);
}

TEST_CASE("a claim from anywhere else on the disk counts as much") {
  SlotBytes slot;
  slot.add_batch(1);
  slot.add_batch(3);
  slot.spoil(3);
  SegmentContent torn;
  CHECK(slot.accepted(torn) == 1);
  slot.claims.add(claim(5));
  SegmentContent damaged;
  CHECK(slot.accepted(damaged) == -1);
}

TEST_CASE("batches of the slot's former life do not count") {
  SlotBytes slot;
  slot.add_batch(1);
  slot.add_batch(3, {}, kGeneration - 1);
  SegmentContent content;
  CHECK(slot.accepted(content) == 1);
}

TEST_CASE("a batch of a later opening proves that the slot had been free") {
  SlotBytes slot;
  slot.add_batch(1, {}, kGeneration + 9);
  slot.add_batch(3);
  slot.claims.add(claim(5));
  SegmentContent content;
  CHECK(slot.accepted(content) == 0);
}

TEST_CASE("claims keep the highest number and the newest generation of each slot") {
  DurableClaims claims;
  claims.add(1, 5, 10);
  claims.add(1, 5, 7);
  claims.add(1, 8, 2);
  claims.add(3, 1, 1);
  CHECK(claims.durable_blocks(1, 5) == 10);
  CHECK(claims.durable_blocks(1, 6) == 0);
  CHECK(claims.newest_generation(1) == 8);
  CHECK(claims.newest_generation(2) == 0);
  CHECK(claims.newest_generation(3) == 1);
}

}  // namespace varve
