// ReplicatedSnapshot: a snapshot of the cluster's volumes as this node reads it, in whole blocks;
// nobody attaches it. Tried again until it is done, as ReplicatedVolume does. Errors: kNotFound: it
// was deleted; kClosed: close() was called; kDamaged, kIoError: of the data itself.
//
// Thread rule: one shard's thread. Ownership: borrows the node; before the destructor no call may
// be under way.
#pragma once

#include <vector>

#include "core/cluster/cluster_volume.h"
#include "core/replication/replication_node.h"

namespace varve {

class ReplicatedSnapshot {
 public:
  ReplicatedSnapshot(ReplicationNode& node, ClusterVolume volume, Generation generation)
      : node_(node), volume_(std::move(volume)), generation_(generation) {}

  const ClusterVolume& volume() const { return volume_; }
  Generation generation() const { return generation_; }

  // Ranges lie inside the snapshot and inside one extent; at most kMessageBlocksMax blocks.
  Task<Status> read(BlockRange range, std::byte* out);
  Task<Status> status(BlockRange range, std::vector<BlockStatusRun>* runs);

  // Everything that waits ends with kClosed, and every later call.
  void close() { closed_ = true; }
  bool over() const { return closed_; }

 private:
  Task<Status> until_done(GroupIo io);

  ReplicationNode& node_;
  const ClusterVolume volume_;
  const Generation generation_;
  bool closed_ = false;
};

}  // namespace varve
