#include "tests/unit/cluster/fake_metadata.h"

#include <algorithm>

namespace varve {

Task<Result<MetadataRange>> FakeMetadata::range(std::string prefix) {
  co_await turn();
  bool available = true;
  if (!plan_ranges.empty()) {
    available = plan_ranges.front();
    plan_ranges.pop_front();
  }
  if (!available) co_return Status(ErrorCode::kUnavailable, "no leader");
  if (!old_ranges.empty()) {
    MetadataRange old = std::move(old_ranges.front());
    old_ranges.pop_front();
    co_return old;
  }
  MetadataRange range;
  range.revision = revision_;
  for (const auto& [key, value] : values_) {
    if (!key.starts_with(prefix)) continue;
    range.entries.push_back({.key = key, .value = value.text, .revision = value.revision});
  }
  co_return range;
}

Task<Result<MetadataCommit>> FakeMetadata::commit(MetadataTransaction transaction) {
  co_await turn();
  ++commit_count;
  if (late_comes_first) apply_late();
  if (before_commit) std::exchange(before_commit, nullptr)();
  Answer answer = Answer::kKnown;
  if (!plan_commits.empty()) {
    answer = plan_commits.front();
    plan_commits.pop_front();
  }
  switch (answer) {
    case Answer::kUnavailable:
      co_return Status(ErrorCode::kUnavailable, "no leader");
    case Answer::kLateUnknown:
      late_.push_back(std::move(transaction));
      break;
    case Answer::kAppliedUnknown:
      apply(transaction);
      break;
    case Answer::kLostUnknown:
      break;
    case Answer::kKnown: {
      MetadataCommit commit;
      commit.succeeded = apply(transaction);
      commit.revision = revision_;
      co_return commit;
    }
  }
  co_return Status(ErrorCode::kUnknown, "no answer");
}

bool FakeMetadata::apply(const MetadataTransaction& transaction) {
  for (const MetadataCompare& compare : transaction.compares) {
    const auto found = values_.find(compare.key);
    const uint64_t revision = found == values_.end() ? 0 : found->second.revision;
    if (revision != compare.revision) return false;
  }
  ++revision_;
  for (const MetadataPut& put : transaction.puts) {
    history_.push_back({.key = put.key,
                        .value = put.remove ? "" : put.value,
                        .revision = revision_,
                        .deleted = put.remove});
    if (put.remove) {
      values_.erase(put.key);
    } else {
      values_[put.key] = {put.value, revision_};
    }
  }
  return true;
}

void FakeMetadata::put(const std::string& key, const std::string& value) {
  MetadataTransaction transaction;
  transaction.puts.push_back({key, value, value.empty()});
  apply(transaction);
}

std::string FakeMetadata::value(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? "" : found->second.text;
}

size_t FakeMetadata::count(const std::string& prefix) const {
  return static_cast<size_t>(std::count_if(values_.begin(), values_.end(), [&](const auto& one) {
    return one.first.starts_with(prefix);
  }));
}

size_t FakeMetadata::apply_late() {
  const auto late = std::exchange(late_, {});
  return static_cast<size_t>(
      std::count_if(late.begin(), late.end(), [this](const auto& one) { return apply(one); }));
}

uint64_t FakeMetadata::watch(std::string prefix, uint64_t revision, MetadataWatcher watcher) {
  watches_[next_watch_] = {std::move(prefix), revision, false, std::move(watcher)};
  return next_watch_++;
}

bool FakeMetadata::deliver() {
  bool told = false;
  for (auto& [id, watch] : watches_) {
    const uint64_t since = std::exchange(watch.told_revision, revision_);
    if (std::exchange(watch.lost, false)) {
      watch.watcher({true, revision_, {}});
      told = true;
      continue;
    }
    std::vector<MetadataEntry> changes;
    for (const MetadataEntry& entry : history_) {
      if (entry.revision > since && entry.key.starts_with(watch.prefix)) changes.push_back(entry);
    }
    if (changes.empty()) continue;
    watch.watcher({false, revision_, std::move(changes)});
    told = true;
  }
  return told;
}

void FakeMetadata::lose_changes() {
  for (auto& [id, watch] : watches_) {
    watch.lost = true;
    watch.told_revision = revision_;
  }
}

}  // namespace varve
