// Catalog records: the volumes of a disk group, as bytes in catalog batches.
//
// A catalog batch holds one payload, padded with zeroes to whole blocks. The first batch of a
// catalog segment is complete (all volumes); those after it change single volumes.
//
// Payload: CatalogHeader | records;  record: RecordHeader | name bytes
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

struct RecordHeader {
  uint64_t blocks = 0;  // size of the volume; 0: the volume is deleted
  uint32_t volume = 0;
  uint16_t name_bytes = 0;
  uint16_t reserved = 0;
};
static_assert(sizeof(RecordHeader) == 16);

struct VolumeRecord {
  VolumeId id{};
  uint64_t blocks = 0;
  std::string name;
};

struct CatalogPayload {
  bool complete = false;
  uint32_t next_volume = 1;
  std::vector<VolumeRecord> records;
};

// 1-255 bytes of [A-Za-z0-9._-], the first a letter or digit.
bool volume_name_allowed(std::string_view name);

// Bytes are padded to whole 4 KiB blocks.
std::vector<std::byte> encode_catalog(const CatalogPayload& payload);
std::optional<CatalogPayload> decode_catalog(std::span<const std::byte> bytes);

}  // namespace varve
