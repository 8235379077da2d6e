#include "core/replication/replica.h"

#include "core/base/crc32c.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/replication/limits.h"

namespace varve {
namespace {

MemberState state_in(const Store& store, GroupId group) {
  for (const MemberState& state : store.groups())
    if (state.id == group) return state;
  return {.id = group};
}

}  // namespace

Replica::Replica(PrimaryContext context, NodeId node, uint64_t started_ns)
    : context_(context),
      runtime_(context.runtime),
      store_(context.store),
      node_(node),
      started_ns_(started_ns),
      state_(state_in(context.store, context.group)),
      promised_epoch_(state_.epoch),
      durable_position_(state_.position),
      appends_ended_(runtime_.ready),
      heard_ns_(runtime_.clock.monotonic_ns()),
      granted_ns_(started_ns),
      changed_(runtime_.ready),
      tasks_(runtime_.ready) {}

Replica::~Replica() {
  VARVE_CHECK(tasks_.running() == 0);
}

void Replica::record_seen(const SeenRecord& seen) {
  if (seen.revision <= seen_.revision) return;
  seen_ = seen;
  if (primary_ == nullptr || primary_->resigned()) return;
  if (seen.record.epoch > primary_->seen().record.epoch && seen.record.primary != context_.self)
    primary_->resign("another member took office");
}

void Replica::tick() {
  if (primary_ != nullptr) {
    primary_->tick();
    record_seen(primary_->seen());  // it knows first
  }
  const uint64_t now_ns = runtime_.clock.monotonic_ns();
  if (primary_ == nullptr && state_.position != durable_position_ && !keeping_position_ &&
      now_ns - position_kept_ns_ >= kPositionPeriodNs && !stopping_ && !failed_) {
    position_kept_ns_ = now_ns;
    keeping_position_ = true;
    tasks_.start(keep_position());
  }
  if (should_take_over()) {
    taking_over_ = true;
    tasks_.start(take_over());
  }
  changed_.wake_all();
}

Task<void> Replica::keep_position() {
  const MemberState state = state_;
  const Status status = co_await store_.put_group(state);
  if (status.ok()) durable_position_ = std::max(durable_position_, state.position);
  keeping_position_ = false;
}

bool Replica::should_take_over() const {
  const bool unable = leaving_ || stopping_ || failed_;
  if (unable || taking_over_ || primary_ != nullptr || seen_.revision == 0) return false;
  const GroupRecord& record = seen_.record;
  if (record.primary == context_.self) return true;
  if (!record.is_in_sync(context_.self)) return false;
  // A new group: the first member is to be its primary.
  if (record.office == 0 && record.members.front().disk_group == context_.self) return true;
  return runtime_.clock.monotonic_ns() - heard_ns_ > kPrimarySilenceNs;
}

Task<void> Replica::take_over() {
  Result<SeenRecord> seen = co_await read_record(&context_.metadata, context_.group);
  bool won = false;
  if (seen.ok() && seen->revision >= seen_.revision && !stopping_)
    won = co_await win_office(&*seen);
  if (won) co_await hold_office(std::move(*seen));
  taking_over_ = false;
}

Task<bool> Replica::win_office(SeenRecord* seen) {
  const GroupRecord former = seen->record;
  // Nobody holds a lease against the last primary itself, once it has made that office durable and
  // so grants nothing to an older one; nor where there never was one.
  const bool own =
      (former.primary == context_.self && state_.epoch >= former.office) || former.office == 0;
  if (!former.is_in_sync(context_.self)) co_return false;
  const uint64_t heard_ns = heard_ns_;
  // Rule 3: what was granted, also before a restart, must be over. taking_over_ stops new grants.
  const uint64_t grace_ns = std::max(granted_ns_, started_ns_) + kGraceNs;
  while (!own && !stopping_ && !VARVE_MUTANT(kForgetGraceTime) &&
         runtime_.clock.monotonic_ns() < grace_ns) {
    co_await changed_.wait_until(runtime_.timers, grace_ns);
    if (heard_ns_ != heard_ns && former.primary != context_.self) co_return false;  // it is back
  }
  if (stopping_) co_return false;
  GroupRecord wanted = former;
  wanted.primary = context_.self;
  wanted.office = former.epoch + 1;
  if (former.primary != context_.self) std::erase(wanted.in_sync, former.primary);
  if (VARVE_MUTANT(kKeepEpochOnRestart) && own && former.office != 0) {
    co_return true;
  }
  const ChangeResult result =
      co_await change_record(&runtime_, &context_.metadata, seen, std::move(wanted), &stopping_);
  if (result == ChangeResult::kLost) record_seen(*seen);
  co_return result == ChangeResult::kApplied;
}

Task<void> Replica::hold_office(SeenRecord seen) {
  record_seen(seen);
  promised_epoch_ = std::max(promised_epoch_, seen.record.epoch);
  co_await appends_ended();
  MemberState state = state_;
  primary_ = std::make_unique<Primary>(context_, std::move(seen), state);
  if (stopping_) primary_->resign("the node stops");
  co_await primary_->run();
  state_.position = std::max(state_.position, primary_->position());
  for (const MemberState& durable : store_.groups())
    if (durable.id == context_.group) state_.epoch = durable.epoch;
  promised_epoch_ = std::max(promised_epoch_, state_.epoch);
  record_seen(primary_->seen());
  in_sync_ = false;
  heard_ns_ = runtime_.clock.monotonic_ns();
  if (store_.stats().failed) failed_ = true;
  primary_.reset();
  changed_.wake_all();
}

bool Replica::accepts(Epoch epoch) const {
  return !stopping_ && prepared_ && epoch == state_.epoch && epoch == promised_epoch_ &&
         primary_ == nullptr;
}

bool Replica::beacon(const GroupClaim& claim) {
  if (!accepts(claim.epoch)) return false;
  heard_ns_ = runtime_.clock.monotonic_ns();
  take_position(claim.position, claim.everyone);
  if (taking_over_) return false;
  granted_ns_ = heard_ns_;
  return true;
}

Task<void> Replica::appends_ended() {
  while (append_count_ > 0) co_await appends_ended_.wait();
}

Task<void> Replica::hand_over(bool leave) {
  leaving_ = leaving_ || leave;
  if (primary_ != nullptr) co_await primary_->give_up(leave);
}

Task<void> Replica::stop() {
  stopping_ = true;
  if (primary_ != nullptr) primary_->resign("the node stops");
  changed_.wake_all();
  co_await tasks_.done();
  co_await appends_ended();
  if (state_.position != durable_position_ && !failed_) [[maybe_unused]]
    const Status kept = co_await store_.put_group(state_);
}

}  // namespace varve
