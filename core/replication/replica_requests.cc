// What a member answers to the primary of its group.
#include <algorithm>
#include <cstring>
#include <string>

#include "core/base/crc32c.h"
#include "core/base/mutant.h"
#include "core/replication/changed_page.h"
#include "core/replication/limits.h"
#include "core/replication/replica.h"

namespace varve {

Task<void> Replica::prepare(IncomingRequest request) {
  const PrepareRequest body = request.as<PrepareRequest>();
  PrepareReply reply;
  ErrorCode result = ErrorCode::kOk;
  if (stopping_ || failed_) {
    result = ErrorCode::kClosed;
  } else if (body.epoch < promised_epoch_) {
    result = ErrorCode::kStale;
  } else {
    promised_epoch_ = body.epoch;
    if (primary_ != nullptr) primary_->resign("another primary has a newer epoch");
    while (primary_ != nullptr && !stopping_) co_await changed_.wait();
    // What was accepted in an older epoch is in the log, or never will be, before we say what we
    // have.
    co_await appends_ended();
    MemberState wanted = state_;
    wanted.epoch = body.epoch;
    const Status status = co_await store_.put_group(wanted);
    if (promised_epoch_ != body.epoch || stopping_)
      result = ErrorCode::kStale;
    else
      result = status.code();
  }
  if (result == ErrorCode::kOk) {
    state_.epoch = body.epoch;
    prepared_ = true;
    in_sync_ = body.in_sync == 1;
    heard_ns_ = runtime_.clock.monotonic_ns();
  }
  reply.epoch = promised_epoch_;
  reply.position = state_.position;
  reply.log_end = store_.log_end(context_.group);
  co_await context_.peers.reply(request, result, reply, Slices());
}

Task<void> Replica::replicate(IncomingRequest request) {
  const ReplicateRequest body = request.as<ReplicateRequest>();
  ErrorCode result = ErrorCode::kStale;
  if (accepts(body.epoch)) {
    ++append_count_;
    const Status status = co_await replicate_here(body, request.payload.bytes());
    if (--append_count_ == 0) appends_ended_.wake_all();
    result = status.code();
    if (result == ErrorCode::kOk && accepts(body.epoch))
      take_position(body.position, body.everyone);
    if (result == ErrorCode::kIoError) failed_ = true;
  }
  co_await context_.peers.reply(request, result, EmptyReply(), Slices());
}

Task<Status> Replica::replicate_here(const ReplicateRequest& body,
                                     std::span<const std::byte> payload) {
  const GroupStamp stamp{context_.group, body.sequence, true, body.generation};
  const BlockRange range{body.first_block, body.block_count};
  if (body.op == ReplicateOp::kZero) co_return co_await store_.zero_as(stamp, body.volume, range);
  // Checked on arrival: what the network damaged is asked for again, not logged.
  std::vector<uint32_t> crcs(range.count);
  std::vector<uint32_t> actual(range.count);
  std::memcpy(crcs.data(), payload.data() + range.count * kBlockBytes, range.count * 4);
  crc32c_blocks(payload.data(), range.count, actual.data());
  if (crcs != actual) co_return ErrorCode::kInvalidArgument;
  co_return co_await store_.write_as(stamp, body.volume, range, payload.data(), crcs.data());
}

void Replica::take_position(Sequence position, Sequence everyone) {
  // Rule 1: a learner keeps the position that it returned with.
  if (!in_sync_ && !VARVE_MUTANT(kLearnerAdoptsPosition)) return;
  state_.position = std::max(state_.position, position);
  state_.everyone = std::max(state_.everyone, everyone);
}

Task<void> Replica::changed(IncomingRequest request) {
  const ChangedRequest body = request.as<ChangedRequest>();
  ChangedMessage message;
  ErrorCode result = ErrorCode::kStale;
  if (accepts(body.epoch)) {
    co_await appends_ended();
    // The last block may add as many runs as it has versions.
    const ChangedPage page = store_.changed(context_.group, body.after, body.volume, body.block,
                                            kChangedRunsMax - kFenceSnapshotsMax - 1);
    message = encode_changed(page);
    result = ErrorCode::kOk;
  }
  const std::span<const std::byte> part = std::as_bytes(std::span(message.runs));
  const Slices slices = message.runs.empty() ? Slices() : Slices(&part, 1);
  co_await context_.peers.reply(request, result, message.body, slices);
}

Task<void> Replica::fetch(IncomingRequest request) {
  const FetchRequest body = request.as<FetchRequest>();
  AlignedBuffer data(kBlockBytes);
  Status status = ErrorCode::kNotFound;
  const VersionRange one{body.volume, body.generation, {body.block, 1}};
  const BlockVersion version = store_.versions(one)[0];
  const bool same = version.sequence == body.sequence && !stopping_;
  if (same && version.kind == BlockVersion::Kind::kZero) status = ErrorCode::kOk;
  if (same && version.kind == BlockVersion::Kind::kData)
    status = co_await store_.read_generation(one, data.data());
  const uint32_t crc = crc32c(data.span());
  const std::span<const std::byte> parts[2] = {data.span(),
                                               std::as_bytes(std::span<const uint32_t>(&crc, 1))};
  const Slices slices = status.ok() ? Slices(parts) : Slices();
  co_await context_.peers.reply(request, status.code(), EmptyReply(), slices);
}

Task<Status> Replica::put_fence(FencedVolume volume, bool exact) {
  const VolumeHistory& history = volume.history;
  const Status status = co_await store_.put_fence(volume.fence, volume.record, history);
  if (!status.ok() || !exact) co_return status;
  std::vector<Generation> kept;
  kept.reserve(history.snapshots.size());
  for (const SnapshotRecord& snapshot : history.snapshots) kept.push_back(snapshot.generation);
  const VolumeHistory held = store_.history(volume.record.id);
  const bool more =
      std::any_of(held.snapshots.begin(), held.snapshots.end(), [&](const SnapshotRecord& one) {
        return one.generation < history.lineage.newest &&
               std::find(kept.begin(), kept.end(), one.generation) == kept.end();
      });
  if (!more) co_return status;
  co_return co_await store_.keep_snapshots(volume.record.id, history.lineage.newest, kept);
}

Task<void> Replica::fence(IncomingRequest request) {
  const FenceRequest body = request.as<FenceRequest>();
  Status status = ErrorCode::kStale;
  if (accepts(body.epoch)) {
    FencedVolume volume = decode_fence(context_.group, body.fence, request.payload.bytes());
    if (VARVE_MUTANT(kFenceWithoutSnapshots)) volume.history.snapshots.clear();
    ++append_count_;
    status = co_await put_fence(std::move(volume), body.exact == 1);
    if (--append_count_ == 0) appends_ended_.wake_all();
    // A newer generation, of an attach that this primary has not heard of, refuses even more.
    if (status.code() == ErrorCode::kStale) status = ErrorCode::kOk;
  }
  co_await context_.peers.reply(request, status.code(), EmptyReply(), Slices());
}

}  // namespace varve
