#include "tests/bench/disk_alone.h"

#include <algorithm>
#include <cstdio>

#include "core/base/units.h"

namespace varve {
namespace {

// As a store's log at this depth.
constexpr uint32_t kCommits = 4;
constexpr uint64_t kPieceBytes = kMiB;

}  // namespace

DiskAlone::DiskAlone(Runtime& runtime, BlockDevice& device, const DiskAloneOptions& options)
    : runtime_(runtime),
      device_(device),
      options_(options),
      payload_((std::max(options.depth / kCommits, 1u) + 1) * kBlockBytes),  // and a header
      tasks_(runtime.ready),
      warm_ns_(runtime.clock.monotonic_ns() + options.warm_up_seconds * 1'000'000'000) {
  for (std::byte& byte : payload_.span()) byte = static_cast<std::byte>(random_.next());
}

void DiskAlone::note(const Status& status) {
  if (!status.ok() && !failed_) std::printf("FAILED: the disk\n");
  failed_ = failed_ || !status.ok();
}

uint64_t DiskAlone::next(uint64_t& at, uint64_t bytes, bool upper_half) const {
  const uint64_t half = device_.size_bytes() / 2 / kPieceBytes * kPieceBytes;
  if (at + bytes > half) at = 0;
  const uint64_t offset = at + (upper_half ? half : 0);
  at += bytes;
  return offset;
}

Task<void> DiskAlone::commit() {
  const uint64_t blocks = payload_.span().size() / kBlockBytes - 1;
  while (!failed_) {
    const uint64_t started_ns = runtime_.clock.monotonic_ns();
    if (!tally_.begun() && started_ns >= warm_ns_)
      tally_.begin(started_ns, options_.seconds, 1'000'000'000);
    if (tally_.begun() && started_ns >= tally_.end_ns()) break;
    const uint64_t offset = next(written_at_, payload_.span().size(), false);
    const Status written = co_await device_.write(offset, payload_.span(), true);
    note(written);
    tally_.wrote(started_ns, runtime_.clock.monotonic_ns(), blocks);
    owed_blocks_ += static_cast<double>(blocks) * options_.moved;
    if (owed_blocks_ < static_cast<double>(kPieceBytes / kBlockBytes)) continue;
    owed_blocks_ -= static_cast<double>(kPieceBytes / kBlockBytes);
    const uint64_t from = random_.below(device_.size_bytes() / kPieceBytes) * kPieceBytes;
    tasks_.start(move(from, next(moved_at_, kPieceBytes, true)));
  }
}

Task<void> DiskAlone::move(uint64_t from, uint64_t to) {
  AlignedBuffer buffer(kPieceBytes);
  const Status read = co_await device_.read(from, buffer.span());
  note(read);
  const Status written = co_await device_.write(to, buffer.span(), false);
  note(written);
}

Task<bool> DiskAlone::write() {
  for (uint32_t i = 0; i < kCommits; ++i) tasks_.start(commit());
  co_await tasks_.done();
  co_return !failed_;
}

}  // namespace varve
