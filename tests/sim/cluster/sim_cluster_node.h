// SimClusterNode: one simulated node through all its lives: a disk that stays, and for each life a
// shard, a transport, a metadata client and the program.
//
// A crash takes the disk as it might be found afterwards, tells the world (others at once, or when
// they miss it), and puts the dead program down at that instant: everything it asks for fails, its
// clock jumps from timer to timer, and nothing that it does has any effect.
//
// Thread rule: the loop's thread; not from inside the node's own code. Ownership: borrows loop,
// network, store and counts; owns the rest.
#pragma once

#include <coroutine>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/runtime/task_group.h"
#include "tests/sim/cluster/cluster_faults.h"
#include "tests/sim/cluster/node_program.h"
#include "tests/sim/cluster/sim_metadata.h"
#include "tests/sim/cluster/sim_network.h"
#include "tests/sim/cluster/sim_shard.h"
#include "tests/sim/cluster/sim_transport.h"
#include "tests/sim/sim_device.h"

namespace varve {

// One operation of a client on a node. It ends when the node answers, or when it dies.
struct ClientOp {
  enum class Kind : uint8_t {
    kAttach,
    kRead,
    kWrite,
    kTrim,
    kReadReplica,
    kSnapshot,
    kReadSnapshot,
    kDeleteSnapshot,
    kSetTier,
  };
  Kind kind = Kind::kRead;
  std::string volume;
  std::vector<std::string> volumes;  // kSnapshot
  std::string snapshot;              // its name
  VolumeTier tier = VolumeTier::kAuto;
  BlockRange range;
  AlignedBuffer data;
  // Set at the end. kUnknown: the node died. `accepted` false: the node never got it.
  Status result;
  bool accepted = false;
  bool ended = false;
  std::coroutine_handle<> waiter;
};
using ClientOpPtr = std::shared_ptr<ClientOp>;

struct SimClusterNodeOptions {
  uint64_t device_bytes = 0;
  SimDeviceOptions device;
  uint32_t clock_spread_ppm = 20'000;  // each life's rate is off by at most that
};

class SimClusterNode {
 public:
  SimClusterNode(SimLoop& loop, SimNetwork& network, SimMetadata& store, uint32_t node,
                 SimClusterNodeOptions options, NodeProgramFactory factory, uint64_t seed,
                 ClusterFaultCounts& counts);
  SimClusterNode(const SimClusterNode&) = delete;
  SimClusterNode& operator=(const SimClusterNode&) = delete;
  // Puts a living node down.
  ~SimClusterNode();

  bool alive() const { return life_ != nullptr; }
  // It has started and takes operations.
  bool serving() const;
  bool settled() const;
  bool paused() const { return alive() && life_->shard.paused(); }

  void restart();              // REQUIRES !alive()
  void crash(CrashKind kind);  // nothing when it is not alive
  void hand_over();            // nothing when it is not serving, or paused
  void pause();
  void resume();

  // Ends when the node has answered or died. Awaited on the loop's own queue.
  Task<void> perform(ClientOpPtr op);

  SimDevice& device() { return device_; }
  std::string state_line() const;
  // The first thing that must not happen: a start that failed, a program that does not come to an
  // end after a crash, a device used against its rules. Empty: nothing did.
  std::string failure() const;
  bool failed() const { return !failure_.empty() || !device_.offence().empty(); }

 private:
  struct Life {
    Life(SimClusterNode& node, SimShardOptions clock, uint64_t seed);
    SimShard shard;
    SimTransport transport;
    SimMetadataClient metadata;
    std::unique_ptr<NodeProgram> program;
    TaskGroup tasks;
    bool dying = false;
    bool started = false;
    bool stopped = false;
    std::vector<ClientOpPtr> open;
  };

  static Task<void> start(SimClusterNode* node, Life* life);
  static Task<void> stop(Life* life);
  static Task<void> serve(SimClusterNode* node, Life* life, ClientOpPtr op);
  static Task<Status> call(NodeProgram* program, ClientOp* op);
  void start_again(uint64_t life_count);
  void end(Life& life, const ClientOpPtr& op, Status result);
  void put_down();
  void fail(std::string what);

  SimLoop& loop_;
  SimNetwork& network_;
  SimMetadata& store_;
  const uint32_t node_;
  SimClusterNodeOptions options_;
  NodeProgramFactory factory_;
  Random random_;
  ClusterFaultCounts& counts_;
  FaultCounts device_counts_;
  SimDevice device_;
  DiskState disk_;  // between two lives
  std::unique_ptr<Life> life_;
  uint64_t life_count_ = 0;
  std::string failure_;
};

}  // namespace varve
