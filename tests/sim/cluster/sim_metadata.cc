#include "tests/sim/cluster/sim_metadata.h"

#include <algorithm>

#include "tests/sim/cluster/sim_shard.h"

namespace varve {

SimMetadata::SimMetadata(SimLoop& loop, uint32_t node_count, SimMetadataOptions options,
                         uint64_t seed, ClusterFaultCounts& counts)
    : loop_(loop),
      options_(options),
      random_(seed ^ 0x6d8e3f10b52c947a),
      counts_(counts),
      cut_(node_count) {}

uint64_t SimMetadata::draw_delay_ns() {
  if (random_.chance(options_.slow_per_mille, 1000)) {
    counts_.add(ClusterFault::kMetadataSlow);
    return random_.below(options_.slow_max_ns);
  }
  return options_.delay_min_ns + random_.below(options_.delay_spread_ns + 1);
}

uint64_t SimMetadata::draw_timeout_ns() {
  return options_.timeout_ns / 2 + random_.below(options_.timeout_ns);
}

void SimMetadata::cut(uint32_t node) {
  counts_.add(ClusterFault::kMetadataPartition);
  cut_[node] = true;
}

// --- the map

const SimMetadata::Version* SimMetadata::version_at(const std::vector<Version>& versions,
                                                    uint64_t revision) const {
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->revision > revision) continue;
    return version->deleted ? nullptr : &*version;
  }
  return nullptr;
}

uint64_t SimMetadata::revision_of(const std::string& key) const {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return 0;
  const Version* version = version_at(found->second, revision_);
  return version == nullptr ? 0 : version->revision;
}

MetadataRange SimMetadata::range_at(std::string_view prefix, uint64_t revision) const {
  MetadataRange range{.revision = revision};
  for (auto key = keys_.lower_bound(std::string(prefix));
       key != keys_.end() && key->first.starts_with(prefix); ++key) {
    const Version* version = version_at(key->second, revision);
    if (version == nullptr) continue;
    range.entries.push_back(
        {.key = key->first, .value = version->value, .revision = version->revision});
  }
  return range;
}

MetadataCommit SimMetadata::apply(const MetadataTransaction& transaction) {
  for (const MetadataCompare& compare : transaction.compares) {
    if (revision_of(compare.key) != compare.revision) {
      return {.succeeded = false, .revision = revision_};
    }
  }
  const bool changes = std::any_of(
      transaction.puts.begin(), transaction.puts.end(),
      [this](const MetadataPut& put) { return !put.remove || revision_of(put.key) != 0; });
  if (!changes) return {.succeeded = true, .revision = revision_};
  ++revision_;
  for (const MetadataPut& put : transaction.puts) {
    if (put.remove && revision_of(put.key) == 0) continue;
    keys_[put.key].push_back({revision_, put.remove ? "" : put.value, put.remove});
    log_.emplace_back(revision_, put.key);
    loop_.note(revision_ * 8 + put.key.size());
  }
  if (observer_) observer_(transaction, revision_);
  for (const auto& [number, watch] : watches_) notify(number);
  return {.succeeded = true, .revision = revision_};
}

// --- calls

void SimMetadata::end_call(const CallPtr& call, ErrorCode result) {
  if (call->client != nullptr) call->client->end(*call, result);
}

void SimMetadata::end_call_later(const CallPtr& call, ErrorCode result, uint64_t delay_ns) {
  loop_.schedule(delay_ns, [this, call, result] { end_call(call, result); });
}

void SimMetadata::begin_range(const CallPtr& call) {
  if (cut_[call->node]) return end_call_later(call, ErrorCode::kUnavailable, draw_timeout_ns());
  if (random_.chance(options_.unavailable_per_mille, 1000)) {
    counts_.add(ClusterFault::kMetadataUnavailable);
    return end_call_later(call, ErrorCode::kUnavailable, draw_delay_ns());
  }
  loop_.schedule(draw_delay_ns(), [this, call] { serve_range(call); });
}

void SimMetadata::serve_range(const CallPtr& call) {
  uint64_t revision = revision_;
  if (random_.chance(options_.stale_per_mille, 1000)) {
    // Mostly a little behind, sometimes a lot.
    const uint64_t back = random_.chance(3, 4) ? std::min<uint64_t>(revision_, 4) : revision_;
    revision -= random_.below(back + 1);
    if (revision < revision_) counts_.add(ClusterFault::kRangeStale);
  }
  call->range = range_at(call->prefix, revision);
  loop_.schedule(draw_delay_ns(), [this, call] {
    if (!cut_[call->node]) return end_call(call, ErrorCode::kOk);
    end_call_later(call, ErrorCode::kUnavailable, draw_timeout_ns());
  });
}

void SimMetadata::begin_commit(const CallPtr& call) {
  if (cut_[call->node]) {
    // It never left, or nobody can tell.
    const bool known = random_.chance(1, 2);
    return end_call_later(call, known ? ErrorCode::kUnavailable : ErrorCode::kUnknown,
                          draw_timeout_ns());
  }
  if (random_.chance(options_.unavailable_per_mille, 1000)) {
    counts_.add(ClusterFault::kMetadataUnavailable);
    return end_call_later(call, ErrorCode::kUnavailable, draw_delay_ns());
  }
  if (random_.chance(options_.unknown_per_mille, 1000)) return begin_unknown_commit(call);
  loop_.schedule(draw_delay_ns(), [this, call] { serve_commit(call); });
}

void SimMetadata::begin_unknown_commit(const CallPtr& call) {
  const uint64_t timeout_ns = draw_timeout_ns();
  end_call_later(call, ErrorCode::kUnknown, timeout_ns);
  switch (random_.below(3)) {
    case 0:
      counts_.add(ClusterFault::kCommitUnknownNotApplied);
      break;
    case 1:
      loop_.schedule(draw_delay_ns(), [this, call] {
        if (apply(call->transaction).succeeded) counts_.add(ClusterFault::kCommitUnknownApplied);
      });
      break;
    default:
      loop_.schedule(timeout_ns + random_.below(options_.late_max_ns), [this, call] {
        const bool applied = apply(call->transaction).succeeded;
        counts_.add(applied ? ClusterFault::kCommitLate : ClusterFault::kCommitLateRefused);
      });
      break;
  }
}

void SimMetadata::serve_commit(const CallPtr& call) {
  call->commit = apply(call->transaction);
  loop_.schedule(draw_delay_ns(), [this, call] {
    if (!cut_[call->node]) return end_call(call, ErrorCode::kOk);
    counts_.add(ClusterFault::kCommitUnknownApplied, call->commit.succeeded);
    end_call_later(call, ErrorCode::kUnknown, draw_timeout_ns());
  });
}

// --- watches

void SimMetadata::notify(uint64_t number) {
  Watch& watch = watches_.at(number);
  if (watch.scheduled || watch.revision >= revision_) return;
  watch.scheduled = true;
  loop_.schedule(draw_delay_ns(), [this, number] { deliver(number); });
}

std::vector<MetadataEntry> SimMetadata::changes_after(const Watch& watch, bool merged) const {
  std::vector<MetadataEntry> changes;
  auto change = std::upper_bound(
      log_.begin(), log_.end(), watch.revision,
      [](uint64_t revision, const auto& logged) { return revision < logged.first; });
  for (; change != log_.end(); ++change) {
    const auto& [revision, key] = *change;
    if (!key.starts_with(watch.prefix)) continue;
    if (merged) std::erase_if(changes, [&](const MetadataEntry& e) { return e.key == key; });
    MetadataEntry entry{.key = key, .revision = revision};
    const Version* version = version_at(keys_.at(key), revision);
    entry.deleted = version == nullptr;
    if (version != nullptr) entry.value = version->value;
    changes.push_back(std::move(entry));
  }
  return changes;
}

void SimMetadata::deliver(uint64_t number) {
  const auto found = watches_.find(number);
  if (found == watches_.end()) return;
  Watch& watch = found->second;
  if (cut_[watch.node]) {
    loop_.schedule(50 * kMillisecond, [this, number] { deliver(number); });
    return;
  }
  watch.scheduled = false;
  const bool merged = random_.chance(1, 2);
  std::vector<MetadataEntry> changes = changes_after(watch, merged);
  if (merged && changes.size() < changes_after(watch, false).size()) {
    counts_.add(ClusterFault::kWatchMerged);
  }
  watch.revision = revision_;
  if (changes.empty()) return;
  if (random_.chance(options_.watch_lost_per_mille, 1000)) {
    counts_.add(ClusterFault::kWatchLost);
    loop_.schedule(random_.below(options_.resync_max_ns), [this, number, missed = revision_] {
      const auto later = watches_.find(number);
      if (later != watches_.end()) tell(later->second, number, {true, missed, {}});
    });
    return;
  }
  tell(watch, number, {false, revision_, std::move(changes)});
}

void SimMetadata::tell(Watch& watch, uint64_t number, MetadataNews news) {
  watch.client->shard_.post([this, number, news = std::move(news)] {
    const auto found = watches_.find(number);
    if (found == watches_.end()) return;
    loop_.note(number * 8 + news.entries.size());
    const MetadataWatcher watcher = found->second.watcher;  // it may end its own watch
    watcher(news);
  });
}

// --- the node's side

namespace {

struct CallEnd {
  bool* ended;
  std::coroutine_handle<>* waiter;
  bool await_ready() const noexcept { return *ended; }
  void await_suspend(std::coroutine_handle<> self) const noexcept { *waiter = self; }
  void await_resume() const noexcept {}
};

}  // namespace

SimMetadataClient::~SimMetadataClient() {
  die();
}

void SimMetadataClient::die() {
  alive_ = false;
  std::erase_if(store_.watches_, [this](const auto& watch) { return watch.second.client == this; });
  const std::vector<SimMetadata::CallPtr> calls = calls_;
  for (const SimMetadata::CallPtr& call : calls) end(*call, ErrorCode::kUnavailable);
}

void SimMetadataClient::end(SimMetadata::Call& call, ErrorCode result) {
  call.client = nullptr;
  call.ended = true;
  call.result = result;
  if (call.waiter) shard_.ready().push(call.waiter);
  std::erase_if(calls_, [&call](const SimMetadata::CallPtr& c) { return c.get() == &call; });
}

// As the contract of metadata plugins has it.
bool SimMetadataClient::well_formed(const MetadataTransaction& transaction) {
  constexpr size_t kEntriesMax = 64;
  constexpr size_t kKeyBytesMax = 512;
  constexpr size_t kValueBytesMax = 65536;
  const auto key_good = [](const std::string& key) {
    return !key.empty() && key.size() <= kKeyBytesMax;
  };
  if (transaction.compares.size() > kEntriesMax || transaction.puts.size() > kEntriesMax) {
    return false;
  }
  for (const MetadataCompare& compare : transaction.compares) {
    if (!key_good(compare.key)) return false;
  }
  std::set<std::string> keys;
  for (const MetadataPut& put : transaction.puts) {
    if (!key_good(put.key) || put.value.size() > kValueBytesMax || !keys.insert(put.key).second) {
      return false;
    }
  }
  return true;
}

Task<Result<MetadataRange>> SimMetadataClient::range(std::string prefix) {
  auto call = std::make_shared<SimMetadata::Call>();
  call->client = this;
  call->node = node_;
  call->prefix = std::move(prefix);
  calls_.push_back(call);
  if (alive_) {
    store_.begin_range(call);
  } else {
    shard_.post([this, call] { end(*call, ErrorCode::kUnavailable); });
  }
  CallEnd ended{&call->ended, &call->waiter};
  co_await ended;
  if (call->result != ErrorCode::kOk) co_return call->result;
  co_return std::move(call->range);
}

Task<Result<MetadataCommit>> SimMetadataClient::commit(MetadataTransaction transaction) {
  if (!well_formed(transaction)) co_return ErrorCode::kInvalidArgument;
  auto call = std::make_shared<SimMetadata::Call>();
  call->client = this;
  call->node = node_;
  call->transaction = std::move(transaction);
  calls_.push_back(call);
  if (alive_) {
    store_.begin_commit(call);
  } else {
    shard_.post([this, call] { end(*call, ErrorCode::kUnavailable); });
  }
  CallEnd ended{&call->ended, &call->waiter};
  co_await ended;
  if (call->result != ErrorCode::kOk) co_return call->result;
  co_return call->commit;
}

uint64_t SimMetadataClient::watch(std::string prefix, uint64_t revision, MetadataWatcher watcher) {
  const uint64_t number = ++store_.watch_count_;
  if (!alive_) return number;
  store_.watches_[number] = {.client = this,
                             .node = node_,
                             .prefix = std::move(prefix),
                             .revision = revision,
                             .watcher = std::move(watcher)};
  store_.notify(number);
  return number;
}

void SimMetadataClient::unwatch(uint64_t watch) {
  store_.watches_.erase(watch);
}

}  // namespace varve
