// What a new primary does before it serves: it finds the blocks that may differ between members and
// writes its own value of each again.
#include <algorithm>

#include "core/base/crc32c.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/replication/limits.h"
#include "core/replication/primary.h"

namespace varve {

Task<bool> Primary::settle() {
  Sequence position = state_.position;
  while (!resigned_) {
    co_await members_prepared();
    const bool complete = co_await check_log_ends(&position);
    if (complete) break;
  }
  if (resigned_) co_return false;
  std::vector<ChangedBlocks> runs;
  while (!resigned_) {
    bool complete = co_await collect_from(nullptr, position, &runs);
    for (const auto& session : sessions_)
      if (complete && seen_.record.is_in_sync(session->member.disk_group))
        complete = co_await collect_from(session.get(), position, &runs);
    if (complete) break;
    runs.clear();
    co_await pause(kRetryPauseNs);
  }
  if (resigned_) co_return false;
  if (!VARVE_MUTANT(kSkipSettlement)) set_in_doubt(runs);
  serving_ = true;
  advance_position();
  tasks_.start(settle_in_doubt());
  co_return true;
}

// Every in-sync member has made the epoch durable and gets what is written, or is taken out.
Task<void> Primary::members_prepared() {
  while (!resigned_) {
    bool all = true;
    for (const auto& session : sessions_)
      if (seen_.record.is_in_sync(session->member.disk_group))
        all = all && session->ready() && session->receiving && session->epoch == state_.epoch;
    if (all) co_return;
    co_await changed_.wait();
  }
}

// False: the set changed, look again. Rule 3: who lacks something that was committed has lost data.
Task<bool> Primary::check_log_ends(Sequence* position) {
  Session* longest = nullptr;
  for (const auto& session : sessions_) {
    if (!seen_.record.is_in_sync(session->member.disk_group)) continue;
    *position = std::max(*position, session->position);
    if (longest == nullptr || session->log_end > longest->log_end) longest = session.get();
  }
  if (store_.log_end(group_) < *position && longest != nullptr && longest->log_end >= *position) {
    log_error("group", text(static_cast<uint32_t>(group_),
                            ": this disk group's log ends before what was committed: it has lost "
                            "data and becomes a learner"));
    co_await hand_over(longest->member.disk_group, Stay::kOut, "its log ends too early");
    co_return false;
  }
  for (const auto& session : sessions_) {
    const DiskGroupId id = session->member.disk_group;
    if (!seen_.record.is_in_sync(id) || session->log_end >= *position) continue;
    log_error("group", text(static_cast<uint32_t>(group_), ": the log of disk group ",
                            static_cast<uint32_t>(id),
                            " ends before what was committed: it has lost data and is taken out"));
    [[maybe_unused]] const bool removed = co_await remove(id);
    co_return false;
  }
  co_return true;
}

// Null: from this member.
Task<bool> Primary::collect_from(Session* session, Sequence after,
                                 std::vector<ChangedBlocks>* runs) {
  VolumeId volume{};
  uint64_t block = 0;
  do {
    if (resigned_) co_return false;
    if (session == nullptr) {
      const ChangedPage page = store_.changed(group_, after, volume, block, kChangedRunsMax);
      runs->insert(runs->end(), page.runs.begin(), page.runs.end());
      volume = page.next_volume;
      block = page.next_block;
      continue;
    }
    ChangedRequest request;
    request.group = group_;
    request.epoch = session->epoch;
    request.after = after;
    request.volume = volume;
    request.block = block;
    request.run_count_max = kChangedRunsMax;
    const uint64_t deadline_ns = runtime_.clock.monotonic_ns() + kCallDeadlineNs;
    const auto reply =
        co_await peers_.call<ChangedReply>(session->member.node, request, Slices(), deadline_ns);
    answered(*session, reply.ok() ? ErrorCode::kOk : reply.code());
    if (!reply.ok()) co_return false;
    for (uint32_t i = 0; i < reply->body.run_count; ++i) {
      ChangedRun run;
      std::memcpy(&run, reply->payload.bytes().data() + i * sizeof run, sizeof run);
      runs->push_back({run.volume, {run.first_block, run.block_count}, run.sequence});
    }
    volume = reply->body.volume;
    block = reply->body.block;
  } while (volume != VolumeId{});
  co_return true;
}

void Primary::set_in_doubt(const std::vector<ChangedBlocks>& runs) {
  for (const ChangedBlocks& run : runs) {
    const std::vector<BlockVersion> ours = store_.versions(run.volume, run.range);
    for (uint64_t i = 0; i < ours.size(); ++i) {
      if (ours[i].sequence >= run.sequence) continue;
      Sequence& newest = newer_elsewhere_[{run.volume, run.range.first + i}];
      newest = std::max(newest, run.sequence);
    }
  }
  std::vector<ChangedBlocks> sorted = runs;
  std::sort(sorted.begin(), sorted.end(), [](const ChangedBlocks& a, const ChangedBlocks& b) {
    return a.volume != b.volume ? a.volume < b.volume : a.range.first < b.range.first;
  });
  auto last = in_doubt_.end();
  for (const ChangedBlocks& run : sorted) {
    const bool joins = last != in_doubt_.end() && last->first.first == run.volume &&
                       run.range.first <= last->second;
    if (joins)
      last->second = std::max(last->second, run.range.end());
    else
      last = in_doubt_.emplace(std::pair(run.volume, run.range.first), run.range.end()).first;
  }
}

bool Primary::is_in_doubt(VolumeId volume, BlockRange range) const {
  if (in_doubt_.empty()) return false;
  auto after = in_doubt_.lower_bound({volume, range.end()});
  if (after == in_doubt_.begin()) return false;
  --after;
  return after->first.first == volume && after->second > range.first;
}

Task<void> Primary::settled(VolumeId volume, BlockRange range) {
  while (!resigned_ && is_in_doubt(volume, range)) co_await changed_.wait();
}

Task<void> Primary::settle_in_doubt() {
  const auto ranges = in_doubt_;
  TaskGroup settling(runtime_.ready);
  uint64_t block_count = 0;
  for (const auto& [begin, end] : ranges) {
    if (resigned_) break;
    const BlockRange range{begin.second, end - begin.second};
    block_count += range.count;
    settling.start(settle_range(begin.first, range));
    co_await settling.below(kSettlementInFlightMax);
  }
  co_await settling.done();
  if (resigned_ || block_count == 0) co_return;
  advance_position();
  log_info("group", text(static_cast<uint32_t>(group_), ": settled ", block_count,
                         " blocks that were in doubt"));
}

Task<void> Primary::settle_range(VolumeId volume, BlockRange range) {
  while (!resigned_) {
    const Status status = co_await rewrite(volume, range);
    if (status.ok() || status.code() == ErrorCode::kNotFound) break;
    co_await pause(kRetryPauseNs);
  }
  if (resigned_) co_return;
  in_doubt_.erase({volume, range.first});
  newer_elsewhere_.erase(newer_elsewhere_.lower_bound({volume, range.first}),
                         newer_elsewhere_.lower_bound({volume, range.end()}));
  changed_.wake_all();
}

Task<Status> Primary::rewrite(VolumeId volume, BlockRange range) {
  uint64_t block = range.first;
  while (block < range.end() && !resigned_) {
    const auto newer = newer_elsewhere_.lower_bound({volume, block});
    const bool any = newer != newer_elsewhere_.end() && newer->first.first == volume;
    if (any && newer->first.second == block) {
      const Status adopted = co_await adopt_newer(volume, block, newer->second);
      if (adopted.code() != ErrorCode::kNotFound) {
        VARVE_CO_TRY(adopted);
        ++block;
        continue;
      }
    }
    const uint64_t stop =
        std::min({range.end(), round_up(block + 1, kExtentBlocks), block + kMessageBlocksMax,
                  any && newer->first.second > block ? newer->first.second : range.end()});
    const std::vector<BlockVersion> versions = store_.versions(volume, {block, stop - block});
    uint64_t count = 1;
    const auto alike = [&](const BlockVersion& a, const BlockVersion& b) {
      const bool data = a.kind == BlockVersion::Kind::kData;
      const bool old_number = VARVE_MUTANT(kRepairUnderOldNumber) && a.sequence != b.sequence;
      const bool damaged = a.kind == BlockVersion::Kind::kDamaged;
      return data == (b.kind == BlockVersion::Kind::kData) && !damaged &&
             b.kind != BlockVersion::Kind::kDamaged && !old_number;
    };
    while (count < versions.size() && alike(versions[0], versions[count])) ++count;
    const BlockRange part{block, count};
    Status status;
    if (versions[0].kind == BlockVersion::Kind::kDamaged)
      status = co_await repair(volume, part);
    else
      status = co_await rewrite_alike(volume, part, versions[0].kind, versions[0].sequence);
    if (status.code() == ErrorCode::kBusy) continue;  // it changed meanwhile
    if (!status.ok() && status.code() != ErrorCode::kDamaged) co_return status;
    block += count;
  }
  co_return resigned_ ? Status(ErrorCode::kStale) : Status();
}

// Of all in-sync members the highest number counts: one that was acknowledged is among them even
// when this disk group lost the end of its log without noticing. kNotFound: nobody has it any more.
Task<Status> Primary::adopt_newer(VolumeId volume, uint64_t block, Sequence sequence) {
  const BlockRange one{block, 1};
  AlignedBuffer data(kBlockBytes);
  for (int attempt = 0; attempt < 40 && !resigned_; ++attempt) {
    co_await committed(volume, one);
    // Rule 2: settlement and a learner's return may both be at it; the second must not undo what
    // clients have written since the first.
    if (store_.versions(volume, one)[0].sequence > sequence) co_return Status();
    const bool fetched = co_await fetch(volume, block, sequence, data.data());
    if (!fetched) {
      co_await pause(kRetryPauseNs);
      continue;
    }
    const bool changed = store_.versions(volume, one)[0].sequence > sequence;
    if (changed || overlaps_uncommitted(volume, one)) continue;
    const uint32_t crc = crc32c(data.span());
    GroupOperation operation(runtime_.ready);
    operation.volume = volume;
    operation.range = one;
    operation.data = data.data();
    operation.crcs = &crc;
    operation.reserved_room = true;
    co_return co_await run_operation(&operation);
  }
  co_return resigned_ ? ErrorCode::kStale : ErrorCode::kNotFound;
}

// kBusy: the blocks changed before they could be written.
Task<Status> Primary::rewrite_alike(VolumeId volume, BlockRange range, BlockVersion::Kind kind,
                                    Sequence sequence) {
  const auto sequences = [this, volume, range] {
    std::vector<Sequence> found;
    for (const BlockVersion& version : store_.versions(volume, range))
      found.push_back(version.sequence);
    return found;
  };
  if (overlaps_uncommitted(volume, range)) {
    co_await committed(volume, range);
    co_return ErrorCode::kBusy;
  }
  GroupOperation operation(runtime_.ready);
  operation.volume = volume;
  operation.range = range;
  operation.reserved_room = true;
  if (VARVE_MUTANT(kRepairUnderOldNumber)) operation.sequence = sequence;
  AlignedBuffer data;
  std::vector<uint32_t> crcs;
  if (kind == BlockVersion::Kind::kData) {
    const std::vector<Sequence> before = sequences();
    data = AlignedBuffer(range.count * kBlockBytes);
    VARVE_CO_TRY(co_await store_.read(volume, range, data.data()));
    // Rule 2: a new write, which must not hide what a client wrote while this one was read.
    if (overlaps_uncommitted(volume, range) || sequences() != before) co_return ErrorCode::kBusy;
    crcs.resize(range.count);
    crc32c_blocks(data.data(), range.count, crcs.data());
    operation.data = data.data();
    operation.crcs = crcs.data();
  } else {
    operation.op = ReplicateOp::kZero;
  }
  co_return co_await run_operation(&operation);
}

}  // namespace varve
