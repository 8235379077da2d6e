// The messages between nodes: one struct each, little-endian, as they stand behind the
// MessageHeader (message_header.h). What does not fit, and all data, is the payload.
//
// A payload with blocks is their data first, which keeps it aligned, then one CRC-32C a block.
// docs/replication.md says what the messages are for. Requests and replies are pairs; a reply that
// only says how it went is EmptyReply, and the status stands in the header.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

inline constexpr uint32_t kMessageBlocksMax = 256;  // 1 MiB of data
inline constexpr uint32_t kBodyBytesMax = 192;

enum class MessageType : uint16_t {
  kHello = 1,
  kBeacon = 2,
  kReplicate = 3,
  kPrepare = 4,
  kChanged = 5,
  kFetch = 6,
  kFence = 7,
  kAttach = 8,
  kIo = 9,
};

struct EmptyReply {
  uint64_t reserved = 0;
};

// First on every connection, from who connected.
struct HelloRequest {
  static constexpr MessageType kType = MessageType::kHello;
  Uuid cluster{};
  NodeId node{};
  uint32_t reserved = 0;
  uint64_t boot = 0;  // random; drawn at the daemon's start
};
struct HelloReply {
  NodeId node{};
  uint32_t reserved = 0;
  uint64_t boot = 0;
};

// The sender is the group's primary and asks for a lease. Payload of the request: `count` of these.
struct GroupClaim {
  GroupId group{};
  Epoch epoch = 0;
  Sequence position = 0;  // as in ReplicateRequest: a group without writes has no other way to tell
  Sequence everyone = 0;
};
// What is granted. Payload of the reply: `count` of these.
struct GroupEpoch {
  GroupId group{};
  Epoch epoch = 0;
};
struct BeaconRequest {
  static constexpr MessageType kType = MessageType::kBeacon;
  uint64_t sent_ns = 0;  // the sender's clock; comes back
  uint32_t count = 0;    // groups whose primary the sender is
  uint32_t leaving = 0;  // 1: it stops now; its members need not be waited for
};
struct BeaconReply {
  uint64_t sent_ns = 0;
  uint32_t count = 0;  // of these, granted
  uint32_t reserved = 0;
};

// Primary to member: log this. Payload: kData has `block_count` blocks, kZero nothing.
enum class ReplicateOp : uint8_t { kData = 1, kZero = 2 };
struct ReplicateRequest {
  static constexpr MessageType kType = MessageType::kReplicate;
  GroupId group{};
  Epoch epoch = 0;
  Sequence sequence = 0;
  Sequence position = 0;  // everything up to here is committed
  Sequence everyone = 0;  // every member, in sync or not, has everything up to here
  VolumeId volume{};
  uint32_t block_count = 0;
  uint64_t first_block = 0;
  ReplicateOp op = ReplicateOp::kData;
  uint8_t reserved[3] = {};
  uint32_t generation = 0;  // of the volume, that the blocks are written in
};

// Primary to member: make this epoch durable, then say what you have.
struct PrepareRequest {
  static constexpr MessageType kType = MessageType::kPrepare;
  GroupId group{};
  Epoch epoch = 0;
  Epoch office = 0;
  DiskGroupId primary{};
  uint32_t in_sync = 0;  // 1: the receiver is, and may take over later positions
  uint32_t reserved = 0;
};
struct PrepareReply {
  Epoch epoch = 0;  // the durable one; larger than asked for: the asker is deposed
  uint32_t reserved = 0;
  Sequence position = 0;
  Sequence log_end = 0;  // highest number in its log
};

// Primary to member: which blocks have a number above `after`? In pages. Reply's payload:
// `run_count` ChangedRun.
struct ChangedRequest {
  static constexpr MessageType kType = MessageType::kChanged;
  GroupId group{};
  Epoch epoch = 0;
  Sequence after = 0;
  VolumeId volume{};  // where to go on; 0: from the beginning
  uint32_t run_count_max = 0;
  uint64_t block = 0;
};
struct ChangedReply {
  VolumeId volume{};  // where to go on; 0: that was all
  uint32_t run_count = 0;
  uint64_t block = 0;
};
struct ChangedRun {
  VolumeId volume{};
  uint32_t block_count = 0;
  uint64_t first_block = 0;
  Sequence sequence = 0;  // of all of them
  uint32_t generation = 0;
  uint32_t reserved = 0;
};
inline constexpr uint32_t kChangedRunsMax = 4096;

// To any member: the bytes of one block, of this generation and under exactly this number. Reply's
// payload: the block. kNotFound: it has another; kDamaged: it is damaged there, too.
struct FetchRequest {
  static constexpr MessageType kType = MessageType::kFetch;
  GroupId group{};
  Epoch epoch = 0;
  VolumeId volume{};
  uint32_t generation = 0;
  uint64_t block = 0;
  Sequence sequence = 0;
};

// What a member must know of a volume. Payload of Fence and Attach: `snapshot_count` FenceSnapshot,
// `branch_count` FenceBranch, `group_count` GroupId, then `name_bytes` bytes.
struct VolumeFence {
  VolumeId volume{};
  uint32_t name_bytes = 0;
  uint64_t block_count = 0;
  uint64_t attach_generation = 0;
  uint32_t group_count = 0;
  uint32_t snapshot_count = 0;
  uint32_t branch_count = 0;
  uint32_t newest_generation = 0;  // that writes carry
  VolumeId base{};                 // that it is a clone of; 0: of nothing
  uint32_t base_generation = 0;
};
struct FenceSnapshot {
  uint64_t block_count = 0;
  uint64_t created_seconds = 0;
  uint32_t generation = 0;
  uint32_t reserved = 0;
};
struct FenceBranch {
  uint32_t first = 0;
  uint32_t fork = 0;
};
inline constexpr uint32_t kFenceSnapshotsMax = 1024;
inline constexpr uint32_t kFenceBranchesMax = 1024;
// Primary to member: make this durable in the catalog.
struct FenceRequest {
  static constexpr MessageType kType = MessageType::kFence;
  GroupId group{};
  Epoch epoch = 0;
  VolumeFence fence;
  uint32_t exact = 0;  // 1: there are no older snapshots than these
  uint32_t reserved = 0;
};
// Frontend to primary: from now on only this generation may use the volume.
struct AttachRequest {
  static constexpr MessageType kType = MessageType::kAttach;
  GroupId group{};
  Epoch office = 0;
  VolumeFence fence;
};

// Frontend to primary. Payload of a write: blocks; of a read's reply: blocks; of a status's reply:
// `run_count` StatusRun.
enum class IoKind : uint8_t { kRead = 1, kWrite = 2, kTrim = 3, kStatus = 4 };
struct IoWireRequest {
  static constexpr MessageType kType = MessageType::kIo;
  GroupId group{};
  Epoch office = 0;
  VolumeId volume{};
  uint32_t block_count = 0;
  uint64_t first_block = 0;
  uint64_t attach_generation = 0;
  uint64_t connection = 0;  // raised by the frontend when it missed an answer
  IoKind kind = IoKind::kRead;
  uint8_t reserved[3] = {};
  // Of a change: what it is written in. Of a read: of the snapshot, or UINT32_MAX: the volume.
  uint32_t generation = 0;
};
struct IoWireReply {
  Epoch office = 0;  // as the answering node knows it; 0: it is not the primary
  uint32_t run_count = 0;
};
struct StatusRun {
  uint64_t block_count = 0;
  uint64_t data = 0;  // 0: reads as zeroes, takes no space
};

// The bytes are the struct: no padding that could carry what memory held before.
template <typename... Body>
inline constexpr bool kBodiesFit = ((std::is_trivially_copyable_v<Body> &&
                                     sizeof(Body) <= kBodyBytesMax && sizeof(Body) % 8 == 0) &&
                                    ...);
static_assert(
    kBodiesFit<EmptyReply, HelloRequest, HelloReply, BeaconRequest, BeaconReply, ReplicateRequest,
               PrepareRequest, PrepareReply, ChangedRequest, ChangedReply, FetchRequest,
               FenceRequest, AttachRequest, IoWireRequest, IoWireReply>);
static_assert(sizeof(GroupClaim) == 24 && sizeof(GroupEpoch) == 8 && sizeof(ChangedRun) == 32 &&
              sizeof(StatusRun) == 16 && sizeof(FenceSnapshot) == 24 && sizeof(FenceBranch) == 8);

}  // namespace varve
