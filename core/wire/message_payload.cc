#include "core/wire/message_payload.h"

#include "core/wire/message_header.h"

namespace varve {
namespace {

Status malformed(const char* what) {
  return {ErrorCode::kDamaged, what};
}

Result<uint32_t> replicate_bytes(const ReplicateRequest& request) {
  if (request.block_count == 0) return malformed("a replicate request for no block");
  if (request.op == ReplicateOp::kZero) return 0u;
  if (request.op != ReplicateOp::kData) return malformed("a replicate request of an unknown kind");
  if (request.block_count > kMessageBlocksMax)
    return malformed("a replicate request with too many blocks");
  return blocks_payload_bytes(request.block_count);
}

Result<uint32_t> fence_bytes(const VolumeFence& fence) {
  if (fence.group_count > kMessageGroupsMax) return malformed("a volume of too many groups");
  if (fence.name_bytes > kMessageNameBytesMax) return malformed("a volume with too long a name");
  if (fence.snapshot_count > kFenceSnapshotsMax) return malformed("a volume of too many snapshots");
  if (fence.branch_count > kFenceBranchesMax) return malformed("a volume of too many branches");
  return static_cast<uint32_t>(fence.snapshot_count * sizeof(FenceSnapshot) +
                               fence.branch_count * sizeof(FenceBranch) +
                               fence.group_count * sizeof(GroupId)) +
         fence.name_bytes;
}

Result<uint32_t> io_bytes(const IoWireRequest& request) {
  if (request.kind < IoKind::kRead || request.kind > IoKind::kStatus)
    return malformed("an io request of an unknown kind");
  if (request.block_count == 0) return malformed("an io request for no block");
  const bool data = request.kind == IoKind::kRead || request.kind == IoKind::kWrite;
  if (data && request.block_count > kMessageBlocksMax)
    return malformed("an io request with too many blocks");
  return request.kind == IoKind::kWrite ? blocks_payload_bytes(request.block_count) : 0u;
}

Result<uint32_t> io_reply_bytes(const IoWireRequest& request, const IoWireReply& reply) {
  if (request.kind != IoKind::kStatus && reply.run_count != 0)
    return malformed("runs in a reply to no status request");
  if (request.kind == IoKind::kRead) return blocks_payload_bytes(request.block_count);
  if (reply.run_count > kStatusRunsMax) return malformed("too many runs in a status");
  return static_cast<uint32_t>(reply.run_count * sizeof(StatusRun));
}

}  // namespace

Result<uint32_t> request_payload_bytes(MessageType type, std::span<const std::byte> body) {
  switch (type) {
    case MessageType::kBeacon: {
      const auto count = load_body<BeaconRequest>(body).count;
      if (count > kMessageGroupsMax) return malformed("a beacon with too many groups");
      if (load_body<BeaconRequest>(body).leaving > 1) return malformed("a beacon of unknown flags");
      return static_cast<uint32_t>(count * sizeof(GroupClaim));
    }
    case MessageType::kReplicate:
      return replicate_bytes(load_body<ReplicateRequest>(body));
    case MessageType::kChanged: {
      const auto count = load_body<ChangedRequest>(body).run_count_max;
      if (count == 0 || count > kChangedRunsMax)
        return malformed("a request for no or too many changed runs");
      return 0u;
    }
    case MessageType::kFence:
      if (load_body<FenceRequest>(body).exact > 1) return malformed("a fence of unknown flags");
      return fence_bytes(load_body<FenceRequest>(body).fence);
    case MessageType::kAttach:
      return fence_bytes(load_body<AttachRequest>(body).fence);
    case MessageType::kIo:
      return io_bytes(load_body<IoWireRequest>(body));
    case MessageType::kHello:
    case MessageType::kPrepare:
    case MessageType::kFetch:
      return 0u;
  }
  return malformed("a message of an unknown type");
}

Result<uint32_t> reply_payload_bytes(MessageType type, std::span<const std::byte> request,
                                     std::span<const std::byte> reply) {
  switch (type) {
    case MessageType::kBeacon: {
      const auto count = load_body<BeaconReply>(reply).count;
      if (count > load_body<BeaconRequest>(request).count)
        return malformed("a beacon's reply that grants more than was asked for");
      return static_cast<uint32_t>(count * sizeof(GroupEpoch));
    }
    case MessageType::kChanged: {
      const auto count = load_body<ChangedReply>(reply).run_count;
      if (count > load_body<ChangedRequest>(request).run_count_max)
        return malformed("more changed runs than asked for");
      return static_cast<uint32_t>(count * sizeof(ChangedRun));
    }
    case MessageType::kFetch:
      return blocks_payload_bytes(1);
    case MessageType::kIo:
      return io_reply_bytes(load_body<IoWireRequest>(request), load_body<IoWireReply>(reply));
    case MessageType::kHello:
    case MessageType::kReplicate:
    case MessageType::kPrepare:
    case MessageType::kFence:
    case MessageType::kAttach:
      return 0u;
  }
  return malformed("a message of an unknown type");
}

}  // namespace varve
