// ReplicationNode: replication on one node: its members of groups, what other nodes ask of them,
// and the way of its own frontends to any group's primary.
//
// Thread rule: one shard's thread. Ownership: borrows everything; before the destructor await
// stop(), and before that let no call of a frontend be under way.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/net/peers.h"
#include "core/replication/replica.h"

namespace varve {

// One operation of a frontend on one group: at most kMessageBlocksMax blocks inside one extent.
struct GroupIo {
  IoKind kind = IoKind::kRead;
  GroupId group{};
  VolumeId volume{};
  BlockRange range;
  uint64_t attach_generation = 0;
  // Raised whenever an answer was missed: what was sent before is then refused (rule 4).
  uint64_t connection = 0;
  // Of a change: what it is written in. Of a read: of the snapshot, or kHead: the volume itself.
  Generation generation = kHead;
  const std::byte* data = nullptr;  // write; with one CRC a block
  const uint32_t* crcs = nullptr;
  std::byte* out = nullptr;                     // read
  std::vector<BlockStatusRun>* runs = nullptr;  // status
};

class ReplicationNode final : public PeerHandler {
 public:
  ReplicationNode(Runtime& runtime, Peers& peers, MetadataStore& metadata, NodeId node);
  ~ReplicationNode() override;

  // A store of this node under the cluster's number for it. Its members start when their groups'
  // records are seen.
  void add_disk_group(DiskGroupId id, Store& store);
  // A group's record as the metadata store shows it, whenever it changes, for every group.
  void record_seen(const SeenRecord& seen);
  // The other nodes of the cluster: they get beacons, if only to hear that we are alive.
  void set_nodes(std::vector<NodeId> nodes) { nodes_ = std::move(nodes); }
  // When something was last heard of the node, on our clock; our own start if nothing was.
  uint64_t heard_ns(NodeId node) const;
  // Told after a member of this node has heard of a volume's snapshots, until it is replaced.
  void set_fence_listener(std::function<void()> listener) { fence_listener_ = std::move(listener); }
  void start();
  bool stopping() const { return stopping_; }
  // Gives every office that this node has to another node, though nothing is wrong here.
  void hand_over();
  // The same before stop(), and lets the others know: nobody waits for this node then. Ends by
  // `deadline_ns`.
  Task<void> leave(uint64_t deadline_ns);
  // Ends every office. Ends when nothing runs any more.
  Task<void> stop();

  // One attempt at the group's primary, wherever it is. kStale, kClosed, kTimedOut, kUnavailable:
  // try again, perhaps elsewhere; other errors as Primary's.
  Task<Status> io(GroupIo io);
  Task<Status> attach(FencedVolume volume);
  // Ends soon, or when a record changed: try again.
  Task<void> retry_pause();
  // Asks the metadata store for the group's record, for whoever cannot reach the primary.
  Task<void> refresh(GroupId group);

  void handle(IncomingRequest request) override;

  const std::map<GroupId, SeenRecord>& records() const { return records_; }
  Replica* replica(GroupId group);
  const std::map<GroupId, std::unique_ptr<Replica>>& replicas() const { return replicas_; }

 private:
  void add_replica(const SeenRecord& seen);
  void fence_put() const {
    if (fence_listener_) fence_listener_();
  }
  Task<void> run();
  void refresh_old_records();
  std::set<NodeId> beacon_nodes() const;
  void send_beacons();
  Task<void> send_beacon(NodeId node, bool leaving);
  Task<void> answer_beacon(IncomingRequest request);
  Task<void> serve(IncomingRequest request);
  Task<void> serve_io(IncomingRequest request);
  Task<void> serve_attach(IncomingRequest request);
  Task<void> refuse(IncomingRequest request, ErrorCode why);
  Primary* primary_of(GroupId group);
  Task<Status> io_here(Primary* primary, IoOrigin origin, GroupIo io);
  Task<Status> io_there(NodeId node, Epoch office, GroupIo io);
  // healing.cc
  Task<bool> heal(Store* store, BadBlock bad);
  Task<void> reply_io(const IncomingRequest* request, const GroupIo* io, Status status);

  Runtime& runtime_;
  Peers& peers_;
  MetadataStore& metadata_;
  const NodeId node_;
  const uint64_t started_ns_;
  std::vector<NodeId> nodes_;
  std::map<NodeId, uint64_t> heard_;
  std::map<DiskGroupId, Store*> stores_;
  std::map<GroupId, SeenRecord> records_;
  std::map<GroupId, std::unique_ptr<Replica>> replicas_;
  uint64_t beacons_sent_ns_ = 0;
  uint64_t refreshed_ns_ = 0;
  std::function<void()> fence_listener_;
  uint32_t healing_ = 0;  // blocks that are being mended
  bool stopping_ = false;
  WaitList changed_;
  TaskGroup tasks_;
};

}  // namespace varve
