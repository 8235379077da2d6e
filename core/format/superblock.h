// The superblock: what a disk group's device is and how it is divided. Three copies (at 0, 64 KiB
// and 64 KiB before the end), written at format only.
//
// Device:  [copy A][..64K][copy B][..slots_offset][slot 0][slot 1]...[slot n-1]..[copy C, last 64K]
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

inline constexpr std::array<char, 8> kSuperblockMagic = {'V', 'A', 'R', 'V', 'E', 'S', 'B', '\n'};
inline constexpr uint32_t kFormatVersion = 1;
inline constexpr uint32_t kSegmentBytesMin = 64 * 1024;
inline constexpr uint32_t kSegmentBytesMax = 256 * 1024 * 1024;
inline constexpr uint64_t kSuperblockSpacing = 64 * kKiB;

// Bits of incompatible_features, of which an HDD has the last one only. A disk group of a cluster:
// its sequence numbers and catalog records belong to replication groups.
inline constexpr uint64_t kFeatureCluster = 1;
// Relocated segments are kept apart by how often their blocks were moved, and of one block's copies
// the one that was moved more often counts.
inline constexpr uint64_t kFeatureMoves = 2;
// An HDD: its slots hold nothing but data, and the catalog of the disk group's SSD knows it.
inline constexpr uint64_t kFeatureCold = 4;
inline constexpr uint64_t kIncompatibleFeaturesKnown =
    kFeatureCluster | kFeatureMoves | kFeatureCold;

struct Superblock {
  std::array<char, 8> magic = kSuperblockMagic;
  uint32_t version = kFormatVersion;
  uint32_t block_bytes = kBlockBytes;
  uint64_t incompatible_features = 0;  // unknown bit: refuse
  uint64_t readonly_features = 0;      // unknown bit: refuse to write
  uint64_t compatible_features = 0;    // unknown bit: ignore
  Uuid disk{};
  Uuid cluster{};  // zero until the disk group joins a cluster
  uint32_t segment_bytes = 0;
  uint32_t slot_count = 0;
  uint64_t slots_offset = 0;
  uint64_t created_seconds = 0;
  uint16_t shard_count = 1;
  uint16_t tier = 0;  // 0: SSD, 1: HDD
  uint32_t reserved = 0;
  Uuid group{};  // of an HDD: `disk` of the SSD whose disk group it belongs to
};
static_assert(sizeof(Superblock) == 120);

// Byte offsets of the three copies on a device of `device_bytes`.
std::array<uint64_t, 3> superblock_offsets(uint64_t device_bytes);

// Fills in geometry for a device. kInvalidArgument: too small, or a segment size that is not a
// power of two in [64 KiB, 256 MiB]; the message names the limit.
Result<Superblock> plan_superblock(uint64_t device_bytes, uint32_t segment_bytes,
                                   uint32_t slot_count_min);

// `block` is 4 KiB.
void encode_superblock(const Superblock& superblock, std::span<std::byte> block);
// kNotFormatted: no magic. kDamaged: magic but a bad checksum. kNewerFormat. kInvalidArgument: the
// fields contradict each other or the device's size.
Result<Superblock> decode_superblock(std::span<const std::byte> block, uint64_t device_bytes);

}  // namespace varve
