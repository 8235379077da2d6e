// What is written can be read back, and what is not ours, torn or newer is told apart.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "core/format/batch.h"
#include "core/format/catalog_record.h"
#include "core/format/footer.h"
#include "core/format/seal.h"
#include "core/format/segment_header.h"
#include "core/format/superblock.h"

namespace varve {
namespace {

constexpr uint32_t kSeed = 77;
constexpr uint64_t kDeviceBytes = 64 * kMiB;

using Block = std::vector<std::byte>;

Block superblock_of(const Superblock& superblock) {
  Block block(kBlockBytes);
  encode_superblock(superblock, block);
  return block;
}

void flip(Block& block, size_t at) {
  block[at] ^= std::byte{1};
}

}  // namespace

TEST_CASE("a superblock tells absent, damaged, newer and misplaced apart") {
  const Superblock planned = *plan_superblock(kDeviceBytes, 1024 * 1024, 10);
  CHECK(planned.slot_count == 62);
  Block block = superblock_of(planned);
  CHECK(decode_superblock(block, kDeviceBytes)->slot_count == planned.slot_count);
  CHECK(decode_superblock(block, kDeviceBytes / 2).code() == ErrorCode::kInvalidArgument);
  flip(block, 40);
  CHECK(decode_superblock(block, kDeviceBytes).code() == ErrorCode::kDamaged);
  CHECK(decode_superblock(Block(kBlockBytes), kDeviceBytes).code() == ErrorCode::kNotFormatted);
  Superblock newer = planned;
  newer.version = kFormatVersion + 1;
  CHECK(decode_superblock(superblock_of(newer), kDeviceBytes).code() == ErrorCode::kNewerFormat);
  Superblock feature = planned;
  feature.incompatible_features = kIncompatibleFeaturesKnown + 1;
  CHECK(decode_superblock(superblock_of(feature), kDeviceBytes).code() == ErrorCode::kNewerFormat);
}

TEST_CASE("a device that is too small or a segment size that is not allowed is refused in words") {
  const auto small = plan_superblock(kMiB, 1024 * 1024, 10);
  CHECK(small.status().message().find("needs at least 11599872") != std::string_view::npos);
  const auto odd = plan_superblock(kDeviceBytes, 3 * 1024 * 1024, 10);
  CHECK(odd.status().message().find("power of two") != std::string_view::npos);
}

TEST_CASE("a segment header survives the loss of either copy and takes the newer of two") {
  Block block(kBlockBytes);
  encode_segment_header({.slot = 3, .generation = 9}, kSeed, block);
  Block first_bad = block;
  flip(first_bad, 20);
  CHECK(decode_segment_header(first_bad, kSeed, 3)->generation == 9);
  Block second_bad = block;
  flip(second_bad, kSegmentHeaderMirror + 20);
  CHECK(decode_segment_header(second_bad, kSeed, 3)->generation == 9);
  flip(second_bad, 20);
  CHECK_FALSE(decode_segment_header(second_bad, kSeed, 3));
  CHECK_FALSE(decode_segment_header(block, kSeed, 4));      // another slot's
  CHECK_FALSE(decode_segment_header(block, kSeed + 1, 3));  // another disk's

  Block newer(kBlockBytes);
  encode_segment_header({.slot = 3, .generation = 10}, kSeed, newer);
  std::copy_n(newer.begin(), kSegmentHeaderBytes, block.begin());  // torn after the first sector
  CHECK(decode_segment_header(block, kSeed, 3)->generation == 10);

  encode_segment_header({.slot = 3, .stream = StreamKind::kRelocated, .moves = kMovesMax}, kSeed,
                        block);
  CHECK(decode_segment_header(block, kSeed, 3)->moves == kMovesMax);
  encode_segment_header({.slot = 3, .moves = kMovesMax + 1}, kSeed, block);
  CHECK_FALSE(decode_segment_header(block, kSeed, 3));
}

TEST_CASE("a batch header is valid at its own place only") {
  std::vector<std::byte> slot(16 * kBlockBytes);
  const Entry entries[] = {
      {.sequence = 1, .volume = 1, .count = 2, .position = 3},
      {.sequence = 2, .volume = 1, .offset = 9, .count = 4, .op = EntryOp::kZero}};
  const uint32_t crcs[] = {11, 12};
  const BatchHeader header{.slot = 5,
                           .generation = 2,
                           .start_block = 2,
                           .data_blocks = 2,
                           .header_blocks = 1,
                           .entry_count = 2};
  encode_batch_header(header, entries, crcs, kSeed,
                      std::span(slot).subspan(2 * kBlockBytes, kBlockBytes));
  const auto batch = decode_batch_header(slot, kSeed, 5, 2);
  REQUIRE(batch);
  CHECK(batch->end_block() == 5);
  CHECK(batch->entries[1].offset == 9);
  CHECK(batch->crcs[1] == 12);
  CHECK_FALSE(decode_batch_header(slot, kSeed, 6, 2));
  std::copy_n(slot.begin() + 2 * kBlockBytes, kBlockBytes, slot.begin() + 7 * kBlockBytes);
  CHECK_FALSE(decode_batch_header(slot, kSeed, 5, 7));  // a copy, as an image of the disk has it
}

TEST_CASE("leader, footer and trailer describe each other") {
  const Footer footer{.entries = {{.sequence = 4, .volume = 1, .count = 3, .position = 2}},
                      .crcs = {1, 2, 3}};
  Trailer trailer{.slot = 1, .generation = 7, .used_blocks = 5};
  std::vector<std::byte> out(seal_blocks_for(1, 3) * kBlockBytes);
  encode_footer(trailer, footer, kSeed, out);
  const std::span bytes(out);
  for (const auto& block : {bytes.first(kBlockBytes), bytes.last(kBlockBytes)}) {
    const auto read = decode_trailer(block, kSeed, 1, 16);
    REQUIRE(read);
    const auto body = bytes.subspan(kBlockBytes, kBlockBytes);
    CHECK(decode_footer(*read, body, kSeed, 16)->crcs == footer.crcs);
  }
  flip(out, kBlockBytes + 8);
  CHECK_FALSE(decode_footer(trailer, std::span(out).subspan(kBlockBytes, kBlockBytes), kSeed, 16));
}

TEST_CASE("snapshots and lineages come back as they were, and impossible ones are refused") {
  CatalogPayload payload{.next_volume = 9};
  payload.snapshots = {{VolumeId{3}, 4, 100, 1234, "daily"}, {VolumeId{3}, 7, 0, 0, ""}};
  payload.lineages = {{VolumeId{3}, 12, VolumeId{2}, 5, true, {{0, 0}, {6, 4}}}};
  const auto read = decode_catalog(encode_catalog(payload));
  REQUIRE(read);
  CHECK(read->snapshots[0].name == "daily");
  CHECK(read->snapshots[0].generation == 4);
  CHECK(read->snapshots[0].blocks == 100);
  CHECK(read->snapshots[0].created_seconds == 1234);
  CHECK(read->snapshots[1].blocks == 0);
  CHECK(read->lineages[0].newest == 12);
  CHECK(read->lineages[0].base == VolumeId{2});
  CHECK(read->lineages[0].base_generation == 5);
  CHECK(read->lineages[0].headless);
  CHECK(read->lineages[0].branches[1].fork == 4);
  const auto refused = [](LineageRecord lineage) {
    CatalogPayload bad;
    bad.lineages.push_back(std::move(lineage));
    return !decode_catalog(encode_catalog(bad));
  };
  CHECK(refused({VolumeId{3}, 12, VolumeId{3}, 5, false, {}}));               // its own clone
  CHECK(refused({VolumeId{3}, 12, VolumeId{}, 0, false, {{1, 0}}}));          // no beginning
  CHECK(refused({VolumeId{3}, 12, VolumeId{}, 0, false, {{0, 0}, {6, 6}}}));  // forks off itself
  CHECK(refused({VolumeId{3}, 12, VolumeId{}, 0, false, {{0, 0}, {6, 4}, {6, 5}}}));
  CHECK(refused({VolumeId{}, 12, VolumeId{}, 0, false, {}}));
}

TEST_CASE("wrapped keys come back as they were, and impossible ones are refused") {
  CatalogPayload payload{.next_volume = 9};
  payload.records = {{VolumeId{3}, 100, "v"}};
  payload.keys = {{VolumeId{3}, {"2026-a", {std::byte{1}, std::byte{2}, std::byte{3}}}},
                  {VolumeId{4}, {"b", std::vector<std::byte>(kWrappedKeyBytesMax)}}};
  const std::vector<std::byte> bytes = encode_catalog(payload);
  const auto read = decode_catalog(bytes);
  REQUIRE(read);
  REQUIRE(read->keys.size() == 2);
  CHECK(read->keys[0].volume == VolumeId{3});
  CHECK(read->keys[0].key.wrapping_key == "2026-a");
  CHECK(read->keys[0].key.bytes == payload.keys[0].key.bytes);
  CHECK(read->keys[1].key.bytes.size() == kWrappedKeyBytesMax);
  // Where the first key's record stands, byte by byte: other releases read it, too.
  const std::vector<uint8_t> expected = {
      0,   0,   0,   0,   0,   0,   0, 0,      // number
      3,   0,   0,   0,   6,   0,   5, 0,      // volume, bytes of the name, kind, groups
      3,   0,   0,   0,   0,   0,   0, 0,      // wrapped bytes, reserved
      '2', '0', '2', '6', '-', 'a', 1, 2, 3};  // name, wrapped key
  const size_t place = sizeof(CatalogHeader) + sizeof(RecordHeader) + 1;
  for (size_t i = 0; i < expected.size(); ++i)
    CHECK(static_cast<uint8_t>(bytes[place + i]) == expected[i]);
  const auto refused = [](KeyRecord key) {
    CatalogPayload bad;
    bad.keys.push_back(std::move(key));
    return !decode_catalog(encode_catalog(bad));
  };
  CHECK(refused({VolumeId{}, {"a", {std::byte{1}}}}));
  CHECK(refused({VolumeId{3}, {"", {std::byte{1}}}}));
  CHECK(refused({VolumeId{3}, {"a/b", {std::byte{1}}}}));
  CHECK(refused({VolumeId{3}, {"a", {}}}));
  CHECK(refused({VolumeId{3}, {"a", std::vector<std::byte>(kWrappedKeyBytesMax + 1)}}));
}

TEST_CASE("tiers come back as they were, and unknown ones are refused") {
  CatalogPayload payload{.next_volume = 9};
  payload.tiers = {{VolumeId{3}, VolumeTier::kSsd}, {VolumeId{4}, VolumeTier::kAuto}};
  const std::vector<std::byte> bytes = encode_catalog(payload);
  const auto read = decode_catalog(bytes);
  REQUIRE(read);
  REQUIRE(read->tiers.size() == 2);
  CHECK(read->tiers[0].volume == VolumeId{3});
  CHECK(read->tiers[0].tier == VolumeTier::kSsd);
  CHECK(read->tiers[1].tier == VolumeTier::kAuto);
  // Byte by byte: other releases read it, too.
  const std::vector<uint8_t> expected = {1, 0, 0, 0, 0, 0, 0, 0,   // tier
                                         3, 0, 0, 0, 0, 0, 7, 0};  // volume, no name, kind, groups
  for (size_t i = 0; i < expected.size(); ++i)
    CHECK(static_cast<uint8_t>(bytes[sizeof(CatalogHeader) + i]) == expected[i]);
  payload.tiers[1].tier = static_cast<VolumeTier>(3);
  CHECK(!decode_catalog(encode_catalog(payload)));
  payload.tiers[1] = {VolumeId{}, VolumeTier::kSsd};
  CHECK(!decode_catalog(encode_catalog(payload)));
}

TEST_CASE("catalog records come back as they were, and names are held to the rule") {
  const CatalogPayload payload{
      .complete = true,
      .next_volume = 9,
      .records = {{VolumeId{3}, 100, "a.b_c-1"}, {VolumeId{8}, 0, "gone"}}};
  const auto read = decode_catalog(encode_catalog(payload));
  REQUIRE(read);
  CHECK(read->complete);
  CHECK(read->next_volume == 9);
  CHECK(read->records[0].name == "a.b_c-1");
  CHECK(read->records[1].blocks == 0);
  for (const char* bad : {"", "-a", "a/b", "a b", "\n"}) CHECK_FALSE(volume_name_allowed(bad));
  CHECK_FALSE(volume_name_allowed(std::string(256, 'a')));
  CHECK(volume_name_allowed(std::string(255, 'a')));
}

}  // namespace varve
