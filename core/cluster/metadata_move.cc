#include "core/cluster/metadata_move.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "core/base/text.h"
#include "core/cluster/cluster_record.h"
#include "core/cluster/record_key.h"

namespace varve {
namespace {

constexpr uint64_t kStepNs = 30'000 * kMillisecond;
constexpr size_t kPutsPerCommit = 60;

using Records = std::map<std::string, std::string>;

// What a store holds.
struct Holding {
  uint64_t revision = 0;
  Records records;  // all but "cluster" and those of a move
  std::optional<ClusterRecord> cluster;
  std::string cluster_text;
  uint64_t cluster_revision = 0;
  std::optional<MoveRecord> coming;  // "move"
  uint64_t coming_revision = 0;
  std::optional<MoveRecord> gone;  // "cluster" says so; `cluster` is what it was before

  bool empty() const { return records.empty() && !cluster && !coming; }
};

Status take_entry(MetadataEntry entry, Holding& held) {
  const auto wrong = [&entry](const Status& why) {
    return Status(why.code(), text("metadata ", entry.key, ": ", why.message()));
  };
  const bool is_gone = entry.key == kClusterKey && is_move_record(entry.value);
  if (entry.key == kMoveKey || is_gone) {
    Result<MoveRecord> move = decode_move_record(entry.value);
    if (!move.ok()) return wrong(move.status());
    (is_gone ? held.gone : held.coming) = std::move(*move);
    if (!is_gone) held.coming_revision = entry.revision;
  } else if (entry.key == kClusterKey || entry.key == kMovedClusterKey) {
    Result<ClusterRecord> cluster = decode_cluster_record(entry.value);
    if (!cluster.ok()) return wrong(cluster.status());
    held.cluster = *cluster;
    held.cluster_text = std::move(entry.value);
    if (entry.key == kClusterKey) held.cluster_revision = entry.revision;
  } else {
    held.records[entry.key] = std::move(entry.value);
  }
  return {};
}

class Move {
 public:
  Move(Runtime* runtime, MoveEnd from, MoveEnd to, std::function<void(const std::string&)> say)
      : runtime_(runtime), from_(std::move(from)), to_(std::move(to)), say_(std::move(say)) {}

  Task<Result<MetadataMoved>> run();

 private:
  ClusterContext context(const MoveEnd& end) const {
    return {end.store, runtime_, runtime_->clock.monotonic_ns() + kStepNs};
  }
  Task<Result<Holding>> read(const MoveEnd* end);
  Status check() const;
  Status check_coming() const;
  bool is_done() const;
  Task<Status> announce();
  Task<Status> copy();
  std::vector<MetadataPut> differences(const Holding& there) const;
  Task<Status> mark_source();
  Task<Status> finish();

  Runtime* const runtime_;
  const MoveEnd from_;
  const MoveEnd to_;
  const std::function<void(const std::string&)> say_;
  Holding source_;
  Holding target_;
};

Task<Result<Holding>> Move::read(const MoveEnd* end) {
  CasLoop loop(context(*end));
  Result<MetadataRange> range = co_await loop.range("");
  if (!range.ok()) co_return Status(range.code(), text(end->words, ": ", range.status().message()));
  Holding held;
  held.revision = range->revision;
  for (MetadataEntry& entry : range->entries) {
    const Status taken = take_entry(std::move(entry), held);
    if (!taken.ok()) co_return Status(taken.code(), text(end->words, ": ", taken.message()));
  }
  co_return held;
}

bool Move::is_done() const {
  return source_.gone && !target_.coming && !target_.gone && target_.cluster &&
         target_.cluster->id == source_.cluster->id;
}

Status Move::check() const {
  if (!source_.cluster || source_.coming) {
    return {ErrorCode::kNotFound, text("there is no cluster in ", from_.words)};
  }
  if (is_done()) return {};
  if (target_.coming) return check_coming();
  if (source_.gone) {
    return {ErrorCode::kAlreadyExists, text("the cluster was moved to ", source_.gone->other_store,
                                            " already, and is not in ", to_.words)};
  }
  if (target_.empty()) return {};
  if (target_.cluster && target_.cluster->id == source_.cluster->id) {
    return {ErrorCode::kAlreadyExists,
            text(to_.words, " has this cluster already: ", from_.words,
                 " is an older copy of its records, which must not be used")};
  }
  return {ErrorCode::kAlreadyExists,
          text(to_.words, " is not empty: it has ", target_.cluster ? "another cluster, and " : "",
               target_.records.size(), " records; give one without any")};
}

Status Move::check_coming() const {
  const MoveRecord& coming = *target_.coming;
  if (coming.cluster == source_.cluster->id &&
      (!source_.gone || source_.gone->token == coming.token))
    return {};
  return {ErrorCode::kAlreadyExists,
          text(to_.words, " is not empty: another move into it, of cluster ",
               uuid_text(coming.cluster), " from ", coming.other_store, ", has not ended")};
}

// Step 1. The record is written anew each time, so that its revision is another one: commits of a
// move that was begun before, which may still be on their way, are refused from here on.
Task<Status> Move::announce() {
  CasLoop loop(context(to_));
  const uint64_t new_token = loop.draw_token();
  bool announced = false;
  while (!announced) {
    const uint64_t token = target_.coming ? target_.coming->token : new_token;
    const MoveRecord record{source_.cluster->id, token, from_.words};
    MetadataTransaction transaction;
    transaction.compares.push_back({std::string(kMoveKey), target_.coming_revision});
    transaction.compares.push_back({std::string(kClusterKey), 0});
    transaction.puts.push_back({std::string(kMoveKey), encode_move_record(record)});
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    announced = *applied;
    Result<Holding> there = co_await read(&to_);
    if (!there.ok()) co_return there.status();
    target_ = std::move(*there);
    VARVE_CO_TRY(check());
  }
  if (!target_.coming) co_return Status(ErrorCode::kBusy, text("somebody else uses ", to_.words));
  co_return Status();
}

std::vector<MetadataPut> Move::differences(const Holding& there) const {
  std::vector<MetadataPut> puts;
  for (const auto& [key, value] : source_.records) {
    const auto found = there.records.find(key);
    if (found == there.records.end() || found->second != value) puts.push_back({key, value});
  }
  for (const auto& [key, value] : there.records)
    if (!source_.records.contains(key)) puts.push_back({key, "", true});
  return puts;
}

// Step 2. Ends when what is read there is what it should be.
Task<Status> Move::copy() {
  for (;;) {
    const std::vector<MetadataPut> puts = differences(target_);
    if (puts.empty()) co_return Status();
    CasLoop loop(context(to_));
    for (size_t done = 0; done < puts.size();) {
      const size_t end = std::min(puts.size(), done + kPutsPerCommit);
      MetadataTransaction transaction;
      transaction.compares.push_back({std::string(kMoveKey), target_.coming_revision});
      transaction.puts.assign(puts.begin() + static_cast<ptrdiff_t>(done),
                              puts.begin() + static_cast<ptrdiff_t>(end));
      const Result<bool> applied = co_await loop.commit(std::move(transaction));
      if (!applied.ok()) co_return applied.status();
      if (!*applied) break;
      done = end;
      say_(text("copied ", done, " of ", puts.size(), " records"));
    }
    Result<Holding> there = co_await read(&to_);
    if (!there.ok()) co_return there.status();
    target_ = std::move(*there);
    if (!target_.coming) co_return Status(ErrorCode::kBusy, text("somebody else uses ", to_.words));
  }
}

// Step 3: from here on nobody serves from the source.
Task<Status> Move::mark_source() {
  const MoveRecord record{source_.cluster->id, target_.coming->token, to_.words};
  CasLoop loop(context(from_));
  for (;;) {
    const Result<Holding> now = co_await read(&from_);
    if (!now.ok()) co_return now.status();
    if (now->gone && now->gone->token == record.token) co_return Status();
    if (now->gone || now->revision != source_.revision) {
      co_return Status(ErrorCode::kBusy, text(from_.words, " was changed while it was copied"));
    }
    MetadataTransaction transaction;
    transaction.compares.push_back({std::string(kClusterKey), now->cluster_revision});
    transaction.puts.push_back({std::string(kClusterKey), encode_move_record(record)});
    transaction.puts.push_back({std::string(kMovedClusterKey), source_.cluster_text});
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
  }
}

// Step 4.
Task<Status> Move::finish() {
  CasLoop loop(context(to_));
  while (!is_done()) {
    MetadataTransaction transaction;
    transaction.compares.push_back({std::string(kMoveKey), target_.coming_revision});
    transaction.puts.push_back({std::string(kClusterKey), source_.cluster_text});
    transaction.puts.push_back({std::string(kMoveKey), "", true});
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    Result<Holding> there = co_await read(&to_);
    if (!there.ok()) co_return there.status();
    target_ = std::move(*there);
    if (!target_.coming && !target_.cluster) {
      co_return Status(ErrorCode::kBusy, text("somebody else uses ", to_.words));
    }
  }
  co_return Status();
}

Task<Result<MetadataMoved>> Move::run() {
  Result<Holding> here = co_await read(&from_);
  if (!here.ok()) co_return here.status();
  source_ = std::move(*here);
  Result<Holding> there = co_await read(&to_);
  if (!there.ok()) co_return there.status();
  target_ = std::move(*there);
  VARVE_CO_TRY(check());
  MetadataMoved moved{.cluster = source_.cluster->id,
                      .revision = source_.revision,
                      .key_count = source_.records.size() + 1};
  if (is_done()) {
    moved.was_done = true;
    co_return moved;
  }
  say_(text(from_.words, ": ", moved.key_count, " records at revision ", moved.revision));
  VARVE_CO_TRY(co_await announce());
  VARVE_CO_TRY(co_await copy());
  VARVE_CO_TRY(co_await mark_source());
  source_.gone = target_.coming;
  say_(text(from_.words, ": marked as moved, nothing serves from it any more"));
  VARVE_CO_TRY(co_await finish());
  say_(text(to_.words, ": has the cluster"));
  co_return moved;
}

}  // namespace

Task<Result<MetadataMoved>> move_metadata(Runtime* runtime, MoveEnd from, MoveEnd to,
                                          std::function<void(const std::string& step)> say) {
  Move move(runtime, std::move(from), std::move(to), std::move(say));
  co_return co_await move.run();
}

}  // namespace varve
