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
// A snapshot is cut while no change is under way (docs/replication.md, "Snapshots"):
//
//     begin_hold() -> await drained() -> cut() -> end_hold(), tell_groups() -> await told()
//
// each of all volumes before the next step.
//
// Thread rule: one shard's thread. Ownership: borrows the node; before the destructor no call may
// be under way.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <set>
#include <vector>

#include "core/cluster/cluster_volume.h"
#include "core/replication/replication_node.h"

namespace varve {

class ReplicatedVolume {
 public:
  // `volume` as attach_volume() returned it: its generation is ours.
  ReplicatedVolume(Runtime& runtime, ReplicationNode& node, ClusterVolume volume);
  ~ReplicatedVolume();

  // Tells every group that older attach generations are over. Ends when all of them know.
  Task<Status> attach();

  // The same with a larger size. When it returns kOk the new blocks may be used.
  Task<Status> grow(uint64_t size_bytes);

  const ClusterVolume& volume() const { return volume_; }

  // From here on changes wait; those under way go on.
  void begin_hold() { held_ = true; }
  void end_hold();
  // True when none is under way any more. False: not before `deadline_ns`, or over().
  Task<bool> drained(uint64_t deadline_ns);
  // From here on changes carry the generation that the history says: what was written before is
  // what its newest snapshot shows. REQUIRES begin_hold() and drained(). Changes wait until their
  // group knows of it.
  void cut(const ClusterVolume& reserved);
  // Tells every group of the last cut, however long it takes. Ends with over(), too.
  Task<void> tell_groups();
  // True when all of them know; false: not before `deadline_ns`, or over().
  Task<bool> told(uint64_t deadline_ns);
  // Snapshots that the record has no more are not told to any group again.
  void forget_snapshots(const ClusterHistory& seen);

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
    Change(GroupId group_in, BlockRange range_in) : group(group_in), range(range_in) {}
    const GroupId group;
    const BlockRange range;
    bool under_way = false;
  };
  Task<Status> change(GroupIo io);
  Task<Status> until_done(GroupIo io);
  Task<Status> attach_group(GroupId group);
  // Until it is done.
  Task<Status> attach_patiently(GroupId group);
  Task<void> tell_group(GroupId group);
  bool must_wait(const Change& change) const;

  Runtime& runtime_;
  ReplicationNode& node_;
  ClusterVolume volume_;
  uint64_t connection_ = 1;
  bool closed_ = false;
  bool fenced_ = false;
  bool held_ = false;
  std::set<GroupId> untold_;                // that do not know of the last cut yet
  boost::intrusive::list<Change> changes_;  // in the order of the calls
  WaitList changed_;
};

}  // namespace varve
