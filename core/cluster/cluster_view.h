// ClusterView: the cluster's records as this node knows them, kept up to date by watches.
//
// What it says may be old, and nobody's safety rests on it: whoever changes a record does so by
// compare-and-swap on the revision that stands here, and tries again where that was too old.
//
//     uint64_t seen = 0;
//     do {
//       seen = view.version();
//       ...look...
//     } while (co_await view.changed_since(seen));
//
// Thread rule: one shard's thread. References and pointers are good until the next await.
// Ownership: runtime and store are borrowed and outlive this. Before the destructor: await stop().
// Errors: records that cannot be read are listed by unreadable(); what was known before stays.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/cluster/cluster_record.h"
#include "core/cluster/cluster_volume.h"
#include "core/cluster/group_record.h"
#include "core/cluster/metadata_store.h"
#include "core/cluster/node_record.h"
#include "core/cluster/view_part.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task_group.h"
#include "core/runtime/wait_list.h"

namespace varve {

class ClusterView {
 public:
  ClusterView(Runtime& runtime, MetadataStore& store);
  ClusterView(const ClusterView&) = delete;
  ClusterView& operator=(const ClusterView&) = delete;
  ~ClusterView();

  // Reads everything once; from then on the watches keep it. Tries again until `deadline_ns`; then
  // what the store said, and start() may be called again.
  Task<Status> start(uint64_t deadline_ns);
  // Nothing changes any more; ends every changed_since().
  Task<void> stop();

  // Revision 0: there is no cluster yet.
  const Versioned<ClusterRecord>& cluster() const { return cluster_.get(); }
  // Null: not known.
  const Versioned<NodeRecord>* node(NodeId id) const { return nodes_.find(id); }
  const Versioned<DiskGroupRecord>* disk_group(DiskGroupId id) const {
    return disk_groups_.find(id);
  }
  const Versioned<GroupRecord>* group(GroupId id) const { return groups_.find(id); }
  const Versioned<ClusterVolume>* volume(VolumeId id) const { return volumes_.find(id); }
  // Not one that is deleted.
  const Versioned<ClusterVolume>* volume(std::string_view name) const;

  const std::map<NodeId, Versioned<NodeRecord>>& nodes() const { return nodes_.all(); }
  const std::map<DiskGroupId, Versioned<DiskGroupRecord>>& disk_groups() const {
    return disk_groups_.all();
  }
  const std::map<GroupId, Versioned<GroupRecord>>& groups() const { return groups_.all(); }
  // Deleted ones too.
  const std::map<VolumeId, Versioned<ClusterVolume>>& volumes() const { return volumes_.all(); }
  // Key -> why.
  std::map<std::string, std::string> unreadable() const;

  // Raised by every change.
  uint64_t version() const { return version_; }
  // Ends when version() is another one: true; after stop(): false.
  Task<bool> changed_since(uint64_t version);

 private:
  void begin_watch(ViewPart* part);
  void changed(ViewPart* part, const MetadataNews& news);
  Task<Status> load(ViewPart* part, uint64_t deadline_ns);
  Task<void> load_missed(ViewPart* part);
  // `part` has changed.
  void tell(const ViewPart* part);

  Runtime& runtime_;
  MetadataStore& store_;
  ViewSingle<ClusterRecord> cluster_{kClusterKey, decode_cluster_record};
  ViewTable<NodeId, NodeRecord> nodes_{kNodePrefix, decode_node_record};
  ViewTable<DiskGroupId, DiskGroupRecord> disk_groups_{kDiskGroupPrefix, decode_disk_group_record};
  ViewTable<GroupId, GroupRecord> groups_{kGroupPrefix, decode_group_record};
  ViewTable<VolumeId, ClusterVolume> volumes_{kVolumePrefix, decode_cluster_volume};
  const std::array<ViewPart*, 5> parts_{&cluster_, &nodes_, &disk_groups_, &groups_, &volumes_};
  std::map<std::string, VolumeId, std::less<>> volume_names_;
  uint64_t version_ = 1;
  bool is_stopping_ = false;
  WaitList changes_;
  WaitList stopping_;
  TaskGroup tasks_;
};

}  // namespace varve
