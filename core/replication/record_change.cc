#include "core/replication/record_change.h"

#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/replication/limits.h"

namespace varve {

std::string group_key(GroupId group) {
  return text("group/", static_cast<uint32_t>(group));
}

Task<Result<SeenRecord>> read_record(MetadataStore* metadata, GroupId group) {
  const std::string key = group_key(group);
  const Result<MetadataRange> range = co_await metadata->range(key);
  if (!range.ok()) co_return range.status();
  for (const MetadataEntry& entry : range->entries) {
    if (entry.key != key) continue;  // the prefix of a longer number
    Result<GroupRecord> record = decode_group_record(entry.value);
    if (!record.ok()) co_return record.status();
    co_return SeenRecord{std::move(*record), entry.revision};
  }
  co_return ErrorCode::kNotFound;
}

Task<ChangeResult> change_record(Runtime* runtime, MetadataStore* metadata, SeenRecord* seen,
                                 GroupRecord wanted, const bool* stopping) {
  wanted.epoch = seen->record.epoch + 1;
  wanted.token = runtime->random.next();
  if (wanted.in_sync.size() >= wanted.min_in_sync) wanted.last_full = wanted.in_sync;
  const std::string key = group_key(wanted.id);
  while (!*stopping) {
    MetadataTransaction transaction;
    transaction.compares.push_back({key, seen->revision});
    transaction.puts.push_back({key, encode_group_record(wanted), false});
    const Result<MetadataCommit> commit = co_await metadata->commit(std::move(transaction));
    if (commit.ok() && commit->succeeded) {
      *seen = {wanted, commit->revision};
      co_return ChangeResult::kApplied;
    }
    const Result<SeenRecord> now = co_await read_record(metadata, wanted.id);
    if (now.ok() && now->revision > seen->revision) {
      // The revision that our change compares with is gone for good: it was applied or never is.
      const bool ours = now->record.token == wanted.token;
      *seen = *now;
      co_return ours ? ChangeResult::kApplied : ChangeResult::kLost;
    }
    // Rule 1: a read that does not show it proves nothing. The same change on the same revision
    // again: its success, or a newer revision, settles both attempts.
    if (VARVE_MUTANT(kTrustReadAfterUnknownCas) && now.ok()) co_return ChangeResult::kLost;
    co_await runtime->timers.until(runtime->clock.monotonic_ns() + kRetryPauseNs);
  }
  co_return ChangeResult::kStopped;
}

}  // namespace varve
