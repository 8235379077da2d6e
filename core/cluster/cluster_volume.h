// ClusterVolume: a volume of the cluster: its size, the groups that hold it and who may use it. It
// stands under "volume/<id>"; "volume_name/<name>" holds the id, so that no name exists twice.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/base/units.h"
#include "core/cluster/volume_history.h"
#include "core/format/catalog_record.h"

namespace varve {

enum class HolderMode : uint8_t { kReadWrite, kReadOnly };

struct ClusterVolume {
  VolumeId id{};
  std::string name;
  uint64_t size_bytes = 0;
  uint32_t copies = 1;
  std::vector<GroupId> groups;  // extent i -> groups[i % count]; never changes
  uint64_t generation = 0;      // attach generation; raised by each attach, never goes back
  NodeId holder{};              // 0: nobody holds it
  HolderMode holder_mode = HolderMode::kReadWrite;
  bool deleted = false;  // the record stays until every group has forgotten the volume
  uint64_t token = 0;    // random; tells a writer that its change was applied
  VolumeTier tier = VolumeTier::kAuto;  // in every disk group that holds it
  ClusterHistory history;

  bool operator==(const ClusterVolume&) const = default;
  // REQUIRES a decoded or created volume: groups is not empty.
  GroupId group_of_block(uint64_t block) const {
    return groups[block / kExtentBlocks % groups.size()];
  }
};

std::string encode_cluster_volume(const ClusterVolume& volume);
// kDamaged: not a volume record; the message says where.
Result<ClusterVolume> decode_cluster_volume(std::string_view text);

// Whole blocks, at least one, at most what a disk group's format takes.
bool volume_size_allowed(uint64_t size_bytes);

}  // namespace varve
