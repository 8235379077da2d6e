// Catalog records: the volumes of a disk group and, in a cluster, what it must remember of its
// replication groups, as bytes in catalog batches.
//
// A catalog batch holds one payload, padded with zeroes to whole blocks. The first batch of a
// catalog segment is complete; those after it change single records.
//
// Payload: CatalogHeader | records
// Record:  RecordHeader | volume: GroupId x group_count, name bytes
//                       | group:  GroupTail
//                       | fence:  group u32, zero u32
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

inline constexpr uint32_t kCatalogMagic = 0x54414356;  // "VCAT"
inline constexpr uint32_t kVolumeNameBytesMax = 255;
inline constexpr uint64_t kVolumeBlocksMax = (64ull << 40) / kBlockBytes;  // 64 TiB

struct CatalogHeader {
  uint32_t magic = kCatalogMagic;
  uint32_t bytes = 0;  // of the whole payload, this header included
  uint32_t record_count = 0;
  uint32_t next_volume = 1;  // ids below were given out and never are again
  uint8_t complete = 0;      // 1: forget what came before
  uint8_t reserved[7] = {};
};
static_assert(sizeof(CatalogHeader) == 24);

inline constexpr uint32_t kVolumeGroupsMax = 64;

enum class RecordKind : uint8_t { kVolume = 0, kGroup = 1, kFence = 2 };

struct RecordHeader {
  uint64_t number = 0;  // volume: blocks, 0: deleted; group: position; fence: attach generation
  uint32_t id = 0;      // volume: its id; group: its id; fence: the volume
  uint16_t name_bytes = 0;
  RecordKind kind = RecordKind::kVolume;
  uint8_t group_count = 0;
};
static_assert(sizeof(RecordHeader) == 16);

struct GroupTail {
  Sequence everyone = 0;
  Epoch epoch = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(GroupTail) == 16);

struct VolumeRecord {
  VolumeId id{};
  uint64_t blocks = 0;
  std::string name;
  // Extent i belongs to groups[i % size]. Empty: the store is not part of a cluster.
  std::vector<GroupId> groups;
};

// What a member must not forget of a replication group; see docs/replication.md.
struct MemberState {
  GroupId id{};
  Epoch epoch = 0;        // never acts in an older one
  Sequence position = 0;  // everything up to here is committed
  Sequence everyone = 0;  // every member, in sync or not, has everything up to here
};

// Operations on the volume's blocks of this group by an older attach generation are refused.
struct AttachFence {
  GroupId group{};
  VolumeId volume{};
  uint64_t generation = 0;
};

struct CatalogPayload {
  bool complete = false;
  uint32_t next_volume = 1;
  std::vector<VolumeRecord> records;
  std::vector<MemberState> groups;
  std::vector<AttachFence> fences;
};

// 1-255 bytes of [A-Za-z0-9._-], the first a letter or digit.
bool volume_name_allowed(std::string_view name);
// A volume grows, up to kVolumeBlocksMax, and never shrinks: kInvalidArgument says so.
Status check_growth(std::string_view name, uint64_t size_bytes, uint64_t wanted_bytes);

// Bytes are padded to whole 4 KiB blocks.
std::vector<std::byte> encode_catalog(const CatalogPayload& payload);
std::optional<CatalogPayload> decode_catalog(std::span<const std::byte> bytes);

}  // namespace varve
