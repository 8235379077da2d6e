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
//                       | snapshot: SnapshotTail, name bytes
//                       | lineage:  LineageTail, (first u32, fork u32) x branch_count
//                       | key:      KeyTail, wrapping key's name bytes, wrapped bytes
//                       | device:   DeviceTail
//                       | tier:     nothing
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

inline constexpr uint32_t kSnapshotsMax = 10000;  // of all volumes of a store
inline constexpr uint32_t kBranchesMax = 1024;    // of a volume: how often it was rolled back
inline constexpr uint32_t kWrappedKeyBytesMax = 256;

enum class RecordKind : uint8_t {
  kVolume = 0,
  kGroup = 1,
  kFence = 2,
  kSnapshot = 3,
  kLineage = 4,
  kKey = 5,
  kDevice = 6,
  kTier = 7,
};

struct RecordHeader {
  // Volume and snapshot: blocks, 0: deleted; group: position; fence: attach generation; lineage,
  // key: 0; device: slots; tier: a VolumeTier.
  uint64_t number = 0;
  uint32_t id = 0;  // volume: its id; group: its id; device: its number; the others: the volume
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

struct SnapshotTail {
  uint64_t created_seconds = 0;
  Generation generation = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(SnapshotTail) == 16);

struct LineageTail {
  Generation newest = 0;
  uint32_t base_volume = 0;
  Generation base_generation = 0;
  uint16_t branch_count = 0;
  uint8_t headless = 0;
  uint8_t reserved = 0;
};
static_assert(sizeof(LineageTail) == 16);

struct KeyTail {
  uint16_t wrapped_bytes = 0;
  uint8_t reserved[6] = {};
};
static_assert(sizeof(KeyTail) == 8);

struct DeviceTail {
  Uuid device{};
};
static_assert(sizeof(DeviceTail) == 16);

inline constexpr uint32_t kColdDevicesMax = 63;
inline constexpr uint32_t kColdSlotsMax = 1u << 24;  // of one HDD

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

// A view of a volume that stays as it is.
struct SnapshotRecord {
  VolumeId volume{};
  Generation generation = 0;
  uint64_t blocks = 0;  // size of the volume then; 0: deleted
  uint64_t created_seconds = 0;
  // Empty: it was deleted, and is kept only because clones stand on it.
  std::string name;
};

// How the generations of a volume hang together; see core/map/lineage.h.
struct LineageRecord {
  struct Branch {
    Generation first = 0;
    Generation fork = 0;
    bool operator==(const Branch&) const = default;
  };
  VolumeId volume{};
  Generation newest = 0;  // at least; the log may show a newer one
  VolumeId base{};        // 0: the volume is no clone
  Generation base_generation = 0;
  bool headless = false;         // the volume was deleted; snapshots of it are kept for clones
  std::vector<Branch> branches;  // ascending; empty: it was never rolled back
};

// A data key as only the owner of a wrapping key can read it. Opaque to the store.
struct WrappedKey {
  std::string wrapping_key;      // its name
  std::vector<std::byte> bytes;  // 1 to kWrappedKeyBytesMax
};

// The data key of an encrypted volume and, without records of their own, of all its clones.
struct KeyRecord {
  VolumeId volume{};
  WrappedKey key;
};

// An HDD of the disk group. Its slots come behind those of the HDDs with lower numbers.
struct DeviceRecord {
  uint32_t number = 0;  // 1 to kColdDevicesMax
  uint32_t slot_count = 0;
  Uuid device{};
};

// Where a volume's blocks are kept in a disk group with HDDs.
enum class VolumeTier : uint8_t {
  kAuto = 0,
  kSsd = 1,  // they do not sink, unless writers wait for room that nothing else makes
  kHdd = 2,  // reads of them neither keep them on the SSD nor bring them into the read cache
};

inline constexpr std::string_view kTierNames = "auto, ssd or hdd";
std::string_view tier_name(VolumeTier tier);
// Nothing: it is not the name of a tier.
std::optional<VolumeTier> parse_tier(std::string_view name);

struct TierRecord {
  VolumeId volume{};
  VolumeTier tier = VolumeTier::kAuto;

  bool operator==(const TierRecord&) const = default;
};

struct CatalogPayload {
  bool complete = false;
  uint32_t next_volume = 1;
  std::vector<VolumeRecord> records;
  std::vector<MemberState> groups;
  std::vector<AttachFence> fences;
  std::vector<SnapshotRecord> snapshots;
  std::vector<LineageRecord> lineages;
  std::vector<KeyRecord> keys;
  std::vector<DeviceRecord> devices;
  std::vector<TierRecord> tiers;
};

// 1-255 bytes of [A-Za-z0-9._-], the first a letter or digit.
bool volume_name_allowed(std::string_view name);
// The same as an error that tells: kInvalidArgument. `what`: "volume", "snapshot".
Status check_name(std::string_view name, std::string_view what);
// A volume grows, up to kVolumeBlocksMax, and never shrinks: kInvalidArgument says so.
Status check_growth(std::string_view name, uint64_t size_bytes, uint64_t wanted_bytes);

// Bytes are padded to whole 4 KiB blocks.
std::vector<std::byte> encode_catalog(const CatalogPayload& payload);
std::optional<CatalogPayload> decode_catalog(std::span<const std::byte> bytes);

}  // namespace varve
