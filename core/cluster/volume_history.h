// ClusterHistory: the snapshots of a volume and how its generations hang together; a part of the
// volume's record (docs/replication.md, "Snapshots").
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/cluster/record_text.h"
#include "core/format/catalog_record.h"

namespace varve {

inline constexpr uint32_t kVolumeSnapshotsMax = 1000;
// Of all volumes: a store may have to keep them all, and for a while others that it has not heard
// to be deleted. One that has no room for a snapshot stops the volume's writers.
inline constexpr uint32_t kClusterSnapshotsMax = 8000;
static_assert(kClusterSnapshotsMax + kVolumeSnapshotsMax < kSnapshotsMax);

struct ClusterSnapshot {
  Generation generation = 0;
  uint64_t size_bytes = 0;  // of the volume then
  uint64_t created_seconds = 0;
  // Random while it is being taken: it does not exist yet, and its generation is kept for it.
  uint64_t pending = 0;
  std::string name;

  bool operator==(const ClusterSnapshot&) const = default;
};

struct ClusterHistory {
  Generation newest = 0;  // what writes of later attachments carry at least
  VolumeId base{};        // what the volume is a clone of; 0: of nothing
  Generation base_generation = 0;
  std::vector<LineageRecord::Branch> branches;  // empty: it was never rolled back
  std::vector<ClusterSnapshot> snapshots;       // by generation

  bool operator==(const ClusterHistory&) const = default;
  bool is_plain() const { return *this == ClusterHistory(); }
  // Null: there is none, or it is only being taken.
  const ClusterSnapshot* find(std::string_view name) const;
  const ClusterSnapshot* find(Generation generation) const;
  // What is being taken by nobody any more.
  void forget_pending();
};

// A plain history has no lines.
void put_history(RecordWriter& writer, const ClusterHistory& history);
ClusterHistory take_history(RecordReader& reader, VolumeId volume);

}  // namespace varve
