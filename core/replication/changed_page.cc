#include "core/replication/changed_page.h"

#include <cstring>
#include <tuple>

#include "core/base/units.h"

namespace varve {
namespace {

// A store's runs are no longer than a leaf, and no volume is longer than this.
bool can_be(const ChangedRun& run, Sequence after) {
  return run.volume != VolumeId{} && run.block_count > 0 && run.block_count <= kLeafBlocks &&
         run.first_block <= kVolumeBlocksMax - run.block_count && run.sequence > after;
}

}  // namespace

ChangedMessage encode_changed(const ChangedPage& page) {
  ChangedMessage message;
  message.runs.reserve(page.runs.size());
  for (const ChangedBlocks& run : page.runs)
    message.runs.push_back({.volume = run.volume,
                            .block_count = static_cast<uint32_t>(run.range.count),
                            .first_block = run.range.first,
                            .sequence = run.sequence,
                            .generation = run.generation});
  message.body = {.volume = page.next_volume,
                  .run_count = static_cast<uint32_t>(page.runs.size()),
                  .block = page.next_block};
  return message;
}

Result<ChangedPage> decode_changed(const ChangedRequest& asked, const ChangedReply& body,
                                   std::span<const std::byte> payload) {
  const bool last = body.volume == VolumeId{};
  if (!last && std::tie(body.volume, body.block) <= std::tie(asked.volume, asked.block))
    return Status(ErrorCode::kDamaged, "a list of changed blocks that does not go on");
  ChangedPage page;
  page.next_volume = body.volume;
  page.next_block = body.block;
  page.runs.reserve(body.run_count);
  for (uint32_t i = 0; i < body.run_count; ++i) {
    ChangedRun run;
    std::memcpy(&run, payload.data() + i * sizeof run, sizeof run);
    if (!can_be(run, asked.after))
      return Status(ErrorCode::kDamaged, "a list of changed blocks that cannot be");
    page.runs.push_back(
        {run.volume, {run.first_block, run.block_count}, run.sequence, run.generation});
  }
  return page;
}

}  // namespace varve
