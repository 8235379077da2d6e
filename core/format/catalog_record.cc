#include "core/format/catalog_record.h"

#include <cstring>

#include "core/base/size_text.h"
#include "core/base/text.h"
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

template <typename Struct>
void put(std::vector<std::byte>& out, const Struct& value) {
  put(out, &value, sizeof value);
}

void put_volume(std::vector<std::byte>& out, const VolumeRecord& record) {
  put(out, RecordHeader{.number = record.blocks,
                        .id = static_cast<uint32_t>(record.id),
                        .name_bytes = static_cast<uint16_t>(record.name.size()),
                        .kind = RecordKind::kVolume,
                        .group_count = static_cast<uint8_t>(record.groups.size())});
  put(out, record.groups.data(), record.groups.size() * sizeof(GroupId));
  put(out, record.name.data(), record.name.size());
}

void put_group(std::vector<std::byte>& out, const MemberState& group) {
  put(out, RecordHeader{.number = group.position,
                        .id = static_cast<uint32_t>(group.id),
                        .kind = RecordKind::kGroup});
  put(out, GroupTail{.everyone = group.everyone, .epoch = group.epoch});
}

void put_fence(std::vector<std::byte>& out, const AttachFence& fence) {
  put(out, RecordHeader{.number = fence.generation,
                        .id = static_cast<uint32_t>(fence.volume),
                        .kind = RecordKind::kFence});
  put(out, uint64_t{static_cast<uint32_t>(fence.group)});
}

void put_snapshot(std::vector<std::byte>& out, const SnapshotRecord& snapshot) {
  put(out, RecordHeader{.number = snapshot.blocks,
                        .id = static_cast<uint32_t>(snapshot.volume),
                        .name_bytes = static_cast<uint16_t>(snapshot.name.size()),
                        .kind = RecordKind::kSnapshot});
  put(out,
      SnapshotTail{.created_seconds = snapshot.created_seconds, .generation = snapshot.generation});
  put(out, snapshot.name.data(), snapshot.name.size());
}

void put_lineage(std::vector<std::byte>& out, const LineageRecord& lineage) {
  put(out, RecordHeader{.id = static_cast<uint32_t>(lineage.volume), .kind = RecordKind::kLineage});
  put(out, LineageTail{.newest = lineage.newest,
                       .base_volume = static_cast<uint32_t>(lineage.base),
                       .base_generation = lineage.base_generation,
                       .branch_count = static_cast<uint16_t>(lineage.branches.size()),
                       .headless = static_cast<uint8_t>(lineage.headless ? 1 : 0)});
  for (const LineageRecord::Branch& branch : lineage.branches) put(out, branch);
}

void put_key(std::vector<std::byte>& out, const KeyRecord& record) {
  const WrappedKey& key = record.key;
  put(out, RecordHeader{.id = static_cast<uint32_t>(record.volume),
                        .name_bytes = static_cast<uint16_t>(key.wrapping_key.size()),
                        .kind = RecordKind::kKey});
  put(out, KeyTail{.wrapped_bytes = static_cast<uint16_t>(key.bytes.size())});
  put(out, key.wrapping_key.data(), key.wrapping_key.size());
  put(out, key.bytes.data(), key.bytes.size());
}

void put_device(std::vector<std::byte>& out, const DeviceRecord& record) {
  put(out,
      RecordHeader{.number = record.slot_count, .id = record.number, .kind = RecordKind::kDevice});
  put(out, DeviceTail{.device = record.device});
}

void put_tier(std::vector<std::byte>& out, const TierRecord& record) {
  put(out, RecordHeader{.number = static_cast<uint64_t>(record.tier),
                        .id = static_cast<uint32_t>(record.volume),
                        .kind = RecordKind::kTier});
}

// What is left to read of a payload. Every take() says whether there was enough.
struct Rest {
  std::span<const std::byte> bytes;
  template <typename Struct>
  bool take(Struct& value) {
    if (bytes.size() < sizeof value) return false;
    value = load_struct<Struct>(bytes.data());
    bytes = bytes.subspan(sizeof value);
    return true;
  }
  bool take(std::vector<std::byte>& into, size_t length) {
    if (bytes.size() < length) return false;
    into.assign(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(length));
    bytes = bytes.subspan(length);
    return true;
  }
  bool take(std::string& text, size_t length) {
    if (bytes.size() < length) return false;
    text.assign(reinterpret_cast<const char*>(bytes.data()), length);
    bytes = bytes.subspan(length);
    return true;
  }
};

bool take_volume(Rest& rest, const RecordHeader& header, CatalogPayload& payload) {
  VolumeRecord record{.id = VolumeId{header.id}, .blocks = header.number, .name = {}, .groups = {}};
  if (header.group_count > kVolumeGroupsMax) return false;
  for (uint32_t i = 0; i < header.group_count; ++i) {
    GroupId group{};
    if (!rest.take(group) || group == GroupId{}) return false;
    record.groups.push_back(group);
  }
  if (!rest.take(record.name, header.name_bytes)) return false;
  if (header.id == 0 || header.id >= payload.next_volume) return false;
  if (record.blocks > kVolumeBlocksMax || !volume_name_allowed(record.name)) return false;
  payload.records.push_back(std::move(record));
  return true;
}

bool take_group(Rest& rest, const RecordHeader& header, CatalogPayload& payload) {
  GroupTail tail;
  if (!rest.take(tail) || header.id == 0 || tail.epoch > kEpochMax) return false;
  payload.groups.push_back({.id = GroupId{header.id},
                            .epoch = tail.epoch,
                            .position = header.number,
                            .everyone = tail.everyone});
  return true;
}

bool take_fence(Rest& rest, const RecordHeader& header, CatalogPayload& payload) {
  uint64_t group = 0;
  if (!rest.take(group) || group == 0 || group > UINT32_MAX || header.id == 0) return false;
  payload.fences.push_back({.group = GroupId{static_cast<uint32_t>(group)},
                            .volume = VolumeId{header.id},
                            .generation = header.number});
  return true;
}

bool take_snapshot(Rest& rest, const RecordHeader& header, CatalogPayload& payload) {
  SnapshotTail tail;
  SnapshotRecord record;
  if (!rest.take(tail) || !rest.take(record.name, header.name_bytes)) return false;
  if (header.id == 0 || header.number > kVolumeBlocksMax || tail.generation >= kHead - 1)
    return false;
  if (!record.name.empty() && !volume_name_allowed(record.name)) return false;
  record.volume = VolumeId{header.id};
  record.generation = tail.generation;
  record.blocks = header.number;
  record.created_seconds = tail.created_seconds;
  payload.snapshots.push_back(std::move(record));
  return true;
}

// Branches ascend, and each goes on below its own beginning.
bool branches_plausible(const std::vector<LineageRecord::Branch>& branches) {
  for (size_t i = 0; i < branches.size(); ++i) {
    const LineageRecord::Branch& branch = branches[i];
    if (i == 0 && (branch.first != 0 || branch.fork != 0)) return false;
    if (i > 0 && (branch.first <= branches[i - 1].first || branch.fork >= branch.first))
      return false;
  }
  return true;
}

bool take_lineage(Rest& rest, const RecordHeader& header, CatalogPayload& payload) {
  LineageTail tail;
  if (!rest.take(tail) || header.id == 0 || tail.branch_count > kBranchesMax) return false;
  if (tail.newest >= kHead || tail.base_volume == header.id) return false;
  LineageRecord record{.volume = VolumeId{header.id},
                       .newest = tail.newest,
                       .base = VolumeId{tail.base_volume},
                       .base_generation = tail.base_generation,
                       .headless = tail.headless == 1,
                       .branches = {}};
  for (uint32_t i = 0; i < tail.branch_count; ++i)
    if (!rest.take(record.branches.emplace_back())) return false;
  if (!branches_plausible(record.branches)) return false;
  payload.lineages.push_back(std::move(record));
  return true;
}

bool take_key(Rest& rest, const RecordHeader& header, CatalogPayload& payload) {
  KeyTail tail;
  KeyRecord record;
  if (!rest.take(tail) || header.id == 0) return false;
  if (tail.wrapped_bytes == 0 || tail.wrapped_bytes > kWrappedKeyBytesMax) return false;
  if (!rest.take(record.key.wrapping_key, header.name_bytes)) return false;
  if (!volume_name_allowed(record.key.wrapping_key)) return false;
  if (!rest.take(record.key.bytes, tail.wrapped_bytes)) return false;
  record.volume = VolumeId{header.id};
  payload.keys.push_back(std::move(record));
  return true;
}

bool take_device(Rest& rest, const RecordHeader& header, CatalogPayload& payload) {
  DeviceTail tail;
  if (!rest.take(tail) || header.id == 0 || header.id > kColdDevicesMax) return false;
  if (header.number == 0 || header.number > kColdSlotsMax) return false;
  payload.devices.push_back({.number = header.id,
                             .slot_count = static_cast<uint32_t>(header.number),
                             .device = tail.device});
  return true;
}

bool take_tier(const RecordHeader& header, CatalogPayload& payload) {
  if (header.id == 0 || header.number > static_cast<uint64_t>(VolumeTier::kHdd)) return false;
  payload.tiers.push_back({VolumeId{header.id}, static_cast<VolumeTier>(header.number)});
  return true;
}

bool take_record(Rest& rest, CatalogPayload& payload) {
  RecordHeader header;
  if (!rest.take(header)) return false;
  switch (header.kind) {
    case RecordKind::kVolume:
      return take_volume(rest, header, payload);
    case RecordKind::kGroup:
      return take_group(rest, header, payload);
    case RecordKind::kFence:
      return take_fence(rest, header, payload);
    case RecordKind::kSnapshot:
      return take_snapshot(rest, header, payload);
    case RecordKind::kLineage:
      return take_lineage(rest, header, payload);
    case RecordKind::kKey:
      return take_key(rest, header, payload);
    case RecordKind::kDevice:
      return take_device(rest, header, payload);
    case RecordKind::kTier:
      return take_tier(header, payload);
  }
  return false;
}

}  // namespace

std::string_view tier_name(VolumeTier tier) {
  switch (tier) {
    case VolumeTier::kAuto:
      return "auto";
    case VolumeTier::kSsd:
      return "ssd";
    case VolumeTier::kHdd:
      return "hdd";
  }
  return "unknown";
}

std::optional<VolumeTier> parse_tier(std::string_view name) {
  for (const VolumeTier tier : {VolumeTier::kAuto, VolumeTier::kSsd, VolumeTier::kHdd})
    if (tier_name(tier) == name) return tier;
  return std::nullopt;
}

bool volume_name_allowed(std::string_view name) {
  if (name.empty() || name.size() > kVolumeNameBytesMax || !letter_or_digit(name[0])) return false;
  for (const char c : name)
    if (!letter_or_digit(c) && c != '.' && c != '_' && c != '-') return false;
  return true;
}

Status check_name(std::string_view name, std::string_view what) {
  if (volume_name_allowed(name)) return {};
  return {ErrorCode::kInvalidArgument,
          text("\"", name, "\" is not a ", what, " name; allowed are 1 to 255 letters, ",
               "digits, '.', '_' and '-', the first a letter or digit")};
}

Status check_growth(std::string_view name, uint64_t size_bytes, uint64_t wanted_bytes) {
  constexpr uint64_t kSizeMax = kVolumeBlocksMax * kBlockBytes;
  if (wanted_bytes > kSizeMax)
    return {ErrorCode::kInvalidArgument,
            text("a volume may have ", size_text(kSizeMax), ", not ", size_text(wanted_bytes))};
  if (wanted_bytes < size_bytes)
    return {ErrorCode::kInvalidArgument,
            text("volume ", name, " has ", size_text(size_bytes), " and cannot shrink to ",
                 size_text(wanted_bytes),
                 ": what lies behind the new end would be lost; copy it into a smaller volume")};
  return {};
}

std::vector<std::byte> encode_catalog(const CatalogPayload& payload) {
  const size_t count = payload.records.size() + payload.groups.size() + payload.fences.size() +
                       payload.snapshots.size() + payload.lineages.size() + payload.keys.size() +
                       payload.devices.size() + payload.tiers.size();
  CatalogHeader header;
  header.record_count = static_cast<uint32_t>(count);
  header.next_volume = payload.next_volume;
  header.complete = payload.complete ? 1 : 0;
  std::vector<std::byte> out;
  put(out, header);
  for (const VolumeRecord& record : payload.records) put_volume(out, record);
  for (const MemberState& group : payload.groups) put_group(out, group);
  for (const AttachFence& fence : payload.fences) put_fence(out, fence);
  for (const SnapshotRecord& snapshot : payload.snapshots) put_snapshot(out, snapshot);
  for (const LineageRecord& lineage : payload.lineages) put_lineage(out, lineage);
  for (const KeyRecord& record : payload.keys) put_key(out, record);
  for (const DeviceRecord& record : payload.devices) put_device(out, record);
  for (const TierRecord& record : payload.tiers) put_tier(out, record);
  header.bytes = static_cast<uint32_t>(out.size());
  std::memcpy(out.data(), &header, sizeof header);
  out.resize(round_up(out.size(), kBlockBytes));
  return out;
}

std::optional<CatalogPayload> decode_catalog(std::span<const std::byte> bytes) {
  Rest rest{bytes};
  CatalogHeader header;
  if (!rest.take(header)) return {};
  if (header.magic != kCatalogMagic || header.bytes > bytes.size() || header.bytes < sizeof header)
    return {};
  rest.bytes = rest.bytes.first(header.bytes - sizeof header);
  CatalogPayload payload;
  payload.complete = header.complete == 1;
  payload.next_volume = header.next_volume;
  for (uint32_t i = 0; i < header.record_count; ++i)
    if (!take_record(rest, payload)) return {};
  return payload;
}

}  // namespace varve
