// ClusterWorkload: clients of a simulated cluster. Every volume has one owner, the client that
// attached it last, and sometimes an owner before it that has not noticed. All answers are judged
// as they come.
//
// Thread rule: the loop's thread, on its own run queue and clock. Ownership: borrows everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/runtime/task_group.h"
#include "tests/sim/cluster/cluster_checker.h"
#include "tests/sim/cluster/cluster_trace.h"
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

  Task<void> worker(Volume* volume);
  Task<void> impatient(Volume* volume);
  Task<void> attach(Volume* volume);
  Task<void> one_op(Volume* volume, Owner owner);
  Task<void> write(Volume* volume, Owner owner, BlockRange range, bool zeroes);
  Task<void> read(Volume* volume, Owner owner, BlockRange range);
  Task<void> perform(Volume* volume, uint32_t node, ClientOpPtr op);
  Task<void> final_reads(Volume* volume);
  Task<void> compare_members(Volume* volume, uint64_t block);
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
  uint64_t ops_done_ = 0;
  uint64_t ops_failed_ = 0;
  std::string failure_;
};

}  // namespace varve
