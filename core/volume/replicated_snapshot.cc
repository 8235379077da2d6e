#include "core/volume/replicated_snapshot.h"

namespace varve {
namespace {

constexpr uint32_t kReadsBeforeRefresh = 4;
// A primary that knows of no such snapshot may be one that was deposed.
constexpr uint32_t kAttemptsNotFound = 20;

bool may_pass(ErrorCode code) {
  return code == ErrorCode::kStale || code == ErrorCode::kClosed || code == ErrorCode::kTimedOut ||
         code == ErrorCode::kUnavailable || code == ErrorCode::kUnknown ||
         code == ErrorCode::kNotFound;
}

}  // namespace

Task<Status> ReplicatedSnapshot::read(BlockRange range, std::byte* out) {
  GroupIo io;
  io.kind = IoKind::kRead;
  io.range = range;
  io.out = out;
  co_return co_await until_done(io);
}

Task<Status> ReplicatedSnapshot::status(BlockRange range, std::vector<BlockStatusRun>* runs) {
  GroupIo io;
  io.kind = IoKind::kStatus;
  io.range = range;
  io.runs = runs;
  co_return co_await until_done(io);
}

Task<Status> ReplicatedSnapshot::until_done(GroupIo io) {
  io.group = volume_.group_of_block(io.range.first);
  io.volume = volume_.id;
  io.generation = generation_;
  uint32_t not_found_count = 0;
  for (uint32_t attempt = 1;; ++attempt) {
    if (closed_ || node_.stopping()) co_return ErrorCode::kClosed;
    const Status status = co_await node_.io(io);
    if (status.ok() || !may_pass(status.code())) co_return status;
    if (status.code() == ErrorCode::kNotFound && ++not_found_count == kAttemptsNotFound)
      co_return status;
    if (io.runs != nullptr) io.runs->clear();
    co_await node_.retry_pause();
    if (attempt % kReadsBeforeRefresh == 0) co_await node_.refresh(io.group);
  }
}

}  // namespace varve
