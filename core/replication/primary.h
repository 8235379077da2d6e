// Primary: one term of office of this node's member in one group, from winning the epoch to its
// end. docs/replication.md is the protocol.
//
//     run(): make the epoch durable -> prepare the members -> settle -> serve until resigned
//
// Whatever proves that somebody else may have taken over (a newer epoch, a lost compare-and-swap,
// a store that fails) makes it resign: nothing is acknowledged any more, waiting calls end with
// kStale, and the replica decides whether to take office again.
//
// Thread rule: one shard's thread. Ownership: borrows everything; the destructor requires that
// run() has ended.
#pragma once

#include <boost/intrusive/list.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/net/peers.h"
#include "core/replication/group_operation.h"
#include "core/replication/record_change.h"
#include "core/replication/volume_fence.h"
#include "core/runtime/task_group.h"
#include "core/store/store.h"

namespace varve {

// Who asks: which frontend, whom it means, by which right, over which of its connections.
struct IoOrigin {
  NodeId node{};
  Epoch office = 0;
  uint64_t attach_generation = 0;
  uint64_t connection = 0;
  Generation generation = 0;  // of the volume, that a change is to be written in
};

struct PrimaryContext {
  Runtime& runtime;
  Peers& peers;
  MetadataStore& metadata;
  Store& store;
  GroupId group{};
  DiskGroupId self{};
};

class Primary {
 public:
  // `seen` names us as the primary and has just been written: its epoch is the office.
  Primary(PrimaryContext context, SeenRecord seen, MemberState state);
  ~Primary();

  // Ends when the office has ended.
  Task<void> run();
  void resign(std::string_view why);
  bool resigned() const { return resigned_; }
  bool serving() const { return serving_ && !resigned_; }
  Epoch office() const { return office_; }
  const SeenRecord& seen() const { return seen_; }
  Sequence position() const { return state_.position; }

  // Errors of all of these: kStale: the office, or the connection, is over; kBusy: the attach
  // generation is over, somebody else has the volume; kNotFound: the attach generation, or that of
  // the blocks, is newer than what this primary knows: attach first; or there is no such snapshot;
  // kNoSpace: try again later; kDamaged. The range lies in one extent, data is at most
  // kMessageBlocksMax blocks.
  Task<Status> write(IoOrigin origin, VolumeId volume, BlockRange range, const std::byte* data,
                     const uint32_t* crcs);
  // Snapshots are read by whoever asks, whether or not it has the volume.
  Task<Status> read(IoOrigin origin, VolumeView view, BlockRange range, std::byte* out);
  Task<Status> trim(IoOrigin origin, VolumeId volume, BlockRange range);
  Task<Status> status(IoOrigin origin, VolumeView view, BlockRange range,
                      std::vector<BlockStatusRun>* runs);
  // When it returns kOk no operation of an older attach generation changes anything any more, and
  // every in-sync member knows the volume's snapshots and newest generation.
  Task<Status> attach(FencedVolume volume);

  // Ends the office in favour of an in-sync member, which need not wait for leases then; without
  // one nothing happens. `leave`: this member is not waited for any more either.
  Task<void> give_up(bool leave);

  // What the beacons to `node` say: nothing, or the epoch that its member has made durable.
  std::optional<GroupClaim> beacon_claim(NodeId node) const;
  // The node's answer to a beacon that was sent at `sent_ns`.
  void granted(NodeId node, uint64_t sent_ns);
  void heard_from(NodeId node);
  // The node says that it stops: its members are taken out at once.
  void left(NodeId node);
  // Seconds-scale work: positions, silent members.
  void tick();

 private:
  // One other member, as the primary sees it.
  struct Session {
    Session(GroupMember member_in, RunQueue& ready) : member(member_in), changed(ready) {}
    const GroupMember member;
    Epoch epoch = 0;         // that it has made durable for us; 0: none
    bool preparing = false;  // an answer is awaited: it may refuse older epochs already
    bool receiving = false;  // gets live operations
    bool learned = false;    // a learner that has everything but what is on its way
    bool refuted = false;    // it has said what cannot be, and the log knows
    uint64_t heard_ns = 0;   // when it last answered anything
    uint64_t grant_until_ns = 0;
    Sequence position = 0;  // as it said when it was prepared
    Sequence log_end = 0;
    Sequence acked_end = 0;  // highest number that it said to have made durable
    WaitList changed;
    bool ready() const { return epoch != 0 && !preparing; }
  };

  // A call in progress keeps run() from ending.
  class Call {
   public:
    explicit Call(Primary& primary) : primary_(primary) { ++primary_.call_count_; }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
      if (--primary_.call_count_ == 0) primary_.changed_.wake_all();
    }

   private:
    Primary& primary_;
  };

  // primary.cc
  Task<bool> make_epoch_durable(Epoch epoch);
  Task<void> keep_position();
  Session* session_of(DiskGroupId id);
  // What must be durable there before it counts: the in-sync set, and that of a change under way.
  bool is_required(DiskGroupId id) const;
  bool leases_hold() const;
  uint64_t fence_of(VolumeId volume) const;
  Status may_use(const IoOrigin& origin, VolumeId volume) const;
  Status admit(const IoOrigin& origin, VolumeId volume);
  Status admit_change(const IoOrigin& origin, VolumeId volume);
  Status admit_read(const IoOrigin& origin, VolumeView view);
  // What a read returns was the newest, and its attach still held, at the moment this returns.
  Task<Status> still_valid(IoOrigin origin, VolumeView view);
  Task<void> pause(uint64_t ns);
  Task<bool> older_ended(VolumeId volume, Sequence up_to);
  void wake_everyone();

  // operations.cc
  // Gives the number at once, before anything is awaited. kOk: committed.
  Task<Status> run_operation(GroupOperation* operation);
  Task<void> log_here(GroupOperation* operation);
  void start_send(Session& session, GroupOperation& operation);
  Task<void> send(Session* session, GroupOperation* operation);
  void end_part(GroupOperation& operation);
  void evaluate(GroupOperation& operation);
  void evaluate_all();
  void advance_position();
  // In any generation, of the volume and of what it was cloned from.
  bool overlaps_uncommitted(VolumeId volume, BlockRange range) const;
  bool overlaps_uncommitted(const VersionRange& what) const;
  Task<Status> read_elsewhere(VolumeView view, BlockRange range, std::byte* out);
  Task<void> committed(VolumeId volume, BlockRange range);

  // membership.cc
  // Keeps one member prepared, and brings it back in sync, until the office ends.
  Task<void> tend(Session* session);
  Task<bool> prepare(Session* session);
  // Takes note of how a request to the member ended.
  void answered(Session& session, ErrorCode result);
  void begin_receiving(Session& session);
  void end_receiving(Session& session);
  Task<void> remove_if_silent(Session* session);
  Task<void> remove_if_short(Session* session);
  Task<bool> remove(DiskGroupId id);
  // One change of the record at a time: false when the office has ended meanwhile.
  Task<bool> take_turn();
  void end_turn();
  // Within a turn: makes `wanted` the record. False: resigned.
  Task<bool> apply(GroupRecord wanted);
  enum class Stay : uint8_t { kInSync, kOut };
  // Makes `to` the primary and resigns. Nothing may be served any more.
  Task<void> hand_over(DiskGroupId to, Stay stay, std::string_view why);

  // settlement.cc
  // True: serving, and what is in doubt is being settled.
  Task<bool> settle();
  void set_in_doubt(const std::vector<ChangedBlocks>& runs);
  bool is_in_doubt(VolumeId volume, BlockRange range) const;
  Task<void> settled(VolumeId volume, BlockRange range);
  Task<void> members_prepared();
  Task<bool> check_log_ends(Sequence* position);
  Task<bool> collect_from(Session* session, Sequence after, std::vector<ChangedBlocks>* runs);
  Task<Result<ChangedPage>> ask_changed(Session* session, Sequence after, VolumeId volume,
                                        uint64_t block);
  Task<void> settle_in_doubt();
  Task<void> settle_range(VersionRange what);
  // Writes what this member shows of the blocks in their generation again, under new numbers.
  Task<Status> rewrite(VersionRange what);
  Task<Status> adopt_newer(VersionRange one, Sequence sequence);
  Task<Status> rewrite_alike(VersionRange what, BlockVersion::Kind kind, Sequence sequence);

  // catch_up.cc
  Task<bool> learn(Session* session);
  Task<bool> send_fences(Session* session);
  Task<bool> send_fence(Session* session, FencedVolume volume);
  bool has_parted(const VersionRange& block, Sequence theirs) const;
  Task<void> rewrite_parted(VersionRange block);
  Task<bool> rewrite_diverged(Session* session, Sequence after);
  Task<bool> send_copies(Session* session, Sequence after);
  Task<void> send_copy(Session* session, ChangedBlocks run, bool* failed);
  Task<Status> send_copied_part(Session* session, ChangedBlocks part, BlockVersion::Kind kind);
  // Not when snapshots were dropped here since `dropped`, which the learner has not heard of.
  Task<bool> admit_learner(Session* session, uint64_t dropped);

  // repair.cc
  Task<Status> repair(VolumeView view, BlockRange range);
  Task<bool> fetch(VersionRange one, Sequence sequence, std::byte* out);

  Runtime& runtime_;
  Peers& peers_;
  MetadataStore& metadata_;
  Store& store_;
  const GroupId group_;
  const DiskGroupId self_;
  SeenRecord seen_;
  std::optional<GroupRecord> pending_;  // a change whose result is not known yet
  const Epoch office_;
  MemberState state_;  // epoch is the durable one, the rest is in memory
  Sequence durable_position_ = 0;
  uint64_t position_kept_ns_ = 0;
  bool keeping_position_ = false;
  uint64_t counter_ = 0;
  Sequence last_number_ = 0;  // that this office gave; 0: none
  bool changing_ = false;     // one change of the record at a time
  bool serving_ = false;
  // Blocks in doubt of which an in-sync member holds a higher number than this one.
  using BlockKey = std::tuple<VolumeId, Generation, uint64_t>;
  std::map<BlockKey, Sequence> newer_elsewhere_;
  // (volume, generation, first block) -> end: clients wait for these until they are settled.
  std::map<BlockKey, uint64_t> in_doubt_;
  bool resigned_ = false;
  std::vector<std::unique_ptr<Session>> sessions_;
  boost::intrusive::list<GroupOperation> in_flight_;  // by number
  uint32_t in_flight_count_ = 0;
  uint32_t call_count_ = 0;
  uint64_t ticked_ns_ = 0;
  std::map<std::pair<VolumeId, NodeId>, uint64_t> connections_;
  std::map<VolumeId, uint64_t> fencing_;  // generations that are on their way to the members
  WaitList changed_;                      // membership, epochs, commitments, the end of the office
  TaskGroup tasks_;
};

}  // namespace varve
