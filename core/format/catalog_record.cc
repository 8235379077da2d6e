#include "core/format/catalog_record.h"

#include <cstring>

#include "core/format/seal.h"

namespace varve {
namespace {

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void put(std::vector<std::byte>& out, const void* from, size_t bytes) {
  const auto* begin = static_cast<const std::byte*>(from);
  out.insert(out.end(), begin, begin + bytes);
}

}  // namespace

bool volume_name_allowed(std::string_view name) {
  if (name.empty() || name.size() > kVolumeNameBytesMax || !letter_or_digit(name[0])) return false;
  for (const char c : name)
    if (!letter_or_digit(c) && c != '.' && c != '_' && c != '-') return false;
  return true;
}

std::vector<std::byte> encode_catalog(const CatalogPayload& payload) {
  CatalogHeader header;
  header.record_count = static_cast<uint32_t>(payload.records.size());
  header.next_volume = payload.next_volume;
  header.complete = payload.complete ? 1 : 0;
  std::vector<std::byte> out;
  put(out, &header, sizeof header);
  for (const VolumeRecord& record : payload.records) {
    const RecordHeader at{.blocks = record.blocks,
                          .volume = static_cast<uint32_t>(record.id),
                          .name_bytes = static_cast<uint16_t>(record.name.size())};
    put(out, &at, sizeof at);
    put(out, record.name.data(), record.name.size());
  }
  header.bytes = static_cast<uint32_t>(out.size());
  std::memcpy(out.data(), &header, sizeof header);
  out.resize(round_up(out.size(), kBlockBytes));
  return out;
}

std::optional<CatalogPayload> decode_catalog(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(CatalogHeader)) return {};
  const auto header = load_struct<CatalogHeader>(bytes.data());
  if (header.magic != kCatalogMagic || header.bytes > bytes.size()) return {};
  CatalogPayload payload{.complete = header.complete == 1, .next_volume = header.next_volume};
  size_t at = sizeof header;
  for (uint32_t i = 0; i < header.record_count; ++i) {
    if (header.bytes < at + sizeof(RecordHeader)) return {};
    const auto record = load_struct<RecordHeader>(bytes.data() + at);
    at += sizeof record;
    if (header.bytes < at + record.name_bytes) return {};
    std::string name(reinterpret_cast<const char*>(bytes.data() + at), record.name_bytes);
    at += record.name_bytes;
    if (record.volume == 0 || record.volume >= header.next_volume) return {};
    if (record.blocks > kVolumeBlocksMax || !volume_name_allowed(name)) return {};
    payload.records.push_back({VolumeId{record.volume}, record.blocks, std::move(name)});
  }
  return payload;
}

}  // namespace varve
