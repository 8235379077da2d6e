#include "core/format/superblock.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "core/base/text.h"
#include "core/format/seal.h"

namespace varve {
namespace {

uint64_t slots_offset_for(uint32_t segment_bytes) {
  return std::clamp<uint64_t>(segment_bytes, 2 * kSuperblockSpacing, kMiB);
}

uint64_t slots_end(uint64_t device_bytes) {
  return superblock_offsets(device_bytes)[2];
}

bool segment_bytes_allowed(uint32_t bytes) {
  return std::has_single_bit(bytes) && bytes >= kSegmentBytesMin && bytes <= kSegmentBytesMax;
}

}  // namespace

std::array<uint64_t, 3> superblock_offsets(uint64_t device_bytes) {
  const uint64_t last = device_bytes < kSuperblockSpacing ? 0 : device_bytes - kSuperblockSpacing;
  return {0, kSuperblockSpacing, last / kBlockBytes * kBlockBytes};
}

Result<Superblock> plan_superblock(uint64_t device_bytes, uint32_t segment_bytes,
                                   uint32_t slot_count_min) {
  if (!segment_bytes_allowed(segment_bytes))
    return Status(ErrorCode::kInvalidArgument,
                  text("segment size ", segment_bytes,
                       " is not allowed; it must be a power of two from 64KiB to 256MiB"));
  Superblock superblock;
  superblock.segment_bytes = segment_bytes;
  superblock.slots_offset = slots_offset_for(segment_bytes);
  const uint64_t needed_bytes = superblock.slots_offset +
                                static_cast<uint64_t>(slot_count_min) * segment_bytes +
                                kSuperblockSpacing;
  if (device_bytes < needed_bytes)
    return Status(ErrorCode::kInvalidArgument,
                  text("the device has ", device_bytes, " bytes; with segments of ", segment_bytes,
                       " bytes a disk group needs at least ", needed_bytes));
  const uint64_t slots = (slots_end(device_bytes) - superblock.slots_offset) / segment_bytes;
  superblock.slot_count = static_cast<uint32_t>(std::min<uint64_t>(slots, 1u << 24));
  return superblock;
}

void encode_superblock(const Superblock& superblock, std::span<std::byte> block) {
  std::memset(block.data(), 0, block.size());
  std::memcpy(block.data(), &superblock, sizeof superblock);
  seal(block, 0);
}

Result<Superblock> decode_superblock(std::span<const std::byte> block, uint64_t device_bytes) {
  const auto superblock = load_struct<Superblock>(block.data());
  if (superblock.magic != kSuperblockMagic) return ErrorCode::kNotFormatted;
  // The version comes before the checksum: a newer release may protect its superblock differently.
  if (superblock.version > kFormatVersion)
    return Status(ErrorCode::kNewerFormat,
                  text("the disk group has format ", superblock.version,
                       "; this release reads formats up to ", kFormatVersion));
  if (!sealed(block, 0)) return Status(ErrorCode::kDamaged, "the superblock fails its checksum");
  if ((superblock.incompatible_features & ~kIncompatibleFeaturesKnown) != 0 ||
      superblock.readonly_features != 0)
    return Status(ErrorCode::kNewerFormat, "the disk group uses features of a newer release");
  const bool geometry_holds =
      superblock.version == kFormatVersion && superblock.block_bytes == kBlockBytes &&
      segment_bytes_allowed(superblock.segment_bytes) && superblock.shard_count == 1 &&
      superblock.slots_offset == slots_offset_for(superblock.segment_bytes) &&
      superblock.slot_count > 0 && superblock.slot_count <= (1u << 24);
  if (!geometry_holds)
    return Status(ErrorCode::kInvalidArgument, "the superblock's fields contradict each other");
  const uint64_t end = superblock.slots_offset +
                       static_cast<uint64_t>(superblock.slot_count) * superblock.segment_bytes;
  if (end > slots_end(device_bytes))
    return Status(ErrorCode::kInvalidArgument,
                  text("the device has ", device_bytes, " bytes, but the disk group on it needs ",
                       end + kSuperblockSpacing, ": was the device shrunk or copied in part?"));
  return superblock;
}

}  // namespace varve
