// NodeProgram: what runs on a simulated node: the code under test, put together by a factory, one
// object per life of a node. Clients talk to it directly, as they would to a service of that node.
//
// Thread rule: the node's shard. Tasks are awaited to their end; none is started after stop().
// Ownership: all parts of the environment outlive the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/cluster/metadata_store.h"
#include "core/device/block_device.h"
#include "core/format/catalog_record.h"
#include "core/net/transport.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"

namespace varve {

struct NodeEnvironment {
  uint32_t node = 0;  // its transport's address: SimNetwork::address_of(node)
  uint32_t node_count = 0;
  uint64_t life = 0;  // from 1; a node's first finds an empty device
  Runtime& runtime;
  BlockDevice& device;
  Transport& transport;
  MetadataStore& metadata;
};

class NodeProgram {
 public:
  virtual ~NodeProgram() = default;
  // Recovers from the device and begins to serve; does not wait for other nodes. kUnavailable,
  // kUnknown: the metadata store could not be reached; the node is killed and started again. Any
  // other error fails the run.
  virtual Task<Status> start() = 0;
  // Called once, after start() has ended, or while it does not end although everything fails. All
  // other tasks must end soon, also when device, transport and metadata store fail everything; that
  // is how a node is put down after a crash.
  virtual Task<void> stop() = 0;

  // Operations of clients. Those of a volume belong to this node's newest attach of it. An error
  // means: it may have been done, or may still be, until somebody attaches the volume anew.
  virtual Task<Status> attach(std::string volume) = 0;
  virtual Task<Status> read(std::string volume, BlockRange range, std::byte* out) = 0;
  virtual Task<Status> write(std::string volume, BlockRange range, const std::byte* data) = 0;
  virtual Task<Status> trim(std::string volume, BlockRange range) = 0;

  // One snapshot of each of the volumes, all of one instant; this node has attached them.
  virtual Task<Status> snapshot(std::vector<std::string> volumes, std::string name) {
    (void)volumes, (void)name;
    co_return ErrorCode::kUnsupported;
  }
  virtual Task<Status> read_snapshot(std::string volume, std::string name, BlockRange range,
                                     std::byte* out) {
    (void)volume, (void)name, (void)range, (void)out;
    co_return ErrorCode::kUnsupported;
  }
  virtual Task<Status> delete_snapshot(std::string volume, std::string name) {
    (void)volume, (void)name;
    co_return ErrorCode::kUnsupported;
  }

  virtual Task<Status> set_tier(std::string volume, VolumeTier tier) {
    (void)volume, (void)tier;
    co_return ErrorCode::kUnsupported;
  }

  // Gives what it leads to other nodes, though nothing is wrong.
  virtual void hand_over() {}

  // When all is healed: nothing is left to do here, and every member of every group is in sync.
  virtual bool settled() const = 0;
  // What this node holds itself, of the volume or, with a name, of its snapshot. kNotFound: it is
  // no in-sync member for that range; kUnavailable: it has not heard of the snapshot.
  virtual Task<Status> read_replica(std::string volume, std::string snapshot, BlockRange range,
                                    std::byte* out) = 0;
  // For a failure's report: role, epochs, positions. One line.
  virtual std::string state_line() const = 0;
};

using NodeProgramFactory = std::function<std::unique_ptr<NodeProgram>(const NodeEnvironment&)>;

}  // namespace varve
