// The way of reads, writes and trims through the primary.
#include <algorithm>
#include <cstring>

#include "core/base/mutant.h"
#include "core/replication/limits.h"
#include "core/replication/primary.h"

namespace varve {

Task<Status> Primary::write(IoOrigin origin, VolumeId volume, BlockRange range,
                            const std::byte* data, const uint32_t* crcs) {
  Call call(*this);
  while (in_flight_count_ >= kGroupInFlightMax && !resigned_) co_await changed_.wait();
  co_await settled(volume, range);
  VARVE_CO_TRY(admit_change(origin, volume));
  // Nothing could be acknowledged: the frontend waits, so that no buffer here does.
  if (seen_.record.in_sync.size() < seen_.record.min_in_sync) co_return ErrorCode::kUnavailable;
  if (!store_.has_room(range)) co_return ErrorCode::kNoSpace;
  GroupOperation operation(runtime_.ready);
  operation.volume = volume;
  operation.generation = origin.generation;
  operation.range = range;
  operation.data = data;
  operation.crcs = crcs;
  co_return co_await run_operation(&operation);
}

Task<Status> Primary::trim(IoOrigin origin, VolumeId volume, BlockRange range) {
  Call call(*this);
  while (true) {
    co_await settled(volume, range);
    VARVE_CO_TRY(admit_change(origin, volume));
    if (!overlaps_uncommitted(volume, range)) break;
    co_await changed_.wait();
  }
  // Every member must log the same: the primary names what there is to trim.
  for (const BlockRange& used : store_.used_ranges(volume, range)) {
    VARVE_CO_TRY(admit_change(origin, volume));
    GroupOperation operation(runtime_.ready);
    operation.op = ReplicateOp::kZero;
    operation.volume = volume;
    operation.generation = origin.generation;
    operation.range = used;
    VARVE_CO_TRY(co_await run_operation(&operation));
  }
  co_return Status();
}

Task<Status> Primary::read(IoOrigin origin, VolumeView view, BlockRange range, std::byte* out) {
  Call call(*this);
  VARVE_CO_TRY(admit_read(origin, view));
  for (int attempt = 0;; ++attempt) {
    co_await settled(view.volume, range);
    co_await committed(view.volume, range);
    if (resigned_) co_return ErrorCode::kStale;
    const Status status = co_await store_.read(view, range, out);
    if (status.ok()) break;
    if (status.code() == ErrorCode::kIoError) {
      VARVE_CO_TRY(co_await read_elsewhere(view, range, out));
      break;
    }
    if (status.code() != ErrorCode::kDamaged || attempt == 3) co_return status;
    VARVE_CO_TRY(co_await repair(view, range));
  }
  const Status status = co_await still_valid(origin, view);
  co_return status;
}

// Checked when replying: whoever took over meanwhile may have acknowledged something newer, and
// whoever attached meanwhile may have written it here. A snapshot, too: a primary that was deposed
// may have heard of one, but not of what it shows.
Task<Status> Primary::still_valid(IoOrigin origin, VolumeView view) {
  while (!resigned_ && !leases_hold())
    co_await changed_.wait_until(runtime_.timers, runtime_.clock.monotonic_ns() + kTickNs);
  if (view.generation == kHead) co_return may_use(origin, view.volume);
  co_return admit_read(origin, view);
}

// The device cannot read it, now: other members hold the same numbers.
Task<Status> Primary::read_elsewhere(VolumeView view, BlockRange range, std::byte* out) {
  const std::vector<BlockVersion> versions = store_.seen(view, range);
  for (uint64_t i = 0; i < range.count; ++i) {
    std::byte* const to = out + i * kBlockBytes;
    std::memset(to, 0, kBlockBytes);
    if (versions[i].kind != BlockVersion::Kind::kData) continue;
    const VersionRange one{versions[i].volume, versions[i].generation, {range.first + i, 1}};
    const bool fetched = co_await fetch(one, versions[i].sequence, to);
    if (!fetched) co_return ErrorCode::kIoError;
  }
  co_return Status();
}

Task<Status> Primary::status(IoOrigin origin, VolumeView view, BlockRange range,
                             std::vector<BlockStatusRun>* runs) {
  Call call(*this);
  VARVE_CO_TRY(admit_read(origin, view));
  co_await settled(view.volume, range);
  co_await committed(view.volume, range);
  VARVE_CO_TRY(co_await still_valid(origin, view));
  co_return store_.block_status(view, range, *runs);
}

bool Primary::overlaps_uncommitted(VolumeId volume, BlockRange range) const {
  if (in_flight_.empty()) return false;
  for (VolumeId shown = volume; shown != VolumeId{}; shown = store_.base_of(shown))
    for (const GroupOperation& operation : in_flight_)
      if (!operation.committed && operation.overlaps(shown, range)) return true;
  return false;
}

bool Primary::overlaps_uncommitted(const VersionRange& what) const {
  for (const GroupOperation& operation : in_flight_)
    if (!operation.committed && operation.versions().overlaps(what)) return true;
  return false;
}

Task<void> Primary::committed(VolumeId volume, BlockRange range) {
  while (!resigned_ && overlaps_uncommitted(volume, range)) co_await changed_.wait();
}

Task<Status> Primary::run_operation(GroupOperation* operation) {
  if (operation->sequence == 0) operation->sequence = make_sequence(state_.epoch, ++counter_);
  operation->previous = last_number_;
  last_number_ = std::max(last_number_, operation->sequence);
  in_flight_.push_back(*operation);
  ++in_flight_count_;
  ++operation->task_count;
  tasks_.start(log_here(operation));
  for (const auto& session : sessions_)
    if (session->receiving) start_send(*session, *operation);
  while (operation->task_count > 0 || (!operation->committed && !resigned_))
    co_await operation->changed.wait();
  in_flight_.erase(in_flight_.iterator_to(*operation));
  --in_flight_count_;
  changed_.wake_all();
  if (!operation->committed) co_return ErrorCode::kStale;
  co_return Status();
}

Task<void> Primary::log_here(GroupOperation* operation) {
  const GroupStamp stamp{group_, operation->sequence, operation->reserved_room,
                         operation->generation};
  while (true) {
    Status status;
    if (operation->op == ReplicateOp::kData)
      status = co_await store_.write_as(stamp, operation->volume, operation->range, operation->data,
                                        operation->crcs);
    else
      status = co_await store_.zero_as(stamp, operation->volume, operation->range);
    // A volume that was deleted meanwhile takes no room and no reads: its operations are done.
    if (status.ok() || status.code() == ErrorCode::kNotFound) {
      operation->durable_on.push_back(self_);
      break;
    }
    if (status.code() != ErrorCode::kNoSpace) {
      // Others may have it: whether it counts is for the next primary to settle.
      resign(status.message());
      break;
    }
    if (resigned_) break;
    co_await pause(kRetryPauseNs);
  }
  end_part(*operation);
}

void Primary::start_send(Session& session, GroupOperation& operation) {
  ++operation.task_count;
  tasks_.start(send(&session, &operation));
}

Task<void> Primary::send(Session* session, GroupOperation* operation) {
  const uint64_t data_blocks = operation->op == ReplicateOp::kData ? operation->range.count : 0;
  const std::span<const std::byte> parts[2] = {
      {operation->data, data_blocks * kBlockBytes},
      std::as_bytes(std::span(operation->crcs, data_blocks))};
  const Slices slices = data_blocks > 0 ? Slices(parts) : Slices();
  while (session->receiving && !resigned_) {
    if (!session->ready()) {
      co_await session->changed.wait();
      continue;
    }
    ReplicateRequest request;
    request.group = group_;
    request.epoch = session->epoch;
    request.sequence = operation->sequence;
    request.position = state_.position;
    request.everyone = state_.everyone;
    request.volume = operation->volume;
    request.block_count = static_cast<uint32_t>(operation->range.count);
    request.first_block = operation->range.first;
    request.op = operation->op;
    request.generation = operation->generation;
    const uint64_t deadline_ns = runtime_.clock.monotonic_ns() + kCallDeadlineNs;
    const auto reply =
        co_await peers_.call<EmptyReply>(session->member.node, request, slices, deadline_ns);
    const bool deleted =
        reply.code() == ErrorCode::kNotFound && !store_.has_volume(operation->volume);
    if (reply.ok() || deleted) {
      answered(*session, ErrorCode::kOk);
      operation->durable_on.push_back(session->member.disk_group);
      session->acked_end = std::max(session->acked_end, operation->sequence);
      break;
    }
    answered(*session, reply.code());
    co_await pause(kRetryPauseNs);
  }
  end_part(*operation);
}

void Primary::end_part(GroupOperation& operation) {
  --operation.task_count;
  evaluate(operation);
  operation.changed.wake_all();
}

void Primary::evaluate(GroupOperation& operation) {
  if (operation.committed || resigned_ || !operation.is_durable_on(self_)) return;
  if (seen_.record.in_sync.size() < seen_.record.min_in_sync) return;
  for (const auto& session : sessions_) {
    const DiskGroupId id = session->member.disk_group;
    if (is_required(id) && !operation.is_durable_on(id) && !VARVE_MUTANT(kAcknowledgeWithoutMember))
      return;
  }
  operation.committed = true;
  operation.changed.wake_all();
  advance_position();
  changed_.wake_all();
}

void Primary::evaluate_all() {
  for (GroupOperation& operation : in_flight_) evaluate(operation);
}

void Primary::advance_position() {
  // Blocks in doubt have numbers below those of settlement.
  if (!serving_ || !in_doubt_.empty()) return;
  if (seen_.record.in_sync.size() < seen_.record.min_in_sync) return;
  // Never beyond what was really given: a log's end is compared with it.
  Sequence position = last_number_;
  for (const GroupOperation& operation : in_flight_) {
    if (operation.committed) continue;
    position = operation.previous;
    break;
  }
  state_.position = std::max(state_.position, position);
  if (seen_.record.in_sync.size() == seen_.record.members.size() && !pending_)
    state_.everyone = state_.position;
}

}  // namespace varve
