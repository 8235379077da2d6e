// The way of a write and of a trim through the store.
#include <algorithm>

#include "core/log/log_stream.h"
#include "core/store/memory_budget.h"
#include "core/store/store_core.h"

namespace varve {
namespace {

// Trims of fragmented ranges go in groups of this many runs.
constexpr size_t kTrimRunsMax = 256;

}  // namespace

Append StoreCore::make_append(GroupStamp stamp, VolumeId id, BlockRange piece, EntryOp op) {
  Append append;
  append.entry = {
      .sequence = stamp.group == GroupId{} ? next_sequence_++ : stamp.sequence,
      .volume = static_cast<uint32_t>(id),
      .generation = stamp.group == GroupId{} ? map_.find(id)->lineage().newest() : stamp.generation,
      .group = static_cast<uint32_t>(stamp.group),
      .extent = static_cast<uint32_t>(piece.first / kExtentBlocks),
      .offset = static_cast<uint16_t>(piece.first % kExtentBlocks),
      .count = static_cast<uint16_t>(piece.count),
      .op = op};
  return append;
}

Task<Status> StoreCore::append_all(std::vector<Append>& appends) {
  return writer_.stream(StreamKind::kUser).append_all(appends);
}

Task<Status> StoreCore::write(GroupStamp stamp, VolumeId id, BlockRange range,
                              const std::byte* data, const uint32_t* crcs) {
  VARVE_CO_TRY(stamp.group == GroupId{} ? check_range(id, range) : check_stamped(stamp, id, range));
  if (range.count == 0) co_return Status();
  if (writer_.failed()) co_return ErrorCode::kIoError;
  const uint64_t limit = stamp.reserved_room ? reserved_limit_blocks() : write_limit_blocks();
  if (taken_blocks() + range.count > limit) co_return ErrorCode::kNoSpace;
  if (!enter()) co_return ErrorCode::kClosed;
  if (!take_memory(range, stamp.group == GroupId{})) {
    leave();
    co_return ErrorCode::kNoSpace;
  }
  pending_blocks_ += range.count;
  const Status status = co_await write_pieces(stamp, id, range, data, crcs);
  pending_blocks_ -= range.count;
  pending_memory_ -= memory_growth(range);
  leave();
  co_return status;
}

void StoreCore::cut_write(GroupStamp stamp, VolumeId id, BlockRange range, const std::byte* data,
                          const uint32_t* crcs, std::vector<Append>& appends) {
  const uint64_t piece_max = geometry_.append_blocks_max();
  for (uint64_t block = range.first; block < range.end();) {
    const uint64_t extent_end = round_up(block + 1, kExtentBlocks);
    const uint64_t count = std::min({piece_max, extent_end - block, range.end() - block});
    Append append = make_append(stamp, id, {block, count}, EntryOp::kData);
    append.data = data + (block - range.first) * kBlockBytes;
    append.crcs = crcs + (block - range.first);
    appends.push_back(append);
    block += count;
  }
}

Task<Status> StoreCore::write_pieces(GroupStamp stamp, VolumeId id, BlockRange range,
                                     const std::byte* data, const uint32_t* crcs) {
  std::vector<Append> appends;
  cut_write(stamp, id, range, data, crcs, appends);
  co_return co_await append_all(appends);
}

Task<Status> StoreCore::trim(VolumeId id, BlockRange range) {
  VARVE_CO_TRY(check_range(id, range));
  if (writer_.failed()) co_return ErrorCode::kIoError;
  if (!enter()) co_return ErrorCode::kClosed;
  const Status status = co_await trim_pieces(id, range);
  leave();
  co_return status;
}

Task<Status> StoreCore::trim_pieces(VolumeId id, BlockRange range) {
  std::vector<Append> appends;
  for (uint64_t block = range.first; block < range.end();) {
    if (map_.find(id) == nullptr) co_return ErrorCode::kNotFound;
    const uint64_t leaf_end = std::min(range.end(), round_up(block + 1, kLeafBlocks));
    if (!map_.has_leaf(id, block)) {  // nothing was ever written here: nothing to remember
      block = leaf_end;
      continue;
    }
    while (block < leaf_end && reads_as_zeroes(map_.get(id, block).kind)) ++block;
    uint64_t end = block;
    while (end < leaf_end && !reads_as_zeroes(map_.get(id, end).kind)) ++end;
    if (end > block) {
      Append* last = appends.empty() ? nullptr : &appends.back();
      const bool joins = last != nullptr && block % kExtentBlocks != 0 &&
                         last->entry.first_block() + last->entry.count == block;
      if (joins)
        last->entry.count = static_cast<uint16_t>(last->entry.count + (end - block));
      else
        appends.push_back(make_append({}, id, {block, end - block}, EntryOp::kZero));
    }
    block = end;
    if (appends.size() < kTrimRunsMax) continue;
    VARVE_CO_TRY(co_await append_all(appends));
    appends.clear();
  }
  if (appends.empty()) co_return Status();
  co_return co_await append_all(appends);
}

}  // namespace varve
