// What a stamped block looks like: each 512-byte sector of it says who wrote it, where and when.
//
// So one read shows whether a block is whole (torn, mixed), in its place (misdirected) and ours
// (foreign). The rest of each sector is filled from the same numbers, so that no two writes have
// compressible or equal bytes. All integers in the machine's byte order: a stamp never leaves it.
//
// Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/units.h"

namespace varve {

inline constexpr uint32_t kSectorBytes = 512;
inline constexpr uint32_t kSectorsPerBlock = kBlockBytes / kSectorBytes;

// Whose stamps these are. Two journals never share a journal id.
struct StampOwner {
  uint64_t volume_hash = 0;
  uint64_t journal_id = 0;
};

struct Stamp {
  uint64_t block = 0;
  uint64_t op = 0;  // never 0
  uint32_t session = 0;
};

enum class BlockContent : uint8_t {
  kZeroes,   // never written, trimmed or zeroed
  kStamp,    // whole, and ours
  kTorn,     // a sector is neither zeroes nor an intact stamp
  kMixed,    // all sectors are intact, but of different writes
  kForeign,  // an intact stamp of another block, volume or journal
};

struct Inspection {
  BlockContent content = BlockContent::kZeroes;
  uint64_t op = 0;  // kStamp: who wrote it
  uint32_t session = 0;
  std::string detail;  // for the operator, where the content is bad
};

uint64_t volume_hash(std::string_view export_name);

// `block_bytes` is one block.
void stamp_block(std::span<std::byte> block_bytes, const StampOwner& owner, const Stamp& stamp);
// Reads a block that should carry a stamp of `owner` for block number `block`, or zeroes.
Inspection inspect_block(std::span<const std::byte> block_bytes, const StampOwner& owner,
                         uint64_t block);

}  // namespace varve
