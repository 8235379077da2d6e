// The way of a read through the store.
#include <algorithm>
#include <cstring>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/store/store_core.h"

namespace varve {

Task<Status> StoreCore::read(VolumeView view, BlockRange range, std::byte* out) {
  VARVE_CO_TRY(check_range(view, range));
  if (!enter()) co_return ErrorCode::kClosed;
  Status status;
  if (range.count == 1)
    status = co_await read_block(view, range.first, out);
  else
    status = co_await read_blocks(view, range, out);
  leave();
  co_return status;
}

Task<Status> StoreCore::read_block(VolumeView view, uint64_t block, std::byte* out) {
  const BlockState state = map_.get(view, block);
  if (is_damaged(state.kind)) co_return ErrorCode::kDamaged;
  if (state.kind != BlockKind::kData) {
    std::memset(out, 0, kBlockBytes);
    co_return Status();
  }
  const ReadRun run{view.volume, block, 1, state, &state.crc, out};
  co_return co_await read_run(run);
}

Task<Status> StoreCore::read_blocks(VolumeView view, BlockRange range, std::byte* out) {
  const VolumeMap& volume = *map_.find(view.volume);
  std::vector<uint32_t> crcs(range.count);
  std::vector<ReadRun> runs;
  BlockState last;
  for (uint64_t i = 0; i < range.count; ++i) {
    const BlockState state = map_.get(volume, view.generation, range.first + i);
    if (is_damaged(state.kind)) co_return ErrorCode::kDamaged;
    std::byte* const to = out + i * kBlockBytes;
    crcs[i] = state.crc;
    if (state.kind != BlockKind::kData) {
      std::memset(to, 0, kBlockBytes);
    } else if (last.kind == BlockKind::kData && last.slot == state.slot &&
               last.position + 1 == state.position) {
      ++runs.back().count;
    } else {
      runs.push_back({view.volume, range.first + i, 1, state, crcs.data() + i, to});
    }
    last = state;
  }
  if (runs.empty()) co_return Status();
  if (runs.size() == 1) co_return co_await read_run(runs.front());
  Status status;
  TaskGroup group(runtime_.ready);
  for (const ReadRun& run : runs) group.start(read_run_into(run, &status));
  co_await group.done();
  co_return status;
}

Task<void> StoreCore::read_run_into(ReadRun run, Status* status) {
  const Status mine = co_await read_run(run);
  if (!mine.ok()) *status = mine;
}

// From the read cache, checked. False: it has to come from the HDD.
Task<bool> StoreCore::read_cached(const ReadRun& run, ColdPlace first, uint32_t* actual) {
  const bool read = co_await cache_.read(first, run.count, run.out);
  if (!read) co_return false;
  crc32c_blocks(run.out, run.count, actual);
  bool good = true;
  for (uint32_t i = 0; i < run.count; ++i) {
    if (actual[i] == run.crcs[i]) continue;
    good = false;
    cache_.drop(first + i);
    log_warn("store",
             text("the read cache gave wrong bytes for block ", run.first_block + i, " of volume ",
                  static_cast<uint32_t>(run.volume), ": it is read from the HDD"));
  }
  if (good) cache_.count_hits(run.count);
  co_return good;
}

Task<Status> StoreCore::read_run(ReadRun run) {
  const std::span<std::byte> into(run.out, static_cast<size_t>(run.count) * kBlockBytes);
  const uint64_t offset = geometry_.offset(run.place.slot, run.place.position);
  uint32_t single = 0;  // most reads are of one block and need no memory for this
  std::vector<uint32_t> several(run.count > 1 ? run.count : 0);
  uint32_t* const actual = run.count > 1 ? several.data() : &single;
  Slot& slot = slots_.at(run.place.slot);
  const bool counts = catalog_.tier(run.volume) != VolumeTier::kHdd;
  if (counts) slot.heat += run.count;
  slots_.pin(run.place.slot);  // whatever the cleaner does meanwhile, the slot is not written again
  const bool cold = geometry_.is_cold(run.place.slot);
  const ColdPlace first{run.place.slot, slot.generation, run.place.position};
  const bool sequential = cold && cache_.note(first, run.count);
  bool good = false;
  if (cold) good = co_await read_cached(run, first, actual);
  const bool cached = good;
  Status status;
  // A second look before the verdict: what was wrong may have been the transfer.
  for (int attempt = 0; attempt < 2 && !good; ++attempt) {
    status = co_await device_.read(offset, into);
    if (!status.ok()) break;
    crc32c_blocks(run.out, run.count, actual);
    good = std::equal(actual, actual + run.count, run.crcs);
  }
  if (cold && good && !cached) cache_.fill(first, run.count, run.out, sequential || !counts);
  slots_.unpin(run.place.slot);
  if (!status.ok() || good) co_return status;
  for (uint32_t i = 0; i < run.count; ++i) {
    if (actual[i] == run.crcs[i]) continue;
    map_.mark_bad(run.volume, run.first_block + i, run.place.slot, run.place.position + i);
    log_error("store", text("block ", run.first_block + i, " of volume ",
                            static_cast<uint32_t>(run.volume), " is damaged: slot ", run.place.slot,
                            geometry_.is_cold(run.place.slot) ? " of an HDD, byte " : ", byte ",
                            JoinedDevice::offset_in(offset) + i * uint64_t{kBlockBytes}));
  }
  co_return ErrorCode::kDamaged;
}

}  // namespace varve
