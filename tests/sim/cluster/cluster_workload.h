// ClusterWorkload: clients of a simulated cluster. Every volume has one owner, the client that
// attached it last, and sometimes an owner before it that has not noticed. All answers are judged
// as they come.
//
// Thread rule: the loop's thread, on its own run queue and clock. Ownership: borrows everything.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/runtime/task_group.h"
#include "tests/sim/cluster/cluster_checker.h"
#include "tests/sim/cluster/cluster_trace.h"
#include "tests/sim/cluster/cut_checker.h"
#include "tests/sim/cluster/nemesis.h"
#include "tests/sim/cluster/nemesis_plan.h"

namespace varve {

class ClusterWorkload {
 public:
  // `volumes`: names; they exist, are empty, and have plan.volume_blocks blocks.
  ClusterWorkload(SimLoop& loop, SimClusterNodes& nodes, ClusterChecker& checker,
                  const NemesisPlan& plan, const std::vector<std::string>& volumes, uint64_t seed,
                  ClusterTrace& trace);

  void start();
  // No further operations; those under way go on.
  void stop() { stopping_ = true; }
  bool ended() const { return tasks_.running() == 0; }
  // After ended(): attaches every volume anew, reads all of it, and compares the members.
  void start_final_reads();

  uint64_t ops_done() const { return ops_done_; }
  uint64_t ops_failed() const { return ops_failed_; }
  uint64_t snapshots_made() const { return snapshots_made_; }
  uint64_t snapshot_blocks_checked() const { return cuts_.blocks_checked(); }
  // Empty as long as all answers were right.
  const std::string& failure() const { return failure_; }
  // Operations that have not ended, for a failure's report.
  std::string open_text() const;

 private:
  struct Owner {
    uint32_t session = 0;
    uint32_t node = 0;
  };
  struct Volume {
    uint32_t number = 0;
    std::string name;
    std::optional<Owner> owner;
    std::optional<Owner> earlier;
    bool attaching = false;
    std::vector<uint32_t> open;  // operations under way, by node
  };
  // Of one request; each of its volumes has one of this name.
  struct Snapshot {
    std::string name;
    uint32_t cut = 0;
    std::vector<Volume*> volumes;
    bool deleting = false;
  };
  using SnapshotPtr = std::shared_ptr<Snapshot>;

  Task<void> worker(Volume* volume);
  Task<void> impatient(Volume* volume);
  // Changes tiers, at any node; whether all follow is part of settled().
  Task<void> tier_changer();
  Task<void> attach(Volume* volume);
  Task<void> one_op(Volume* volume, Owner owner);
  Task<void> write(Volume* volume, Owner owner, BlockRange range, bool zeroes);
  Task<void> read(Volume* volume, Owner owner, BlockRange range);
  Task<void> perform(Volume* volume, uint32_t node, ClientOpPtr op);
  Task<void> final_reads(Volume* volume);
  Task<void> compare_members(Volume* volume, uint64_t block);
  // How often what nothing disturbs any more is tried.
  static constexpr int kFinalAttempts = 200;
  Task<ClientOpPtr> read_member(Volume* volume, std::string snapshot, uint64_t block,
                                uint32_t node);
  // What the members hold of the block, or of a snapshot's; nothing: fail() was called.
  Task<std::vector<BlockValue>> member_values(Volume* volume, std::string snapshot, uint64_t block);
  // cluster_snapshots.cc
  size_t snapshots_kept() const;
  Task<void> snapshotter();
  Task<void> snapshot_reader();
  Task<void> take_snapshot();
  Task<void> delete_snapshot(SnapshotPtr snapshot);
  // What was found, or why not.
  Task<Status> read_snapshot(SnapshotPtr snapshot, Volume* volume, BlockRange range, uint32_t node);
  Task<void> final_snapshot_reads(Volume* volume);
  Task<void> compare_snapshot(SnapshotPtr snapshot, Volume* volume, uint64_t block);
  std::optional<uint32_t> node_of_others(const Volume& volume);

  Task<void> pause(uint64_t max_ns);
  ClientOpPtr new_op(const Volume& volume, ClientOp::Kind kind, BlockRange range) const;
  void lost(Volume* volume, Owner owner);
  std::optional<uint32_t> draw_node(const Volume& volume);
  BlockRange draw_range();
  void fail(std::string what) {
    if (failure_.empty()) failure_ = std::move(what);
  }

  SimLoop& loop_;
  SimClusterNodes& nodes_;
  ClusterChecker& checker_;
  const NemesisPlan plan_;
  Random random_;
  ClusterTrace& trace_;
  std::vector<Volume> volumes_;
  TaskGroup tasks_;
  bool stopping_ = false;
  CutChecker cuts_;
  std::vector<SnapshotPtr> snapshots_;
  uint32_t snapshot_number_ = 0;
  uint64_t snapshots_made_ = 0;
  uint64_t ops_done_ = 0;
  uint64_t ops_failed_ = 0;
  std::string failure_;
};

}  // namespace varve
