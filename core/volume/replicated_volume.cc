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
    : node_(node), volume_(std::move(volume)), changed_(runtime.ready) {}

ReplicatedVolume::~ReplicatedVolume() {
  VARVE_CHECK(changes_.empty());
}

void ReplicatedVolume::close() {
  closed_ = true;
  changed_.wake_all();
}

Task<Status> ReplicatedVolume::attach() {
  for (const GroupId group : volume_.groups) {
    Status status = co_await attach_group(group);
    for (uint32_t attempt = 1; !status.ok() && passes(status.code()); ++attempt) {
      if (closed_ || node_.stopping()) co_return ErrorCode::kClosed;
      co_await node_.retry_pause();
      if (attempt % kAttemptsBeforeRefresh == 0) co_await node_.refresh(group);
      status = co_await attach_group(group);
    }
    if (!status.ok()) co_return status;
  }
  co_return Status();
}

Task<Status> ReplicatedVolume::grow(uint64_t size_bytes) {
  volume_.size_bytes = std::max(volume_.size_bytes, size_bytes);
  co_return co_await attach();
}

Task<Status> ReplicatedVolume::attach_group(GroupId group) {
  VolumeRecord record;
  record.id = volume_.id;
  record.blocks = blocks_for(volume_.size_bytes);
  record.name = volume_.name;
  record.groups = volume_.groups;
  const AttachFence fence{group, volume_.id, volume_.generation};
  Status status = co_await node_.attach(fence, std::move(record));
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
  if (VARVE_MUTANT(kResendOutOfOrder)) return false;
  for (const Change& earlier : changes_) {
    if (&earlier == &change) return false;
    if (earlier.range.first < change.range.end() && change.range.first < earlier.range.end())
      return true;
  }
  return false;
}

Task<Status> ReplicatedVolume::change(GroupIo io) {
  Change change(io.range);
  changes_.push_back(change);
  while (must_wait(change) && !closed_) co_await changed_.wait();
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
    if (status.code() == ErrorCode::kBusy) fenced_ = true;
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
