// A block that is damaged here is fetched from another member that holds exactly the same number,
// and written again by all, under a new one.
#include <algorithm>
#include <cstring>

#include "core/base/crc32c.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/replication/fetch_block.h"
#include "core/replication/limits.h"
#include "core/replication/primary.h"

namespace varve {

Task<bool> fetch_block(Runtime& runtime, Peers& peers, NodeId node, FetchRequest request,
                       std::byte* out) {
  const uint64_t deadline_ns = runtime.clock.monotonic_ns() + kCallDeadlineNs;
  const auto reply = co_await peers.call<EmptyReply>(node, request, Slices(), deadline_ns);
  if (!reply.ok() || reply->payload.bytes().size() < kBlockBytes + sizeof(uint32_t))
    co_return false;
  std::memcpy(out, reply->payload.bytes().data(), kBlockBytes);
  uint32_t crc = 0;
  std::memcpy(&crc, reply->payload.bytes().data() + kBlockBytes, sizeof crc);
  co_return crc == crc32c(std::span(out, kBlockBytes));
}

// kOk: nothing in the range is damaged any more. kDamaged: no member has some block.
Task<Status> Primary::repair(VolumeView view, BlockRange range) {
  for (uint64_t block = range.first; block < range.end(); ++block) {
    const BlockRange one{block, 1};
    while (!resigned_) {
      co_await committed(view.volume, one);
      const BlockVersion version = store_.seen(view, one)[0];
      if (version.kind != BlockVersion::Kind::kDamaged) break;
      // Where it stands, maybe in an earlier generation, or in what a clone was made of.
      const VersionRange what{version.volume, version.generation, one};
      AlignedBuffer data(kBlockBytes);
      const bool fetched = co_await fetch(what, version.sequence, data.data());
      if (!fetched) {
        log_error("group", text(static_cast<uint32_t>(group_), ": block ", block, " of volume ",
                                static_cast<uint32_t>(what.volume), " is damaged on every member"));
        co_return ErrorCode::kDamaged;
      }
      // Rule 2: only if no client wrote meanwhile.
      if (overlaps_uncommitted(what)) continue;
      if (store_.versions(what)[0].sequence != version.sequence) continue;
      const uint32_t crc = crc32c(data.span());
      GroupOperation operation(runtime_.ready);
      operation.volume = what.volume;
      operation.generation = what.generation;
      operation.range = one;
      operation.data = data.data();
      operation.crcs = &crc;
      operation.reserved_room = true;
      VARVE_CO_TRY(co_await run_operation(&operation));
      store_.count_repair();
      log_warn("group", text(static_cast<uint32_t>(group_), ": repaired block ", block,
                             " of volume ", static_cast<uint32_t>(what.volume)));
    }
  }
  co_return resigned_ ? Status(ErrorCode::kStale) : Status();
}

Task<bool> Primary::fetch(VersionRange one, Sequence sequence, std::byte* out) {
  // Those that answer come first: a read waits for this.
  std::vector<Session*> asked;
  asked.reserve(sessions_.size());
  for (const auto& session : sessions_) asked.push_back(session.get());
  std::stable_partition(asked.begin(), asked.end(),
                        [](const Session* session) { return session->ready(); });
  for (const Session* session : asked) {
    FetchRequest request;
    request.group = group_;
    request.epoch = state_.epoch;
    request.volume = one.volume;
    request.generation = one.generation;
    request.block = one.range.first;
    request.sequence = sequence;
    const bool good = co_await fetch_block(runtime_, peers_, session->member.node, request, out);
    if (good) co_return true;
  }
  co_return false;
}

}  // namespace varve
