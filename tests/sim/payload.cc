#include "tests/sim/payload.h"

#include <cstring>

#include "core/base/text.h"
#include "core/base/units.h"

namespace varve {

namespace {

constexpr size_t kWordsPerSector = 512 / sizeof(uint64_t);
constexpr size_t kSectors = kBlockBytes / 512;
constexpr uint32_t kStampMagic = 0x504d5453;  // "STMP"

struct SectorStamp {
  uint32_t magic = kStampMagic;
  uint32_t volume;
  uint32_t block;
  uint32_t value;
};
static_assert(sizeof(SectorStamp) == 2 * sizeof(uint64_t));

uint64_t seed_of(const SectorStamp& stamp) {
  uint64_t z = (uint64_t{stamp.volume} << 48) ^ (uint64_t{stamp.block} << 28) ^ stamp.value;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  return z ^ (z >> 27);
}

bool all_zero(const std::byte* block) {
  return block[0] == std::byte{0} && std::memcmp(block, block + 1, kBlockBytes - 1) == 0;
}

}  // namespace

void fill_block(const Stamp& stamp, std::byte* out) {
  const SectorStamp head{.volume = stamp.volume, .block = stamp.block, .value = stamp.value};
  const uint64_t seed = seed_of(head);
  for (size_t sector = 0; sector < kSectors; ++sector) {
    uint64_t words[kWordsPerSector];
    std::memcpy(words, &head, sizeof head);
    for (size_t i = 2; i < kWordsPerSector; ++i) {
      words[i] = seed + (sector * kWordsPerSector + i) * 0x9e3779b97f4a7c15;
    }
    std::memcpy(out + sector * 512, words, sizeof words);
  }
}

std::optional<Stamp> stamp_of(const std::byte* block) {
  SectorStamp head;
  std::memcpy(&head, block, sizeof head);
  if (head.magic != kStampMagic) return {};
  const Stamp stamp{head.volume, head.block, head.value};
  std::byte expected[kBlockBytes];
  fill_block(stamp, expected);
  if (std::memcmp(expected, block, kBlockBytes) != 0) return {};
  return stamp;
}

BlockValue value_of(const std::byte* block, uint32_t volume, uint32_t block_number) {
  const std::optional<Stamp> stamp = stamp_of(block);
  if (!stamp) return all_zero(block) ? kZeroValue : kGarbageValue;
  if (stamp->volume != volume || stamp->block != block_number) return kGarbageValue;
  return stamp->value;
}

std::string describe_block(const std::byte* block) {
  if (all_zero(block)) return "zeroes";
  if (const std::optional<Stamp> stamp = stamp_of(block)) {
    return text("volume ", stamp->volume, " block ", stamp->block, " op ", stamp->value);
  }
  std::string out = "mixed:";
  for (size_t sector = 0; sector < kSectors; ++sector) {
    SectorStamp head;
    std::memcpy(&head, block + sector * 512, sizeof head);
    out += head.magic == kStampMagic
               ? text(" [", head.volume, ":", head.block, " op ", head.value, "]")
               : std::string(" [?]");
  }
  return out;
}

std::string value_text(BlockValue value) {
  if (value == kZeroValue) return "zeroes";
  if (value == kDamagedValue) return "damaged";
  if (value == kGarbageValue) return "garbage";
  return text("op ", value);
}

}  // namespace varve
