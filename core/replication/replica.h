// Replica: this node's member of one group. It answers the group's primary, decides when to take
// office itself, and holds the office while it lasts.
//
// Thread rule: one shard's thread. Ownership: borrows everything; before the destructor await
// stop().
#pragma once

#include <memory>
#include <optional>

#include "core/net/peers.h"
#include "core/replication/primary.h"
#include "core/replication/record_change.h"
#include "core/store/store.h"

namespace varve {

class Replica {
 public:
  // `started_ns`: when this node's process began; it may have granted leases before that.
  Replica(PrimaryContext context, NodeId node, uint64_t started_ns);
  ~Replica();

  GroupId group() const { return context_.group; }
  Store& store() { return store_; }
  DiskGroupId disk_group() const { return context_.self; }
  // The record as the metadata store shows it; possibly old, never trusted for safety.
  void record_seen(const SeenRecord& seen);
  const SeenRecord& seen() const { return seen_; }
  // Null while this member does not hold the office.
  Primary* primary() { return primary_.get(); }

  // Requests of the primary. Each answers.
  Task<void> prepare(IncomingRequest request);
  Task<void> replicate(IncomingRequest request);
  Task<void> changed(IncomingRequest request);
  Task<void> fetch(IncomingRequest request);
  Task<void> fence(IncomingRequest request);
  // A primary's beacon. True: granted, this member does not take over for kGraceNs.
  bool beacon(const GroupClaim& claim);

  // Every kTickNs.
  void tick();
  // Gives the office, if this member has it, to another one. `leave`: and takes no other.
  Task<void> hand_over(bool leave);
  // Ends the office. Ends when nothing runs any more; what is asked later is refused.
  Task<void> stop();

  Epoch epoch() const { return state_.epoch; }
  bool failed() const { return failed_; }

 private:
  // Whether this member may log what a primary of `epoch` sends.
  bool accepts(Epoch epoch) const;
  Task<void> appends_ended();
  Task<Status> put_fence(FencedVolume volume, bool exact);
  Task<Status> replicate_here(const ReplicateRequest& body, std::span<const std::byte> payload);
  void take_position(Sequence position, Sequence everyone);
  Task<void> keep_position();
  bool should_take_over() const;
  Task<void> take_over();
  Task<bool> win_office(SeenRecord* seen);
  Task<void> hold_office(SeenRecord seen);

  PrimaryContext context_;
  Runtime& runtime_;
  Store& store_;
  const NodeId node_;
  const uint64_t started_ns_;
  SeenRecord seen_;
  MemberState state_;         // epoch is the durable one
  Epoch promised_epoch_ = 0;  // being made durable: older ones are refused already
  bool prepared_ = false;     // in this life: the primary knows where our log ends
  bool in_sync_ = false;      // as the primary of state_.epoch said
  Sequence durable_position_ = 0;
  uint64_t position_kept_ns_ = 0;
  bool keeping_position_ = false;
  uint32_t append_count_ = 0;  // on their way into the log
  WaitList appends_ended_;
  uint64_t heard_ns_ = 0;    // from a primary
  uint64_t granted_ns_ = 0;  // last grant
  bool taking_over_ = false;
  bool failed_ = false;   // the store accepts nothing any more
  bool leaving_ = false;  // takes no office any more
  bool stopping_ = false;
  std::unique_ptr<Primary> primary_;
  WaitList changed_;
  TaskGroup tasks_;
};

}  // namespace varve
