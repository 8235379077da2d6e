#include "core/volume/replicated_volume.h"

#include <algorithm>

#include "core/base/mutant.h"
#include "core/runtime/task_group.h"

namespace varve {
namespace {

constexpr uint32_t kAttemptsBeforeRefresh = 4;

// Whether another attempt, perhaps at another node, may do it.
bool passes(ErrorCode code) {
  switch (code) {
    case ErrorCode::kStale:
    case ErrorCode::kClosed:
    case ErrorCode::kTimedOut:
    case ErrorCode::kUnavailable:
    case ErrorCode::kUnknown:
    case ErrorCode::kNoSpace:
    case ErrorCode::kNotFound:
      return true;
    default:
      return false;
  }
}

}  // namespace

ReplicatedVolume::ReplicatedVolume(Runtime& runtime, ReplicationNode& node, ClusterVolume volume)
    : runtime_(runtime), node_(node), volume_(std::move(volume)), changed_(runtime.ready) {}

ReplicatedVolume::~ReplicatedVolume() {
  VARVE_CHECK(changes_.empty());
}

void ReplicatedVolume::close() {
  closed_ = true;
  changed_.wake_all();
}

Task<Status> ReplicatedVolume::attach() {
  for (const GroupId group : volume_.groups) {
    const Status status = co_await attach_patiently(group);
    if (!status.ok()) co_return status;
  }
  co_return Status();
}

Task<Status> ReplicatedVolume::attach_patiently(GroupId group) {
  Status status = co_await attach_group(group);
  for (uint32_t attempt = 1; !status.ok() && passes(status.code()); ++attempt) {
    if (closed_ || node_.stopping()) co_return ErrorCode::kClosed;
    co_await node_.retry_pause();
    if (attempt % kAttemptsBeforeRefresh == 0) co_await node_.refresh(group);
    status = co_await attach_group(group);
  }
  co_return status;
}

// --- snapshots

void ReplicatedVolume::end_hold() {
  held_ = false;
  changed_.wake_all();
}

Task<bool> ReplicatedVolume::drained(uint64_t deadline_ns) {
  const auto under_way = [this] {
    return std::any_of(changes_.begin(), changes_.end(),
                       [](const Change& change) { return change.under_way; });
  };
  while (!VARVE_MUTANT(kCutWithoutDrain) && under_way() && !over()) {
    if (runtime_.clock.monotonic_ns() >= deadline_ns) co_return false;
    co_await changed_.wait_until(runtime_.timers, deadline_ns);
  }
  co_return !over();
}

void ReplicatedVolume::cut(const ClusterVolume& reserved) {
  // It may have grown; the snapshots are as large as it is in the record.
  volume_.size_bytes = std::max(volume_.size_bytes, reserved.size_bytes);
  volume_.history = reserved.history;
  untold_.insert(volume_.groups.begin(), volume_.groups.end());
}

Task<void> ReplicatedVolume::tell_groups() {
  TaskGroup telling(runtime_.ready);
  for (const GroupId group : volume_.groups) telling.start(tell_group(group));
  co_await telling.done();
}

Task<void> ReplicatedVolume::tell_group(GroupId group) {
  const Generation newest = volume_.history.newest;
  const Status status = co_await attach_patiently(group);
  // Another cut may have come meanwhile, which tells by itself.
  if (status.ok() && newest == volume_.history.newest) untold_.erase(group);
  changed_.wake_all();
}

Task<bool> ReplicatedVolume::told(uint64_t deadline_ns) {
  while (!untold_.empty() && !over()) {
    if (runtime_.clock.monotonic_ns() >= deadline_ns) co_return false;
    co_await changed_.wait_until(runtime_.timers, deadline_ns);
  }
  co_return !over();
}

void ReplicatedVolume::forget_snapshots(const ClusterHistory& seen) {
  std::erase_if(volume_.history.snapshots, [&](const ClusterSnapshot& held) {
    return held.generation < seen.newest &&
           std::none_of(
               seen.snapshots.begin(), seen.snapshots.end(),
               [&](const ClusterSnapshot& kept) { return kept.generation == held.generation; });
  });
}

// --- operations

Task<Status> ReplicatedVolume::grow(uint64_t size_bytes) {
  volume_.size_bytes = std::max(volume_.size_bytes, size_bytes);
  co_return co_await attach();
}

Task<Status> ReplicatedVolume::attach_group(GroupId group) {
  FencedVolume volume;
  volume.fence = {group, volume_.id, volume_.generation};
  volume.record.id = volume_.id;
  volume.record.blocks = blocks_for(volume_.size_bytes);
  volume.record.name = volume_.name;
  volume.record.groups = volume_.groups;
  volume.history.lineage = {.volume = volume_.id,
                            .newest = volume_.history.newest,
                            .base = volume_.history.base,
                            .base_generation = volume_.history.base_generation,
                            .headless = false,
                            .branches = volume_.history.branches};
  for (const ClusterSnapshot& snapshot : volume_.history.snapshots)
    volume.history.snapshots.push_back({.volume = volume_.id,
                                        .generation = snapshot.generation,
                                        .blocks = blocks_for(snapshot.size_bytes),
                                        .created_seconds = snapshot.created_seconds,
                                        .name = {}});
  Status status = co_await node_.attach(std::move(volume));
  // A newer generation is known there: we are the older one.
  if (status.code() == ErrorCode::kBusy) fenced_ = true;
  co_return status;
}

Task<Status> ReplicatedVolume::read(BlockRange range, std::byte* out) {
  GroupIo io;
  io.kind = IoKind::kRead;
  io.range = range;
  io.out = out;
  co_return co_await until_done(io);
}

Task<Status> ReplicatedVolume::status(BlockRange range, std::vector<BlockStatusRun>* runs) {
  GroupIo io;
  io.kind = IoKind::kStatus;
  io.range = range;
  io.runs = runs;
  co_return co_await until_done(io);
}

Task<Status> ReplicatedVolume::write(BlockRange range, const std::byte* data,
                                     const uint32_t* crcs) {
  GroupIo io;
  io.kind = IoKind::kWrite;
  io.range = range;
  io.data = data;
  io.crcs = crcs;
  co_return co_await change(io);
}

Task<Status> ReplicatedVolume::trim(BlockRange range) {
  GroupIo io;
  io.kind = IoKind::kTrim;
  io.range = range;
  co_return co_await change(io);
}

bool ReplicatedVolume::must_wait(const Change& change) const {
  if (held_ || untold_.contains(change.group)) return true;
  if (VARVE_MUTANT(kResendOutOfOrder)) return false;
  for (const Change& earlier : changes_) {
    if (&earlier == &change) return false;
    if (earlier.range.first < change.range.end() && change.range.first < earlier.range.end())
      return true;
  }
  return false;
}

Task<Status> ReplicatedVolume::change(GroupIo io) {
  Change change(volume_.group_of_block(io.range.first), io.range);
  changes_.push_back(change);
  while (must_wait(change) && !over()) co_await changed_.wait();
  change.under_way = true;
  io.generation = volume_.history.newest;
  const Status status = co_await until_done(io);
  changes_.erase(changes_.iterator_to(change));
  if (!changed_.empty()) changed_.wake_all();
  co_return status;
}

Task<Status> ReplicatedVolume::until_done(GroupIo io) {
  io.group = volume_.group_of_block(io.range.first);
  io.volume = volume_.id;
  io.attach_generation = volume_.generation;
  for (uint32_t attempt = 1;; ++attempt) {
    if (closed_ || node_.stopping()) co_return ErrorCode::kClosed;
    if (fenced_) co_return ErrorCode::kBusy;
    io.connection = connection_;
    Status status = co_await node_.io(io);
    // It may still arrive, or be waiting there: it must not come after what is sent from now on.
    const bool missed = status.code() == ErrorCode::kTimedOut ||
                        status.code() == ErrorCode::kClosed || status.code() == ErrorCode::kUnknown;
    if (missed && io.connection == connection_) ++connection_;
    if (status.code() == ErrorCode::kBusy) {
      fenced_ = true;
      changed_.wake_all();
    }
    // A primary that took office without having heard of our generation.
    if (status.code() == ErrorCode::kNotFound)
      status = co_await attach_group(io.group);
    else if (status.ok() || !passes(status.code()))
      co_return status;
    if (io.runs != nullptr) io.runs->clear();
    if (status.ok()) continue;
    co_await node_.retry_pause();
    if (attempt % kAttemptsBeforeRefresh == 0) co_await node_.refresh(io.group);
  }
}

}  // namespace varve
