// ReplicatedProgram: the node program under test: a store, the cluster's records, the replication
// protocol and the volumes of clients, from the very object files of varved.
//
// Thread rule, ownership: as NodeProgram.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime/turn.h"
#include "core/store/store.h"
#include "core/volume/cluster_node.h"
#include "core/volume/group_snapshot.h"
#include "core/volume/replicated_snapshot.h"
#include "tests/sim/cluster/cluster_run.h"
#include "tests/sim/cluster/node_program.h"

namespace varve {

class ReplicatedProgram final : public NodeProgram {
 public:
  explicit ReplicatedProgram(const NodeEnvironment& environment);
  ~ReplicatedProgram() override;

  static uint64_t device_bytes();
  // Cluster, nodes, disk groups, groups and volumes, as records.
  static void prepare(SimMetadata& metadata, const NemesisPlan& plan,
                      const std::vector<std::string>& volumes);

  Task<Status> start() override;
  Task<void> stop() override;
  Task<Status> attach(std::string volume) override;
  Task<Status> read(std::string volume, BlockRange range, std::byte* out) override;
  Task<Status> write(std::string volume, BlockRange range, const std::byte* data) override;
  Task<Status> trim(std::string volume, BlockRange range) override;
  void hand_over() override;
  bool settled() const override;
  Task<Status> read_replica(std::string volume, std::string snapshot, BlockRange range,
                            std::byte* out) override;
  Task<Status> snapshot(std::vector<std::string> volumes, std::string name) override;
  Task<Status> read_snapshot(std::string volume, std::string name, BlockRange range,
                             std::byte* out) override;
  Task<Status> delete_snapshot(std::string volume, std::string name) override;
  Task<Status> set_tier(std::string volume, VolumeTier tier) override;
  std::string state_line() const override;

 private:
  using VolumePtr = std::shared_ptr<ReplicatedVolume>;
  Task<Status> open_store();
  VolumePtr find(const std::string& name) const;
  bool snapshots_are_right() const;
  bool tiers_are_right() const;

  const NodeEnvironment environment_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<ClusterNode> node_;
  std::map<std::string, VolumePtr> volumes_;
  Turn snapshot_turn_;
  TaskGroup telling_;
  bool stopping_ = false;
  bool started_ = false;
};

// The program above as what a seed runs.
ClusterSetup replicated_setup();

}  // namespace varve
