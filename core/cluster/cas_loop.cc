#include "core/cluster/cas_loop.h"

#include <algorithm>

namespace varve {
namespace {

constexpr uint64_t kPauseMaxNs = 500 * kMillisecond;

}  // namespace

Task<Result<MetadataRange>> CasLoop::range(std::string prefix) {
  for (;;) {
    Result<MetadataRange> range = co_await context_.store->range(prefix);
    if (range.ok() && range->revision >= seen_revision_) {
      seen_revision_ = range->revision;
      co_return range;
    }
    Status reason(ErrorCode::kUnavailable, "the metadata store answers with old values only");
    if (!range.ok()) reason = range.status();
    if (is_late()) co_return give_up(reason);
    co_await pause();
  }
}

Task<Result<MetadataEntry>> CasLoop::get(std::string key) {
  Result<MetadataRange> found = co_await range(key);
  if (!found.ok()) co_return found.status();
  for (MetadataEntry& entry : found->entries) {
    if (entry.key == key) co_return std::move(entry);
  }
  MetadataEntry missing;
  missing.key = std::move(key);
  co_return missing;
}

Task<Result<bool>> CasLoop::commit(MetadataTransaction transaction) {
  for (;;) {
    const Result<MetadataCommit> commit = co_await context_.store->commit(transaction);
    if (commit.ok()) {
      // The same change may have been sent before; whatever the conditions say now settles it.
      is_pending_ = false;
      seen_revision_ = std::max(seen_revision_, commit->revision);
      if (commit->succeeded) co_return true;
      if (!is_late()) co_return false;
      co_return give_up(Status(ErrorCode::kUnavailable, "others change the same records"));
    }
    if (commit.code() == ErrorCode::kUnknown) is_pending_ = true;
    const bool may_repeat =
        commit.code() == ErrorCode::kUnknown || commit.code() == ErrorCode::kUnavailable;
    if (!may_repeat || is_late()) co_return give_up(commit.status());
    co_await pause();
    if (commit.code() == ErrorCode::kUnknown) co_return false;
  }
}

uint64_t CasLoop::draw_token() {
  return std::max<uint64_t>(1, context_.runtime->random.next());
}

Task<void> CasLoop::pause() {
  const uint64_t now_ns = context_.runtime->clock.monotonic_ns();
  co_await context_.runtime->timers.until(std::min(now_ns + pause_ns_, context_.deadline_ns));
  pause_ns_ = std::min(2 * pause_ns_, kPauseMaxNs);
}

bool CasLoop::is_late() const {
  return context_.runtime->clock.monotonic_ns() >= context_.deadline_ns;
}

Status CasLoop::give_up(const Status& reason) const {
  if (!is_pending_) return reason;
  return Status(ErrorCode::kUnknown,
                text("it is not known whether the change was made: ", reason.message()));
}

}  // namespace varve
