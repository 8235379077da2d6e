// Whether a disk group knows more than the cluster's records: then they are older than what was
// acknowledged on their account, because a backup was put back or an old copy is used, and nothing
// may be served by them. Epochs, attach generations, generations of volumes and ids only rise, and
// a disk group learns of each after it was in the records.
//
// Thread rule: plain functions.
#pragma once

#include <string>
#include <vector>

#include "core/cluster/cluster_view.h"
#include "core/format/catalog_record.h"

namespace varve {

// What a disk group holds of the cluster.
struct DiskKnowledge {
  std::vector<MemberState> groups;
  std::vector<AttachFence> fences;
  std::vector<VolumeRecord> volumes;
  std::vector<LineageRecord> lineages;
};

// In words, the first thing that is newer on the disk; empty: nothing.
std::string newer_on_disk(const DiskKnowledge& disk, const ClusterView& view);

}  // namespace varve
