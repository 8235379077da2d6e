// ReplicatedVolume: a volume of the cluster as this node uses it, in whole blocks: which group has
// which extent, attached everywhere, tried again until it is done.
//
// Nothing fails for want of a node: operations wait through take-overs and full stores. Errors:
// kBusy: somebody else has attached the volume, this opening is over; kClosed: close() was called;
// kDamaged, kIoError: of the data itself.
//
// Operations on the same blocks take effect in the order of the calls: one that changes something
// is held back while an earlier one that it overlaps is not answered. So an operation that is sent
// again, because its answer was lost, never comes behind a later one (docs/replication.md).
//
// Thread rule: one shard's thread. Ownership: borrows the node; before the destructor no call may
// be under way.
#pragma once

#include <boost/intrusive/list.hpp>
#include <vector>

#include "core/cluster/cluster_volume.h"
#include "core/replication/replication_node.h"

namespace varve {

class ReplicatedVolume {
 public:
  // `volume` as attach_volume() returned it: its generation is ours.
  ReplicatedVolume(Runtime& runtime, ReplicationNode& node, ClusterVolume volume);
  ~ReplicatedVolume();

  // Tells every group that older generations are over. Ends when all of them know.
  Task<Status> attach();

  // The same with a larger size. When it returns kOk the new blocks may be used.
  Task<Status> grow(uint64_t size_bytes);

  const ClusterVolume& volume() const { return volume_; }

  // Ranges lie inside the volume and inside one extent; data is at most kMessageBlocksMax blocks.
  Task<Status> read(BlockRange range, std::byte* out);
  Task<Status> write(BlockRange range, const std::byte* data, const uint32_t* crcs);
  Task<Status> trim(BlockRange range);
  Task<Status> status(BlockRange range, std::vector<BlockStatusRun>* runs);

  // Everything that waits ends with kClosed, now and later.
  void close();
  // Nothing succeeds any more: somebody else has attached it, or close() was called.
  bool over() const { return closed_ || fenced_; }

 private:
  // A change that is under way, or waits for those before it.
  struct Change : boost::intrusive::list_base_hook<> {
    explicit Change(BlockRange range_in) : range(range_in) {}
    const BlockRange range;
  };
  Task<Status> change(GroupIo io);
  Task<Status> until_done(GroupIo io);
  Task<Status> attach_group(GroupId group);
  bool must_wait(const Change& change) const;

  ReplicationNode& node_;
  ClusterVolume volume_;
  uint64_t connection_ = 1;
  bool closed_ = false;
  bool fenced_ = false;
  boost::intrusive::list<Change> changes_;  // in the order of the calls
  WaitList changed_;
};

}  // namespace varve
