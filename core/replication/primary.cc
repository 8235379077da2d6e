#include "core/replication/primary.h"

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/replication/limits.h"

namespace varve {

Primary::Primary(PrimaryContext context, SeenRecord seen, MemberState state)
    : runtime_(context.runtime),
      peers_(context.peers),
      metadata_(context.metadata),
      store_(context.store),
      group_(context.group),
      self_(context.self),
      seen_(std::move(seen)),
      office_(seen_.record.epoch),
      state_(state),
      changed_(context.runtime.ready),
      tasks_(context.runtime.ready) {
  for (const GroupMember& member : seen_.record.members)
    if (member.disk_group != self_)
      sessions_.push_back(std::make_unique<Session>(member, runtime_.ready));
}

Primary::~Primary() {
  VARVE_CHECK(tasks_.running() == 0);
  VARVE_CHECK(call_count_ == 0);
}

Task<void> Primary::run() {
  ticked_ns_ = runtime_.clock.monotonic_ns();
  for (const auto& session : sessions_) session->heard_ns = ticked_ns_;
  const bool durable = co_await make_epoch_durable(office_);
  if (!durable) resign("its epoch cannot be made durable");
  for (const auto& session : sessions_) tasks_.start(tend(session.get()));
  const bool settled = co_await settle();
  if (settled) {
    serving_ = true;
    changed_.wake_all();
    log_info("group", text(static_cast<uint32_t>(group_), ": primary in epoch ", office_));
  }
  while (!resigned_) co_await changed_.wait();
  while (call_count_ > 0) co_await changed_.wait();
  co_await tasks_.done();
}

void Primary::resign(std::string_view why) {
  if (resigned_) return;
  resigned_ = true;
  log_info("group",
           text(static_cast<uint32_t>(group_), ": office of epoch ", office_, " is over: ", why));
  wake_everyone();
}

void Primary::wake_everyone() {
  changed_.wake_all();
  for (const auto& session : sessions_) session->changed.wake_all();
  for (GroupOperation& operation : in_flight_) operation.changed.wake_all();
}

Task<void> Primary::pause(uint64_t ns) {
  if (resigned_) co_return;
  const uint64_t until_ns = runtime_.clock.monotonic_ns() + ns;
  while (!resigned_ && runtime_.clock.monotonic_ns() < until_ns)
    co_await changed_.wait_until(runtime_.timers, until_ns);
}

Task<bool> Primary::make_epoch_durable(Epoch epoch) {
  MemberState wanted = state_;
  wanted.epoch = epoch;
  const Status status = co_await store_.put_group(wanted);
  if (!status.ok()) co_return false;
  state_.epoch = epoch;
  durable_position_ = wanted.position;
  co_return true;
}

void Primary::tick() {
  const uint64_t now_ns = runtime_.clock.monotonic_ns();
  // Nobody is silent because this process did not run.
  if (now_ns - ticked_ns_ > 5 * kTickNs)
    for (const auto& session : sessions_) session->heard_ns = now_ns;
  ticked_ns_ = now_ns;
  for (const auto& session : sessions_) session->changed.wake_all();
  changed_.wake_all();
  if (state_.position == durable_position_ || keeping_position_ || resigned_) return;
  if (now_ns - position_kept_ns_ < kPositionPeriodNs) return;
  position_kept_ns_ = now_ns;
  keeping_position_ = true;
  tasks_.start(keep_position());
}

Task<void> Primary::keep_position() {
  const MemberState state = state_;
  const Status status = co_await store_.put_group(state);
  if (status.ok()) durable_position_ = std::max(durable_position_, state.position);
  keeping_position_ = false;
}

Primary::Session* Primary::session_of(DiskGroupId id) {
  for (const auto& session : sessions_)
    if (session->member.disk_group == id) return session.get();
  return nullptr;
}

bool Primary::is_required(DiskGroupId id) const {
  return seen_.record.is_in_sync(id) || (pending_ && pending_->is_in_sync(id));
}

std::optional<GroupClaim> Primary::beacon_claim(NodeId node) const {
  for (const auto& session : sessions_) {
    if (session->member.node != node || session->epoch == 0 || resigned_) continue;
    return GroupClaim{group_, session->epoch, state_.position, state_.everyone};
  }
  return {};
}

void Primary::granted(NodeId node, uint64_t sent_ns) {
  for (const auto& session : sessions_) {
    if (session->member.node != node) continue;
    session->grant_until_ns = std::max(session->grant_until_ns, sent_ns + kLeaseNs);
    changed_.wake_all();
  }
}

void Primary::heard_from(NodeId node) {
  for (const auto& session : sessions_)
    if (session->member.node == node) session->heard_ns = runtime_.clock.monotonic_ns();
}

void Primary::left(NodeId node) {
  for (const auto& session : sessions_) {
    if (session->member.node != node) continue;
    session->heard_ns = 0;
    session->changed.wake_all();
  }
}

bool Primary::leases_hold() const {
  if (VARVE_MUTANT(kSkipLeaseCheck)) return true;
  const uint64_t now_ns = runtime_.clock.monotonic_ns();
  for (const auto& session : sessions_)
    if (is_required(session->member.disk_group) && session->grant_until_ns <= now_ns) return false;
  return true;
}

uint64_t Primary::fence_of(VolumeId volume) const {
  const auto fencing = fencing_.find(volume);
  const uint64_t durable = store_.fence(group_, volume);
  return fencing == fencing_.end() ? durable : std::max(durable, fencing->second);
}

Status Primary::may_use(const IoOrigin& origin, VolumeId volume) const {
  if (!serving()) return ErrorCode::kStale;
  const uint64_t generation = fence_of(volume);
  if (origin.attach_generation > generation) return ErrorCode::kNotFound;
  if (origin.attach_generation < generation && !VARVE_MUTANT(kIgnoreAttachGeneration))
    return ErrorCode::kBusy;
  return {};
}

// Rule 4: the office that was meant, the right attach generation, over the frontend's newest
// connection.
Status Primary::admit(const IoOrigin& origin, VolumeId volume) {
  const bool former = origin.office != office_;
  if (former && !VARVE_MUTANT(kAcceptFormerOffice)) return ErrorCode::kStale;
  VARVE_TRY(may_use(origin, volume));
  uint64_t& connection = connections_[{volume, origin.node}];
  if (former) return {};  // only ever with a planted bug, which takes it over any connection
  if (origin.connection < connection) return ErrorCode::kStale;
  connection = origin.connection;
  return {};
}

// A frontend writes in the newest generation that it told every group.
Status Primary::admit_change(const IoOrigin& origin, VolumeId volume) {
  VARVE_TRY(admit(origin, volume));
  const Generation newest = store_.newest_generation(volume);
  if (origin.generation > newest) return ErrorCode::kNotFound;
  if (origin.generation < newest) return ErrorCode::kStale;
  return {};
}

Status Primary::admit_read(const IoOrigin& origin, VolumeView view) {
  if (view.generation == kHead) return admit(origin, view.volume);
  if (origin.office != office_ || !serving()) return ErrorCode::kStale;
  return store_.has_view(view) ? Status() : Status(ErrorCode::kNotFound);
}

Task<Status> Primary::attach(FencedVolume volume) {
  const AttachFence fence = volume.fence;
  Call call(*this);
  if (!serving()) co_return ErrorCode::kStale;
  if (fence.generation < fence_of(fence.volume)) co_return ErrorCode::kBusy;
  if (seen_.record.in_sync.size() < seen_.record.min_in_sync) co_return ErrorCode::kUnavailable;
  if (fence.generation > fence_of(fence.volume)) {
    std::erase_if(connections_, [&](const auto& held) { return held.first.first == fence.volume; });
    fencing_[fence.volume] = fence.generation;  // from here on older ones are refused
  }
  VARVE_CO_TRY(co_await store_.put_fence(fence, volume.record, volume.history));
  std::vector<DiskGroupId> have{self_};
  while (!resigned_) {
    Session* next = nullptr;
    for (const auto& session : sessions_)
      if (is_required(session->member.disk_group) &&
          std::find(have.begin(), have.end(), session->member.disk_group) == have.end())
        next = session.get();
    if (next == nullptr && seen_.record.in_sync.size() >= seen_.record.min_in_sync) break;
    bool sent = false;
    if (next != nullptr && next->ready()) sent = co_await send_fence(next, volume);
    if (sent)
      have.push_back(next->member.disk_group);
    else
      co_await pause(kRetryPauseNs);
  }
  // Learners get it with their next round; a round that is under way may have passed it.
  for (const auto& session : sessions_)
    if (session->receiving && !is_required(session->member.disk_group)) end_receiving(*session);
  const Sequence last = make_sequence(state_.epoch, counter_);
  const bool ended = co_await older_ended(fence.volume, last);
  if (!ended) co_return ErrorCode::kStale;
  const auto fencing = fencing_.find(fence.volume);
  if (fencing != fencing_.end() && fencing->second <= fence.generation) fencing_.erase(fencing);
  co_return Status();
}

// True when no operation of the volume with a number up to `up_to` is on its way any more.
Task<bool> Primary::older_ended(VolumeId volume, Sequence up_to) {
  while (!resigned_) {
    bool found = false;
    for (const GroupOperation& operation : in_flight_)
      found = found || (operation.volume == volume && operation.sequence <= up_to);
    if (!found) co_return true;
    co_await changed_.wait();
  }
  co_return false;
}

}  // namespace varve
