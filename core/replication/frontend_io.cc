// The way of a frontend's operation to the primary: here, or over the network; and its service
// there.
#include <cstring>

#include "core/base/crc32c.h"
#include "core/replication/limits.h"
#include "core/replication/replication_node.h"

namespace varve {
namespace {

// A frontend waits this long for one answer; the primary may have to take a member out first.
constexpr uint64_t kIoDeadlineNs = 4000 * kMillisecond;

// What arrived must be what was sent: blocks, then a CRC for each.
bool checksums_hold(std::span<const std::byte> payload, uint64_t block_count) {
  std::vector<uint32_t> sent(block_count);
  std::vector<uint32_t> actual(block_count);
  std::memcpy(sent.data(), payload.data() + block_count * kBlockBytes, block_count * 4);
  crc32c_blocks(payload.data(), block_count, actual.data());
  return sent == actual;
}

}  // namespace

Task<void> ReplicationNode::retry_pause() {
  co_await changed_.wait_until(runtime_.timers, runtime_.clock.monotonic_ns() + kRetryPauseNs);
}

Task<void> ReplicationNode::refresh(GroupId group) {
  const Result<SeenRecord> seen = co_await read_record(&metadata_, group);
  if (seen.ok()) record_seen(*seen);
}

Task<Status> ReplicationNode::io(GroupIo io) {
  const auto seen = records_.find(io.group);
  if (seen == records_.end() || stopping_) co_return ErrorCode::kUnavailable;
  const GroupRecord& record = seen->second.record;
  const GroupMember* const member = record.member(record.primary);
  if (member == nullptr) co_return ErrorCode::kUnavailable;
  const Epoch office = record.office;
  const NodeId node = member->node;
  if (node != node_) co_return co_await io_there(node, office, io);
  Primary* const primary = primary_of(io.group);
  if (primary == nullptr) co_return ErrorCode::kStale;
  const IoOrigin origin{node_, office, io.attach_generation, io.connection, io.generation};
  co_return co_await io_here(primary, origin, io);
}

Primary* ReplicationNode::primary_of(GroupId group) {
  Replica* const mine = replica(group);
  return mine == nullptr ? nullptr : mine->primary();
}

Task<Status> ReplicationNode::io_here(Primary* primary, IoOrigin origin, GroupIo io) {
  switch (io.kind) {
    case IoKind::kRead:
      co_return co_await primary->read(origin, {io.volume, io.generation}, io.range, io.out);
    case IoKind::kWrite:
      co_return co_await primary->write(origin, io.volume, io.range, io.data, io.crcs);
    case IoKind::kTrim:
      co_return co_await primary->trim(origin, io.volume, io.range);
    case IoKind::kStatus:
      co_return co_await primary->status(origin, {io.volume, io.generation}, io.range, io.runs);
  }
  co_return ErrorCode::kInvalidArgument;
}

Task<Status> ReplicationNode::io_there(NodeId node, Epoch office, GroupIo io) {
  IoWireRequest request;
  request.group = io.group;
  request.office = office;
  request.volume = io.volume;
  request.block_count = static_cast<uint32_t>(io.range.count);
  request.first_block = io.range.first;
  request.attach_generation = io.attach_generation;
  request.connection = io.connection;
  request.kind = io.kind;
  request.generation = io.generation;
  const uint64_t data_blocks = io.kind == IoKind::kWrite ? io.range.count : 0;
  const std::span<const std::byte> parts[2] = {{io.data, data_blocks * kBlockBytes},
                                               std::as_bytes(std::span(io.crcs, data_blocks))};
  const Slices slices = data_blocks > 0 ? Slices(parts) : Slices();
  const uint64_t deadline_ns = runtime_.clock.monotonic_ns() + kIoDeadlineNs;
  const auto reply = co_await peers_.call<IoWireReply>(node, request, slices, deadline_ns);
  if (!reply.ok()) co_return reply.status();
  const std::span<const std::byte> payload = reply->payload.bytes();
  if (io.kind == IoKind::kRead) {
    if (payload.size() != io.range.count * (kBlockBytes + 4)) co_return ErrorCode::kStale;
    if (!checksums_hold(payload, io.range.count)) co_return ErrorCode::kStale;  // ask again
    std::memcpy(io.out, payload.data(), io.range.count * kBlockBytes);
  }
  uint64_t left = io.range.count;
  for (uint32_t i = 0; io.kind == IoKind::kStatus && i < reply->body.run_count; ++i) {
    StatusRun run;
    std::memcpy(&run, payload.data() + i * sizeof run, sizeof run);
    if (run.block_count > left)
      co_return Status(ErrorCode::kIoError, "block status of more than was asked for");
    left -= run.block_count;
    io.runs->push_back({run.block_count, run.data != 0});
  }
  co_return Status();
}

Task<void> ReplicationNode::serve_io(IncomingRequest request) {
  const IoWireRequest body = request.as<IoWireRequest>();
  Primary* const primary = primary_of(body.group);
  GroupIo io;
  io.kind = body.kind;
  io.generation = body.generation;
  io.group = body.group;
  io.volume = body.volume;
  io.range = {body.first_block, body.block_count};
  const bool fits = body.block_count > 0 &&
                    body.first_block / kExtentBlocks == (io.range.end() - 1) / kExtentBlocks;
  if (primary == nullptr || !fits) {
    const ErrorCode why = fits ? ErrorCode::kStale : ErrorCode::kInvalidArgument;
    co_await refuse(std::move(request), why);
    co_return;
  }
  const IoOrigin origin{request.from, body.office, body.attach_generation, body.connection,
                        body.generation};
  AlignedBuffer out;
  std::vector<uint32_t> crcs;
  std::vector<BlockStatusRun> runs;
  if (body.kind == IoKind::kRead) out = AlignedBuffer(io.range.count * kBlockBytes);
  if (body.kind == IoKind::kWrite) {
    if (!checksums_hold(request.payload.bytes(), io.range.count)) {
      co_await refuse(std::move(request), ErrorCode::kStale);  // damaged on its way: again
      co_return;
    }
    crcs.resize(io.range.count);
    std::memcpy(crcs.data(), request.payload.bytes().data() + io.range.count * kBlockBytes,
                io.range.count * 4);
    io.data = request.payload.bytes().data();
  }
  io.crcs = crcs.data();
  io.out = out.data();
  io.runs = &runs;
  const Status status = co_await io_here(primary, origin, io);
  co_await reply_io(&request, &io, status);
}

Task<void> ReplicationNode::reply_io(const IncomingRequest* request, const GroupIo* io,
                                     Status status) {
  IoWireReply reply;
  std::vector<uint32_t> crcs;
  std::vector<StatusRun> runs;
  std::vector<std::span<const std::byte>> parts;
  if (status.ok() && io->kind == IoKind::kRead) {
    crcs.resize(io->range.count);
    crc32c_blocks(io->out, crcs.size(), crcs.data());
    parts.push_back({io->out, io->range.count * kBlockBytes});
    parts.push_back(std::as_bytes(std::span(crcs)));
  }
  if (status.ok() && io->kind == IoKind::kStatus) {
    for (const BlockStatusRun& run : *io->runs)
      runs.push_back({run.block_count, uint64_t{run.data}});
    reply.run_count = static_cast<uint32_t>(runs.size());
    parts.push_back(std::as_bytes(std::span(runs)));
  }
  co_await peers_.reply(*request, status.code(), reply, Slices(parts));
}

Task<Status> ReplicationNode::attach(FencedVolume volume) {
  const GroupId group = volume.fence.group;
  const auto seen = records_.find(group);
  if (seen == records_.end() || stopping_) co_return ErrorCode::kUnavailable;
  const GroupRecord& record = seen->second.record;
  const GroupMember* const member = record.member(record.primary);
  if (member == nullptr) co_return ErrorCode::kUnavailable;
  if (member->node == node_) {
    Primary* const primary = primary_of(group);
    if (primary == nullptr || primary->office() != record.office) co_return ErrorCode::kStale;
    const Status status = co_await primary->attach(std::move(volume));
    fence_put();
    co_return status;
  }
  const FenceMessage message = encode_fence(volume);
  AttachRequest request;
  request.group = group;
  request.office = record.office;
  request.fence = message.body;
  const NodeId node = member->node;
  const std::span<const std::byte> part(message.payload);
  const uint64_t deadline_ns = runtime_.clock.monotonic_ns() + kIoDeadlineNs;
  const auto reply = co_await peers_.call<EmptyReply>(node, request, Slices(&part, 1), deadline_ns);
  co_return reply.ok() ? Status() : reply.status();
}

Task<void> ReplicationNode::serve_attach(IncomingRequest request) {
  const AttachRequest body = request.as<AttachRequest>();
  Primary* const primary = primary_of(body.group);
  if (primary == nullptr || primary->office() != body.office) {
    co_await refuse(std::move(request), ErrorCode::kStale);
    co_return;
  }
  FencedVolume volume = decode_fence(body.group, body.fence, request.payload.bytes());
  const Status status = co_await primary->attach(std::move(volume));
  co_await peers_.reply(request, status.code(), EmptyReply(), Slices());
}

}  // namespace varve
