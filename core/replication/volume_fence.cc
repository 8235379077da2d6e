#include "core/replication/volume_fence.h"

#include <cstring>

#include "core/base/check.h"

namespace varve {
namespace {

template <typename Value>
void put(std::vector<std::byte>& out, const Value& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename Value>
Value take(std::span<const std::byte>& rest) {
  Value value;
  std::memcpy(&value, rest.data(), sizeof value);
  rest = rest.subspan(sizeof value);
  return value;
}

}  // namespace

FenceMessage encode_fence(const FencedVolume& volume) {
  const VolumeRecord& record = volume.record;
  const LineageRecord& lineage = volume.history.lineage;
  VARVE_CHECK(volume.history.snapshots.size() <= kFenceSnapshotsMax);
  VARVE_CHECK(lineage.branches.size() <= kFenceBranchesMax);
  FenceMessage message;
  message.body = {.volume = record.id,
                  .name_bytes = static_cast<uint32_t>(record.name.size()),
                  .block_count = record.blocks,
                  .attach_generation = volume.fence.generation,
                  .group_count = static_cast<uint32_t>(record.groups.size()),
                  .snapshot_count = static_cast<uint32_t>(volume.history.snapshots.size()),
                  .branch_count = static_cast<uint32_t>(lineage.branches.size()),
                  .newest_generation = lineage.newest,
                  .base = lineage.base,
                  .base_generation = lineage.base_generation};
  for (const SnapshotRecord& snapshot : volume.history.snapshots)
    put(message.payload, FenceSnapshot{.block_count = snapshot.blocks,
                                       .created_seconds = snapshot.created_seconds,
                                       .generation = snapshot.generation});
  for (const LineageRecord::Branch& branch : lineage.branches)
    put(message.payload, FenceBranch{.first = branch.first, .fork = branch.fork});
  for (const GroupId group : record.groups) put(message.payload, group);
  const auto name = std::as_bytes(std::span(record.name));
  message.payload.insert(message.payload.end(), name.begin(), name.end());
  return message;
}

FencedVolume decode_fence(GroupId group, const VolumeFence& body,
                          std::span<const std::byte> payload) {
  FencedVolume volume;
  volume.fence = {group, body.volume, body.attach_generation};
  volume.record.id = body.volume;
  volume.record.blocks = body.block_count;
  LineageRecord& lineage = volume.history.lineage;
  lineage.volume = body.volume;
  lineage.newest = body.newest_generation;
  lineage.base = body.base;
  lineage.base_generation = body.base_generation;
  for (uint32_t i = 0; i < body.snapshot_count; ++i) {
    const auto snapshot = take<FenceSnapshot>(payload);
    volume.history.snapshots.push_back({.volume = body.volume,
                                        .generation = snapshot.generation,
                                        .blocks = snapshot.block_count,
                                        .created_seconds = snapshot.created_seconds,
                                        .name = {}});
  }
  for (uint32_t i = 0; i < body.branch_count; ++i) {
    const auto branch = take<FenceBranch>(payload);
    lineage.branches.push_back({branch.first, branch.fork});
  }
  for (uint32_t i = 0; i < body.group_count; ++i)
    volume.record.groups.push_back(take<GroupId>(payload));
  volume.record.name.assign(reinterpret_cast<const char*>(payload.data()), body.name_bytes);
  return volume;
}

}  // namespace varve
