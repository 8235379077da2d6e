// ClusterRecord: what makes the nodes one cluster, and the ids that are given out next. It stands
// under "cluster"; whoever creates anything raises a next id in the same transaction, so a commit
// on the record's revision also proves that nothing was created meanwhile.
//
// PlannerRecord: the node that plans ("planner"); see planner_task.h.
//
// MoveRecord: the cluster's way from one metadata store into another; see metadata_move.h.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace varve {

// A new cluster has the newest format. The first snapshot and the first tier of one that is older
// raise its format. Releases which know no records with these refuse the cluster in words.
inline constexpr uint32_t kFormatWithSnapshots = 2;
inline constexpr uint32_t kFormatWithTiers = 3;
inline constexpr uint32_t kClusterFormatVersion = kFormatWithTiers;
inline constexpr uint32_t kCopiesMax = 3;

struct ClusterRecord {
  Uuid id{};
  uint32_t format_version = kClusterFormatVersion;  // of all records
  uint32_t copies = 0;     // of a volume that asks for none; 0: one per node, at most kCopiesMax
  uint32_t next_node = 1;  // ids below were given out and never are again
  uint32_t next_disk_group = 1;
  uint32_t next_group = 1;
  uint32_t next_volume = 1;

  bool operator==(const ClusterRecord&) const = default;
};

std::string encode_cluster_record(const ClusterRecord& record);
// kDamaged: not a cluster record; kNewerFormat: written by a newer release; kStale: the cluster was
// moved elsewhere.
Result<ClusterRecord> decode_cluster_record(std::string_view text);

struct PlannerRecord {
  NodeId node{};
  uint64_t token = 0;  // random; tells its writer that it was applied

  bool operator==(const PlannerRecord&) const = default;
};

std::string encode_planner_record(const PlannerRecord& record);
Result<PlannerRecord> decode_planner_record(std::string_view text);

struct MoveRecord {
  Uuid cluster{};
  uint64_t token = 0;       // random; the same at both ends of one move
  std::string other_store;  // the other end, in words

  bool operator==(const MoveRecord&) const = default;
};

std::string encode_move_record(const MoveRecord& record);
Result<MoveRecord> decode_move_record(std::string_view text);
// Whether the value of the cluster's key says that the cluster is elsewhere.
bool is_move_record(std::string_view text);

}  // namespace varve
