// How a learner comes back in sync. It gets live operations from the beginning, and in the same
// stream what it lacks; then it is admitted.
#include <algorithm>
#include <cstring>

#include "core/base/crc32c.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/replication/limits.h"
#include "core/replication/primary.h"

namespace varve {

Task<bool> Primary::learn(Session* session) {
  // Rule 1: the position that it returned with; it does not move before the admission.
  const Sequence after = session->position;
  if (!session->ready()) co_return false;
  begin_receiving(*session);
  uint64_t dropped = store_.snapshots_dropped();
  bool done = co_await send_fences(session);
  if (!done) co_return false;
  if (!VARVE_MUTANT(kAdmitEarly)) {
    done = co_await rewrite_diverged(session, after);
    if (!done) co_return false;
    done = co_await send_copies(session, after);
    if (!done) co_return false;
  }
  // What was given up here meanwhile was not copied as a whole: the learner must not show it.
  while (dropped != store_.snapshots_dropped()) {
    dropped = store_.snapshots_dropped();
    done = co_await send_fences(session);
    if (!done) co_return false;
  }
  done = co_await admit_learner(session, dropped);
  if (!done) co_return false;
  log_info("group", text(static_cast<uint32_t>(group_), ": disk group ",
                         static_cast<uint32_t>(session->member.disk_group), " is in sync again"));
  co_return true;
}

Task<bool> Primary::send_fences(Session* session) {
  for (const AttachFence& fence : store_.fences()) {
    if (fence.group != group_) continue;
    for (const VolumeRecord& record : store_.volume_records()) {
      if (record.id != fence.volume) continue;
      FencedVolume volume;
      volume.fence = fence;
      volume.record = record;
      volume.history = store_.history(record.id);
      volume.exact = true;
      // This member has not heard of deletions for long.
      if (volume.history.snapshots.size() > kFenceSnapshotsMax) co_return false;
      const bool sent = co_await send_fence(session, std::move(volume));
      if (!sent) co_return false;
    }
  }
  co_return true;
}

Task<bool> Primary::send_fence(Session* session, FencedVolume volume) {
  const FenceMessage message = encode_fence(volume);
  FenceRequest request;
  request.group = group_;
  request.epoch = session->epoch;
  request.fence = message.body;
  request.exact = volume.exact ? 1 : 0;
  const std::span<const std::byte> part(message.payload);
  const uint64_t deadline_ns = runtime_.clock.monotonic_ns() + kCallDeadlineNs;
  const auto reply = co_await peers_.call<EmptyReply>(session->member.node, request,
                                                      Slices(&part, 1), deadline_ns);
  answered(*session, reply.ok() ? ErrorCode::kOk : reply.code());
  co_return reply.ok();
}

// Where the learner has a number above ours, the two have parted: our value again, for all.
Task<bool> Primary::rewrite_diverged(Session* session, Sequence after) {
  std::vector<ChangedBlocks> theirs;
  const bool collected = co_await collect_from(session, after, &theirs);
  if (!collected) co_return false;
  // Not awaited to their commitment: while too few are in sync nothing commits, and the learner is
  // what is missing. Its admission waits for all that is on its way.
  for (const ChangedBlocks& run : theirs) {
    for (uint64_t i = 0; i < run.range.count; ++i) {
      const VersionRange block{run.volume, run.generation, {run.range.first + i, 1}};
      if (!has_parted(block, run.sequence)) continue;
      tasks_.start(rewrite_parted(block));
      while (session->receiving && !resigned_ && has_parted(block, run.sequence))
        co_await pause(kTickNs / 10);
    }
  }
  co_return session->receiving && !resigned_;
}

// Whether our value of the block has a lower number than `theirs`, and none is on its way. What
// nothing shows any more is given up by the learner, too.
bool Primary::has_parted(const VersionRange& block, Sequence theirs) const {
  return store_.versions(block)[0].sequence < theirs && !overlaps_uncommitted(block) &&
         store_.is_shown(block.volume, block.generation, block.range.first);
}

Task<void> Primary::rewrite_parted(VersionRange block) {
  [[maybe_unused]] const Status status = co_await rewrite(block);
}

Task<bool> Primary::send_copies(Session* session, Sequence after) {
  TaskGroup copies(runtime_.ready);
  bool failed = false;
  VolumeId volume{};
  uint64_t block = 0;
  do {
    const ChangedPage page = store_.changed(group_, after, volume, block, kChangedRunsMax);
    for (const ChangedBlocks& run : page.runs) {
      if (VARVE_MUTANT(kForgetOldGenerations) &&
          run.generation < store_.newest_generation(run.volume))
        continue;
      if (failed || resigned_ || !session->receiving) break;
      copies.start(send_copy(session, run, &failed));
      co_await copies.below(kCopiesInFlightMax);
    }
    volume = page.next_volume;
    block = page.next_block;
  } while (volume != VolumeId{} && !failed && !resigned_ && session->receiving);
  co_await copies.done();
  co_return !failed && !resigned_ && session->receiving;
}

Task<void> Primary::send_copy(Session* session, ChangedBlocks run, bool* failed) {
  uint64_t block = run.range.first;
  while (block < run.range.end() && !*failed) {
    const BlockRange left{block, run.range.end() - block};
    const std::vector<BlockVersion> versions = store_.versions({run.volume, run.generation, left});
    const BlockVersion first = versions[0];
    uint64_t count = 1;
    while (count < versions.size() && versions[count].kind == first.kind &&
           versions[count].sequence == first.sequence)
      ++count;
    const BlockRange part{block, count};
    // Changed since: the learner got that as a live operation.
    if (first.sequence != run.sequence || first.kind == BlockVersion::Kind::kNone) {
      block += count;
      continue;
    }
    const ChangedBlocks copied{run.volume, part, run.sequence, run.generation};
    Status status = co_await send_copied_part(session, copied, first.kind);
    // What is damaged here must not leave an older value there: it is repaired under a new number,
    // which the learner gets as a live operation, or the learner is not admitted.
    if (status.code() == ErrorCode::kDamaged)
      status = co_await repair(run.versions().view(), part);
    else if (status.ok())
      block += count;
    if (!status.ok()) *failed = true;
  }
}

Task<Status> Primary::send_copied_part(Session* session, ChangedBlocks part,
                                       BlockVersion::Kind kind) {
  AlignedBuffer data;
  std::vector<uint32_t> crcs;
  ReplicateRequest request;
  if (kind == BlockVersion::Kind::kDamaged) co_return ErrorCode::kDamaged;
  if (kind == BlockVersion::Kind::kData) {
    data = AlignedBuffer(part.range.count * kBlockBytes);
    VARVE_CO_TRY(co_await store_.read_generation(part.versions(), data.data()));
  }
  crcs.resize(data.size() / kBlockBytes);
  crc32c_blocks(data.data(), crcs.size(), crcs.data());
  const std::span<const std::byte> parts[2] = {data.span(), std::as_bytes(std::span(crcs))};
  const Slices slices = crcs.empty() ? Slices() : Slices(parts);
  request.group = group_;
  request.sequence = part.sequence;
  request.volume = part.volume;
  request.block_count = static_cast<uint32_t>(part.range.count);
  request.first_block = part.range.first;
  request.op = crcs.empty() ? ReplicateOp::kZero : ReplicateOp::kData;
  request.generation = part.generation;
  while (session->receiving && !resigned_) {
    request.epoch = session->epoch;
    const uint64_t deadline_ns = runtime_.clock.monotonic_ns() + kCallDeadlineNs;
    const auto reply =
        co_await peers_.call<EmptyReply>(session->member.node, request, slices, deadline_ns);
    answered(*session, reply.ok() ? ErrorCode::kOk : reply.code());
    const bool deleted = reply.code() == ErrorCode::kNotFound && !store_.has_volume(part.volume);
    if (reply.ok() || deleted) co_return Status();
    if (reply.code() != ErrorCode::kNoSpace) co_return reply.status();
    co_await pause(kRetryPauseNs);
  }
  co_return ErrorCode::kStale;
}

Task<bool> Primary::admit_learner(Session* session, uint64_t dropped) {
  const DiskGroupId id = session->member.disk_group;
  const bool my_turn = co_await take_turn();
  if (!my_turn) co_return false;
  if (dropped != store_.snapshots_dropped()) {
    end_turn();
    co_return false;
  }
  GroupRecord wanted = seen_.record;
  wanted.in_sync.push_back(id);
  // From here on nothing is acknowledged, and nothing is read, without it (rule 1).
  pending_ = wanted;
  const Sequence last = make_sequence(state_.epoch, counter_);
  const uint64_t give_up_ns = runtime_.clock.monotonic_ns() + kCallDeadlineNs;
  bool complete = VARVE_MUTANT(kAdmitEarly);
  while (!complete && !resigned_ && session->receiving) {
    complete = true;
    for (const GroupOperation& operation : in_flight_)
      if (operation.sequence <= last && !operation.is_durable_on(id)) complete = false;
    if (complete) break;
    if (runtime_.clock.monotonic_ns() >= give_up_ns) break;
    co_await changed_.wait_until(runtime_.timers, give_up_ns);
  }
  bool admitted = false;
  if (complete && !resigned_ && session->receiving) {
    admitted = co_await apply(std::move(wanted));
  } else {
    pending_.reset();
    evaluate_all();
  }
  end_turn();
  co_return admitted;
}

}  // namespace varve
