// What a new primary does before it serves: it finds the blocks that may differ between members and
// writes its own value of each again.
#include <algorithm>
#include <utility>

#include "core/base/crc32c.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/replication/changed_page.h"
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
    ChangedPage page;
    if (session == nullptr) {
      page = store_.changed(group_, after, volume, block, kChangedRunsMax);
    } else {
      auto answer = co_await ask_changed(session, after, volume, block);
      if (!answer.ok()) co_return false;
      page = std::move(*answer);
    }
    runs->insert(runs->end(), page.runs.begin(), page.runs.end());
    volume = page.next_volume;
    block = page.next_block;
  } while (volume != VolumeId{});
  co_return true;
}

Task<Result<ChangedPage>> Primary::ask_changed(Session* session, Sequence after, VolumeId volume,
                                               uint64_t block) {
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
  if (!reply.ok()) {
    answered(*session, reply.code());
    co_return reply.status();
  }
  auto page = decode_changed(request, reply->body, reply->payload.bytes());
  answered(*session, page.ok() ? ErrorCode::kOk : page.code());
  // It is asked again and again.
  if (!page.ok() && !std::exchange(session->refuted, true))
    log_error("group", text(static_cast<uint32_t>(group_), ": disk group ",
                            static_cast<uint32_t>(session->member.disk_group), " sends ",
                            page.status().message(), "; that is not believed"));
  co_return page;
}

void Primary::set_in_doubt(const std::vector<ChangedBlocks>& runs) {
  for (const ChangedBlocks& run : runs) {
    const std::vector<BlockVersion> ours = store_.versions(run.versions());
    for (uint64_t i = 0; i < ours.size(); ++i) {
      if (ours[i].sequence >= run.sequence) continue;
      Sequence& newest = newer_elsewhere_[{run.volume, run.generation, run.range.first + i}];
      newest = std::max(newest, run.sequence);
    }
  }
  std::vector<ChangedBlocks> sorted = runs;
  std::sort(sorted.begin(), sorted.end(), [](const ChangedBlocks& a, const ChangedBlocks& b) {
    return std::tuple(a.volume, a.generation, a.range.first) <
           std::tuple(b.volume, b.generation, b.range.first);
  });
  auto last = in_doubt_.end();
  for (const ChangedBlocks& run : sorted) {
    const bool joins = last != in_doubt_.end() && std::get<VolumeId>(last->first) == run.volume &&
                       std::get<Generation>(last->first) == run.generation &&
                       run.range.first <= last->second;
    if (joins)
      last->second = std::max(last->second, run.range.end());
    else
      last =
          in_doubt_.emplace(BlockKey(run.volume, run.generation, run.range.first), run.range.end())
              .first;
  }
}

// In any generation, of the volume and of what it was cloned from.
bool Primary::is_in_doubt(VolumeId volume, BlockRange range) const {
  if (in_doubt_.empty()) return false;
  for (VolumeId shown = volume; shown != VolumeId{}; shown = store_.base_of(shown)) {
    auto at = in_doubt_.lower_bound({shown, 0, 0});
    for (; at != in_doubt_.end() && std::get<VolumeId>(at->first) == shown; ++at)
      if (std::get<uint64_t>(at->first) < range.end() && at->second > range.first) return true;
  }
  return false;
}

Task<void> Primary::settled(VolumeId volume, BlockRange range) {
  while (!resigned_ && is_in_doubt(volume, range)) co_await changed_.wait();
}

Task<void> Primary::settle_in_doubt() {
  const auto ranges = in_doubt_;
  TaskGroup settling(runtime_.ready);
  uint64_t block_count = 0;
  VersionRange last;
  for (const auto& [begin, end] : ranges) {
    if (resigned_) break;
    const auto& [volume, generation, first] = begin;
    const VersionRange what{volume, generation, {first, end - first}};
    block_count += what.range.count;
    // A later generation may show what an earlier one settles, and a clone what its base does.
    if (last.volume != volume || last.generation != generation) co_await settling.done();
    last = what;
    settling.start(settle_range(what));
    co_await settling.below(kSettlementInFlightMax);
  }
  co_await settling.done();
  if (resigned_ || block_count == 0) co_return;
  advance_position();
  log_info("group", text(static_cast<uint32_t>(group_), ": settled ", block_count,
                         " blocks that were in doubt"));
}

Task<void> Primary::settle_range(VersionRange what) {
  while (!resigned_) {
    const Status status = co_await rewrite(what);
    if (status.ok() || status.code() == ErrorCode::kNotFound) break;
    co_await pause(kRetryPauseNs);
  }
  if (resigned_) co_return;
  in_doubt_.erase({what.volume, what.generation, what.range.first});
  newer_elsewhere_.erase(
      newer_elsewhere_.lower_bound({what.volume, what.generation, what.range.first}),
      newer_elsewhere_.lower_bound({what.volume, what.generation, what.range.end()}));
  changed_.wake_all();
}

Task<Status> Primary::rewrite(VersionRange what) {
  const BlockRange range = what.range;
  uint64_t block = range.first;
  while (block < range.end() && !resigned_) {
    const auto newer = newer_elsewhere_.lower_bound({what.volume, what.generation, block});
    const bool any = newer != newer_elsewhere_.end() &&
                     newer->first < BlockKey(what.volume, what.generation, range.end());
    const uint64_t newer_block = any ? std::get<uint64_t>(newer->first) : range.end();
    if (any && newer_block == block) {
      const VersionRange one{what.volume, what.generation, {block, 1}};
      const Status adopted = co_await adopt_newer(one, newer->second);
      if (adopted.code() != ErrorCode::kNotFound) {
        VARVE_CO_TRY(adopted);
        ++block;
        continue;
      }
    }
    const uint64_t stop =
        std::min({range.end(), round_up(block + 1, kExtentBlocks), block + kMessageBlocksMax,
                  newer_block > block ? newer_block : range.end()});
    // Where this member has nothing in the generation, what an earlier one shows through it.
    const std::vector<BlockVersion> versions = store_.seen(what.view(), {block, stop - block});
    uint64_t count = 1;
    const auto alike = [&](const BlockVersion& a, const BlockVersion& b) {
      const bool data = a.kind == BlockVersion::Kind::kData;
      const bool old_number = VARVE_MUTANT(kRepairUnderOldNumber) && a.sequence != b.sequence;
      const bool damaged = a.kind == BlockVersion::Kind::kDamaged;
      return data == (b.kind == BlockVersion::Kind::kData) && !damaged &&
             b.kind != BlockVersion::Kind::kDamaged && !old_number;
    };
    while (count < versions.size() && alike(versions[0], versions[count])) ++count;
    const VersionRange part{what.volume, what.generation, {block, count}};
    const bool own = versions[0].volume == what.volume && versions[0].generation == what.generation;
    Status status;
    if (versions[0].kind == BlockVersion::Kind::kDamaged) {
      status = co_await repair(what.view(), part.range);
      if (status.ok() && !own) continue;  // what shows through it is whole: now this one
    } else {
      status = co_await rewrite_alike(part, versions[0].kind, versions[0].sequence);
    }
    if (status.code() == ErrorCode::kBusy) continue;  // it changed meanwhile
    if (!status.ok() && status.code() != ErrorCode::kDamaged) co_return status;
    block += count;
  }
  co_return resigned_ ? Status(ErrorCode::kStale) : Status();
}

// Of all in-sync members the highest number counts: one that was acknowledged is among them even
// when this disk group lost the end of its log without noticing. kNotFound: nobody has it any more.
Task<Status> Primary::adopt_newer(VersionRange one, Sequence sequence) {
  AlignedBuffer data(kBlockBytes);
  for (int attempt = 0; attempt < 40 && !resigned_; ++attempt) {
    co_await committed(one.volume, one.range);
    // Rule 2: settlement and a learner's return may both be at it; the second must not undo what
    // clients have written since the first.
    if (store_.versions(one)[0].sequence > sequence) co_return Status();
    const bool fetched = co_await fetch(one, sequence, data.data());
    if (!fetched) {
      co_await pause(kRetryPauseNs);
      continue;
    }
    const bool changed = store_.versions(one)[0].sequence > sequence;
    if (changed || overlaps_uncommitted(one)) continue;
    const uint32_t crc = crc32c(data.span());
    GroupOperation operation(runtime_.ready);
    operation.volume = one.volume;
    operation.generation = one.generation;
    operation.range = one.range;
    operation.data = data.data();
    operation.crcs = &crc;
    operation.reserved_room = true;
    co_return co_await run_operation(&operation);
  }
  co_return resigned_ ? ErrorCode::kStale : ErrorCode::kNotFound;
}

// kBusy: the blocks changed before they could be written.
Task<Status> Primary::rewrite_alike(VersionRange what, BlockVersion::Kind kind, Sequence sequence) {
  const BlockRange range = what.range;
  if (overlaps_uncommitted(what)) {
    co_await committed(what.volume, range);
    co_return ErrorCode::kBusy;
  }
  GroupOperation operation(runtime_.ready);
  operation.volume = what.volume;
  operation.generation = what.generation;
  if (VARVE_MUTANT(kSettleInNewest)) operation.generation = store_.newest_generation(what.volume);
  operation.range = range;
  operation.reserved_room = true;
  if (VARVE_MUTANT(kRepairUnderOldNumber)) operation.sequence = sequence;
  AlignedBuffer data;
  std::vector<uint32_t> crcs;
  if (kind == BlockVersion::Kind::kData) {
    const std::vector<BlockVersion> before = store_.seen(what.view(), range);
    data = AlignedBuffer(range.count * kBlockBytes);
    VARVE_CO_TRY(co_await store_.read_generation(what, data.data()));
    // Rule 2: a new write, which must not hide what a client wrote while this one was read.
    if (overlaps_uncommitted(what) || store_.seen(what.view(), range) != before)
      co_return ErrorCode::kBusy;
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
