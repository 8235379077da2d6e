// Who is in sync: preparing members for an epoch, taking silent ones out, changes of the record.
#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/replication/limits.h"
#include "core/replication/primary.h"

namespace varve {

Task<void> Primary::tend(Session* session) {
  const DiskGroupId id = session->member.disk_group;
  while (!resigned_) {
    const bool current = session->epoch == state_.epoch && session->ready();
    if (!current) {
      const bool prepared = co_await prepare(session);
      if (!prepared) {
        co_await remove_if_silent(session);
        co_await pause(kRetryPauseNs);
      } else {
        co_await remove_if_short(session);
      }
      continue;
    }
    if (seen_.record.is_in_sync(id)) {
      if (!session->receiving) begin_receiving(*session);
      co_await session->changed.wait_until(runtime_.timers,
                                           runtime_.clock.monotonic_ns() + kTickNs);
      co_await remove_if_silent(session);
    } else if (!serving_) {
      co_await changed_.wait();
    } else {
      const bool learned = co_await learn(session);
      if (learned) continue;
      end_receiving(*session);
      session->epoch = 0;
      co_await pause(2 * kTickNs);
    }
  }
  end_receiving(*session);
}

Task<bool> Primary::prepare(Session* session) {
  PrepareRequest request;
  request.group = group_;
  request.epoch = state_.epoch;
  request.office = office_;
  request.primary = self_;
  request.in_sync = seen_.record.is_in_sync(session->member.disk_group) ? 1 : 0;
  session->preparing = true;
  const uint64_t deadline_ns = runtime_.clock.monotonic_ns() + kCallDeadlineNs;
  const auto reply =
      co_await peers_.call<PrepareReply>(session->member.node, request, Slices(), deadline_ns);
  session->preparing = false;
  if (!reply.ok()) {
    if (reply.code() == ErrorCode::kStale) resign("a member has made a newer epoch durable");
    answered(*session, reply.code() == ErrorCode::kStale ? ErrorCode::kOk : reply.code());
    co_return false;
  }
  answered(*session, ErrorCode::kOk);
  session->epoch = request.epoch;
  session->position = reply->body.position;
  session->log_end = reply->body.log_end;
  session->changed.wake_all();
  changed_.wake_all();
  co_return true;
}

void Primary::answered(Session& session, ErrorCode result) {
  // No answer: a new attempt may have to prepare it again, it may have restarted.
  const bool silent = result == ErrorCode::kClosed || result == ErrorCode::kTimedOut;
  if (!silent) session.heard_ns = runtime_.clock.monotonic_ns();
  // Refused: it has made another epoch durable, or never had this one.
  if (result == ErrorCode::kStale && session.ready()) session.epoch = 0;
  if (result != ErrorCode::kOk) session.changed.wake_all();
}

void Primary::begin_receiving(Session& session) {
  session.receiving = true;
  for (GroupOperation& operation : in_flight_)
    if (!operation.is_durable_on(session.member.disk_group)) start_send(session, operation);
  session.changed.wake_all();
  changed_.wake_all();
}

void Primary::end_receiving(Session& session) {
  session.receiving = false;
  session.changed.wake_all();
  changed_.wake_all();
}

Task<void> Primary::remove_if_silent(Session* session) {
  const uint64_t now_ns = runtime_.clock.monotonic_ns();
  if (resigned_ || !is_required(session->member.disk_group)) co_return;
  if (now_ns - session->heard_ns <= kMemberSilenceNs) co_return;
  const bool removed = co_await remove(session->member.disk_group);
  if (!removed) co_return;
  log_warn("group", text(static_cast<uint32_t>(group_), ": disk group ",
                         static_cast<uint32_t>(session->member.disk_group),
                         " does not answer and is taken out; ", seen_.record.in_sync.size(), " of ",
                         seen_.record.members.size(), " members are in sync"));
}

// Rule 3: a member that restarted with less than it had made durable has lost data.
Task<void> Primary::remove_if_short(Session* session) {
  if (resigned_ || session->log_end >= session->acked_end) co_return;
  if (!is_required(session->member.disk_group)) co_return;
  const bool removed = co_await remove(session->member.disk_group);
  if (!removed) co_return;
  session->acked_end = 0;
  log_error("group", text(static_cast<uint32_t>(group_), ": disk group ",
                          static_cast<uint32_t>(session->member.disk_group),
                          " came back with a log that ends too early: it is taken out"));
}

Task<bool> Primary::remove(DiskGroupId id) {
  const bool my_turn = co_await take_turn();
  if (!my_turn) co_return false;
  bool removed = false;
  if (seen_.record.is_in_sync(id)) {
    GroupRecord wanted = seen_.record;
    std::erase(wanted.in_sync, id);
    removed = co_await apply(std::move(wanted));
    Session* const session = session_of(id);
    if (removed && session != nullptr) {
      session->epoch = 0;
      end_receiving(*session);
    }
  }
  end_turn();
  co_return removed;
}

Task<bool> Primary::take_turn() {
  while (changing_ && !resigned_) co_await changed_.wait();
  if (resigned_) co_return false;
  changing_ = true;
  co_return true;
}

void Primary::end_turn() {
  changing_ = false;
  changed_.wake_all();
}

Task<bool> Primary::apply(GroupRecord wanted) {
  // Until the result is known both sets count (rule 1).
  pending_ = wanted;
  SeenRecord next = seen_;
  const ChangeResult result =
      co_await change_record(&runtime_, &metadata_, &next, std::move(wanted), &resigned_);
  if (result == ChangeResult::kLost && next.revision == seen_.revision) {
    pending_.reset();  // only ever with a planted bug
    evaluate_all();
    co_return false;
  }
  if (result != ChangeResult::kApplied) {
    resign("its group's record was changed by somebody else");
    co_return false;
  }
  const bool durable = co_await make_epoch_durable(next.record.epoch);
  if (resigned_ || !durable) {
    resign("its epoch cannot be made durable");
    co_return false;
  }
  seen_ = std::move(next);
  pending_.reset();
  evaluate_all();
  advance_position();
  wake_everyone();
  co_return true;
}

Task<void> Primary::hand_over(DiskGroupId to, Stay stay, std::string_view why) {
  const bool my_turn = co_await take_turn();
  if (!my_turn) co_return;
  GroupRecord wanted = seen_.record;
  if (stay == Stay::kOut) std::erase(wanted.in_sync, self_);
  wanted.primary = to;
  const bool possible = wanted.is_in_sync(to);
  if (possible) [[maybe_unused]]
    const bool applied = co_await apply(std::move(wanted));
  resign(why);
  end_turn();
}

// The heir takes office without waiting for leases that this member was granted: so no read is
// answered from before the record is changed.
Task<void> Primary::give_up(bool leave) {
  Call call(*this);
  std::vector<DiskGroupId> heirs;
  for (const auto& session : sessions_)
    if (seen_.record.is_in_sync(session->member.disk_group) && session->ready())
      heirs.push_back(session->member.disk_group);
  if (!serving() || heirs.empty()) co_return;
  const DiskGroupId heir = heirs[(static_cast<uint32_t>(group_) + office_) % heirs.size()];
  serving_ = false;
  // What is on its way is answered, so that the heir finds little in doubt.
  const uint64_t end_ns = runtime_.clock.monotonic_ns() + kTickNs;
  while (in_flight_count_ > 0 && !resigned_ && runtime_.clock.monotonic_ns() < end_ns)
    co_await changed_.wait_until(runtime_.timers, end_ns);
  const bool enough = seen_.record.in_sync.size() > seen_.record.min_in_sync;
  co_await hand_over(heir, leave && enough ? Stay::kOut : Stay::kInSync, "it is handed over");
}

}  // namespace varve
