// ClusterNode: what makes this node one of a cluster: its view of the records, its peers, its
// members of groups, and the volumes that it opens.
//
// Thread rule: one shard's thread. Ownership: borrows runtime, transports and metadata store.
// Before the destructor: close every volume, await stop(); then destroy the transports, then this.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/cluster/cluster_view.h"
#include "core/cluster/planner_task.h"
#include "core/net/peers.h"
#include "core/replication/replication_node.h"
#include "core/volume/replicated_volume.h"

namespace varve {

struct ClusterNodeOptions {
  Uuid cluster{};
  NodeId node{};
  uint64_t boot = 0;
  std::vector<std::string> listen;  // of each transport
  // Room for payloads that arrive; see PeersOptions.
  uint32_t receive_buffers_small = PeersOptions().receive_buffers_small;
  uint32_t receive_buffers_large = PeersOptions().receive_buffers_large;
};

// A volume that has another tier in a disk group of this node than its record says.
struct TierDifference {
  DiskGroupId disk_group{};
  std::string volume;
  VolumeTier held = VolumeTier::kAuto;
  VolumeTier wanted = VolumeTier::kAuto;
  std::string why;
};

class ClusterNode final : public NodeSilence {
 public:
  // `transports`: most wanted first.
  ClusterNode(Runtime& runtime, std::vector<NamedTransport> transports, MetadataStore& metadata,
              ClusterNodeOptions options);
  ~ClusterNode() override;

  // Begins to listen on each transport; returns the addresses for others, in the words of a node's
  // record. Then start(). One that cannot listen is not used, which is logged; the error: none can.
  Result<std::string> listen();
  const Peers& peers() const { return peers_; }
  // Reads the cluster's records (until `deadline_ns`) and begins to take part.
  Task<Status> start(uint64_t deadline_ns);
  // Told after each change of the view, until it is replaced; null: nobody.
  void set_listener(std::function<void()> listener) { listener_ = std::move(listener); }
  // Also after start(): it takes part in the groups whose records are known already.
  void add_disk_group(DiskGroupId id, Store& store);
  // A disk group got an HDD, and its SSD less room for what is to stay there. Not after stop().
  void hdd_added() { follow_tiers(); }
  Task<void> stop();
  // Before stop(), when it is not a failure: gives the offices of this node to others.
  Task<void> leave();

  // Attaches the volume to this node and tells its groups. kBusy: another node holds it (the
  // message names it). It waits for groups that have no primary.
  Task<Result<std::unique_ptr<ReplicatedVolume>>> open(std::string name, bool force);
  // Each open() that still waits for a group ends with kClosed, and every later one.
  void end_opens();
  // Gives it back; `volume` was closed and nothing of it is under way.
  Task<Status> detach(const ClusterVolume& volume);

  ClusterView& view() { return view_; }
  ReplicationNode& replication() { return replication_; }
  NodeId node() const { return options_.node; }
  bool is_silent(NodeId node) const override;
  ClusterContext context() const;
  std::vector<TierDifference> tier_differences() const;

 private:
  Task<void> follow_view();
  void take_over_records();
  void drop_deleted_volumes();
  void drop_deleted_snapshots();
  Task<void> drop(Store* store, VolumeId volume);
  // cluster_tiers.cc
  void follow_tiers();
  Task<void> follow_tiers(Store* store);
  // A volume whose tier in the store is to become another one; nothing: all is as it should be.
  std::optional<TierRecord> next_tier(const Store& store) const;
  Task<void> keep_snapshots(Store* store, VolumeId volume, ClusterHistory seen);

  Runtime& runtime_;
  MetadataStore& metadata_;
  const ClusterNodeOptions options_;
  const std::vector<std::string> transport_names_;
  Peers peers_;
  ClusterView view_;
  ReplicationNode replication_;
  std::set<std::pair<Store*, VolumeId>> dropping_;
  std::set<Store*> tiering_;  // follow_tiers() is at work
  std::set<ReplicatedVolume*> opening_;
  bool opens_ended_ = false;
  std::function<void()> listener_;
  TaskGroup tasks_;
};

}  // namespace varve
