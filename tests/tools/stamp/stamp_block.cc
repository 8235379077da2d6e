#include "tests/tools/stamp/stamp_block.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/text.h"

namespace varve {
namespace {

constexpr uint64_t kMagic = 0x314b434f4c425453;  // "STBLOCK1"
constexpr size_t kFillWords = 57;

struct Sector {
  uint64_t magic;
  uint64_t volume_hash;
  uint64_t journal_id;
  uint64_t block;
  uint64_t op;
  uint32_t session;
  uint32_t index;
  uint64_t fill[kFillWords];
  uint32_t reserved;
  uint32_t crc;  // of all bytes before it
};
static_assert(sizeof(Sector) == kSectorBytes);

uint64_t mixed(uint64_t x) {  // splitmix64's finalizer
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint32_t sector_crc(const Sector& sector) {
  return crc32c(std::as_bytes(std::span(&sector, 1)).first(offsetof(Sector, crc)));
}

bool all_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

std::string named(const Sector& sector) {
  return text("write ", sector.op, " of session ", sector.session, " for block ", sector.block);
}

Inspection bad(BlockContent content, std::string detail) {
  return {.content = content, .detail = std::move(detail)};
}

}  // namespace

uint64_t volume_hash(std::string_view export_name) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (unsigned char c : export_name) hash = (hash ^ c) * 0x100000001b3;
  return hash;
}

void stamp_block(std::span<std::byte> block_bytes, const StampOwner& owner, const Stamp& stamp) {
  VARVE_CHECK(block_bytes.size() == kBlockBytes && stamp.op != 0);
  Sector sector{.magic = kMagic,
                .volume_hash = owner.volume_hash,
                .journal_id = owner.journal_id,
                .block = stamp.block,
                .op = stamp.op,
                .session = stamp.session,
                .index = 0};
  uint64_t state = mixed(owner.journal_id ^ mixed(stamp.op) ^ (stamp.block << 1));
  for (uint32_t i = 0; i < kSectorsPerBlock; ++i) {
    sector.index = i;
    for (uint64_t& word : sector.fill) word = mixed(state += 0x9e3779b97f4a7c15);
    sector.crc = sector_crc(sector);
    std::memcpy(block_bytes.data() + i * kSectorBytes, &sector, kSectorBytes);
  }
}

Inspection inspect_block(std::span<const std::byte> block_bytes, const StampOwner& owner,
                         uint64_t block) {
  VARVE_CHECK(block_bytes.size() == kBlockBytes);
  if (all_zero(block_bytes)) return {};
  std::array<Sector, kSectorsPerBlock> sectors;
  std::memcpy(sectors.data(), block_bytes.data(), kBlockBytes);
  uint32_t zero_count = 0;
  for (uint32_t i = 0; i < kSectorsPerBlock; ++i) {
    const Sector& sector = sectors[i];
    if (all_zero(block_bytes.subspan(i * kSectorBytes, kSectorBytes))) {
      ++zero_count;
    } else if (sector.magic != kMagic || sector.crc != sector_crc(sector)) {
      return bad(BlockContent::kTorn, text("sector ", i, " is no intact stamp"));
    }
  }
  if (zero_count > 0) {
    return bad(BlockContent::kMixed, text(zero_count, " of its 8 sectors are zeroes"));
  }
  for (uint32_t i = 0; i < kSectorsPerBlock; ++i) {
    const Sector& sector = sectors[i];
    if (sector.volume_hash != owner.volume_hash || sector.journal_id != owner.journal_id) {
      return bad(BlockContent::kForeign,
                 text("sector ", i, " belongs to another volume or journal: ", named(sector)));
    }
    if (sector.block != block || sector.index != i) {
      return bad(BlockContent::kForeign, text("sector ", i, " belongs elsewhere: ", named(sector),
                                              ", sector ", sector.index));
    }
    if (sector.op != sectors[0].op || sector.session != sectors[0].session) {
      return bad(BlockContent::kMixed,
                 text("sector 0 is of ", named(sectors[0]), ", sector ", i, " of ", named(sector)));
    }
  }
  return {.content = BlockContent::kStamp, .op = sectors[0].op, .session = sectors[0].session};
}

}  // namespace varve
