// read_cache_run: what reads of data on an HDD cost once the read cache is warm, in virtual time.
//
//   read_cache_run
//
// A volume lies on an HDD (8 ms for a seek, 180 MB/s) as a whole, behind an SSD (80 us) of a
// quarter of its size. Single blocks are read, by zipf 0.99, from a working set of a tenth of it,
// scattered over it: cold, then warm at depth 32 and 1, then warm again after the whole volume was
// read from its beginning to its end. The same is read from a store with all of it on such an SSD.
// Exit 0: warm, there were 90 % as many reads in a second as from the SSD alone, cold less than a
// tenth.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/base/units.h"
#include "core/store/store.h"
#include "tests/sim/block_chooser.h"
#include "tests/sim/memory_disk.h"

namespace varve {
namespace {

constexpr uint64_t kVolumeBlocks = 128 * kMiB / kBlockBytes;
constexpr uint64_t kWorkingBlocks = kVolumeBlocks / 10;
constexpr uint64_t kSsdBytes = 32 * kMiB;
constexpr uint64_t kHddBytes = 192 * kMiB;
constexpr uint64_t kFillerBlocks = 28 * kMiB / kBlockBytes;  // more than stays on that SSD
constexpr uint32_t kFillersMax = 8;
constexpr uint32_t kSegmentBytes = 1024 * 1024;
constexpr uint64_t kPieceBlocks = 32;
constexpr uint32_t kDepth = 32;
constexpr uint64_t kColdReads = 1000;
constexpr uint64_t kWarmUpReads = 200'000;
constexpr uint64_t kReads = 100'000;
constexpr uint64_t kReadsAtDepthOne = 20'000;
constexpr double kWarmMin = 0.9;
constexpr double kColdMax = 0.1;
constexpr double kMemoryMax = 24;  // bytes a block

// One store, and who reads from it.
class ReadRun {
 public:
  explicit ReadRun(bool hybrid)
      : ssd_(loop_, hybrid ? kSsdBytes : kHddBytes, 5, kSsdModel),
        payload_(kPieceBlocks * kBlockBytes) {
    if (hybrid) hdd_ = std::make_unique<MemoryDisk>(loop_, kHddBytes, 6, kHddModel);
    for (std::byte& byte : payload_.span()) byte = static_cast<std::byte>(random_.next());
    crcs_.resize(kPieceBlocks);
    crc32c_blocks(payload_.data(), kPieceBlocks, crcs_.data());
    scattered_.resize(kVolumeBlocks);
    std::iota(scattered_.begin(), scattered_.end(), 0u);
    for (uint64_t i = kVolumeBlocks - 1; i > 0; --i)
      std::swap(scattered_[i], scattered_[random_.below(i + 1)]);
    chooser_ = std::make_unique<BlockChooser>(kWorkingBlocks, Law::kZipf, random_);
  }

  void fill() { must(loop_.run(fill_store(), UINT64_MAX), "the volume is not where it should be"); }
  // Reads in a second.
  double read(uint64_t count, uint32_t depth) {
    left_ = count;
    const uint64_t started_ns = loop_.monotonic_ns();
    must(loop_.run(read_all(depth), UINT64_MAX), "a read failed");
    const uint64_t took_ns = loop_.monotonic_ns() - started_ns;
    return static_cast<double>(count) * 1e9 / static_cast<double>(took_ns);
  }
  // Bytes in a second.
  double read_through() {
    const uint64_t started_ns = loop_.monotonic_ns();
    must(loop_.run(read_in_order(), UINT64_MAX), "a sequential read failed");
    const uint64_t took_ns = loop_.monotonic_ns() - started_ns;
    return static_cast<double>(kVolumeBlocks * kBlockBytes) * 1e9 / static_cast<double>(took_ns);
  }
  ReadCacheStats stats() const { return store_->stats().read_cache; }
  void close() { must(loop_.run(close_store(), UINT64_MAX), "the store does not close"); }

 private:
  static void must(const std::optional<bool>& done, const char* what) {
    if (done && *done) return;
    std::printf("FAILED: %s\n", what);
    std::fflush(stdout);
    ::_exit(1);  // requests may be in flight
  }

  Task<bool> fill_store();
  Task<bool> fill_volume(VolumeId volume, uint64_t blocks);
  Task<bool> sink_all();
  Task<bool> read_all(uint32_t depth);
  Task<void> client();
  Task<bool> read_in_order();
  Task<bool> close_store();

  SimLoop loop_{11};
  Random random_{17};
  MemoryDisk ssd_;
  std::unique_ptr<MemoryDisk> hdd_;
  AlignedBuffer payload_;
  std::vector<uint32_t> crcs_;
  std::vector<uint32_t> scattered_;
  std::unique_ptr<BlockChooser> chooser_;
  std::unique_ptr<Store> store_;
  VolumeId volume_{};
  uint64_t left_ = 0;
  bool failed_ = false;
};

Task<bool> ReadRun::fill_store() {
  FormatOptions format{.segment_bytes = kSegmentBytes, .progress = {}};
  format.disk[0] = std::byte{1};
  const Status formatted = co_await Store::format(loop_.runtime(), ssd_, format);
  if (!formatted.ok()) co_return false;
  auto opened = co_await Store::open(loop_.runtime(), ssd_, {});
  if (!opened.ok()) co_return false;
  store_ = std::move(*opened);
  if (hdd_) {
    ColdFormatOptions options;
    options.device[0] = std::byte{2};
    const Status added = co_await store_->add_cold_device(*hdd_, options);
    if (!added.ok()) co_return false;
  }
  const auto made = co_await store_->create_volume("v", kVolumeBlocks * kBlockBytes);
  if (!made.ok()) co_return false;
  volume_ = made->id;
  const bool filled = co_await fill_volume(volume_, kVolumeBlocks);
  if (!filled) co_return false;
  if (!hdd_) co_return true;
  co_return co_await sink_all();
}

Task<bool> ReadRun::fill_volume(VolumeId volume, uint64_t blocks) {
  for (uint64_t first = 0; first < blocks; first += kPieceBlocks) {
    const uint64_t count = std::min(kPieceBlocks, blocks - first);
    const Status written =
        co_await store_->write(volume, {first, count}, payload_.data(), crcs_.data());
    if (!written.ok()) co_return false;
  }
  co_return true;
}

// What is written later pushes all of it down, and is given up then.
Task<bool> ReadRun::sink_all() {
  for (uint32_t round = 0; round < kFillersMax; ++round) {
    if (store_->devices()[0].live_blocks == 0) co_return true;
    const auto filler = co_await store_->create_volume("filler", kFillerBlocks * kBlockBytes);
    if (!filler.ok()) co_return false;
    const bool filled = co_await fill_volume(filler->id, kFillerBlocks);
    if (!filled) co_return false;
    const Status deleted = co_await store_->delete_volume(filler->id);
    if (!deleted.ok()) co_return false;
    while (store_->stats().live_blocks > kVolumeBlocks) co_await store_->space_freed();
  }
  co_return store_->devices()[0].live_blocks == 0;
}

Task<void> ReadRun::client() {
  AlignedBuffer block(kBlockBytes);
  while (left_ > 0 && !failed_) {
    --left_;
    const uint64_t at = scattered_[chooser_->next()];
    const Status read = co_await store_->read(volume_, {at, 1}, block.data());
    failed_ = failed_ || !read.ok();
  }
}

Task<bool> ReadRun::read_all(uint32_t depth) {
  TaskGroup clients(loop_.ready());
  for (uint32_t i = 0; i < depth; ++i) clients.start(client());
  co_await clients.done();
  co_return !failed_;
}

Task<bool> ReadRun::read_in_order() {
  AlignedBuffer piece(kPieceBlocks * kBlockBytes);
  for (uint64_t first = 0; first < kVolumeBlocks; first += kPieceBlocks) {
    const Status read = co_await store_->read(volume_, {first, kPieceBlocks}, piece.data());
    if (!read.ok()) co_return false;
  }
  co_return true;
}

Task<bool> ReadRun::close_store() {
  const Status closed = co_await store_->close();
  co_return closed.ok();
}

bool judge(const char* what, double hybrid, double ssd, bool warm) {
  const double ratio = hybrid / ssd;
  const bool good = warm ? ratio >= kWarmMin : ratio <= kColdMax;
  std::printf("%-34s %10.0f %10.0f %8.4f  %s\n", what, hybrid, ssd, ratio,
              good ? "" : "FAILED: over the limit");
  return good;
}

bool read_cache_run() {
  ReadRun ssd(false);
  ssd.fill();
  const double at_depth = ssd.read(kReads, kDepth);
  const double at_one = ssd.read(kReadsAtDepthOne, 1);
  ReadRun hybrid(true);
  hybrid.fill();
  std::printf("%-34s %10s %10s %8s\n", "reads in a second", "with HDD", "SSD only", "ratio");
  bool good = judge("cold, depth 32", hybrid.read(kColdReads, kDepth), at_depth, false);
  hybrid.read(kWarmUpReads, kDepth);
  good = judge("warm, depth 32", hybrid.read(kReads, kDepth), at_depth, true) && good;
  good = judge("warm, depth 1", hybrid.read(kReadsAtDepthOne, 1), at_one, true) && good;
  const ReadCacheStats before = hybrid.stats();
  const double through = hybrid.read_through();
  const ReadCacheStats after = hybrid.stats();
  good = judge("after a sequential read, depth 32", hybrid.read(kReads, kDepth), at_depth, true) &&
         good;
  const double block_bytes =
      static_cast<double>(after.memory_bytes) / static_cast<double>(after.room_blocks);
  std::printf(
      "the sequential read: %.0f MB/s, %lu of %lu blocks bypassed the cache, %lu went into it\n"
      "the cache: %lu blocks in room for %lu, %lu hits, %lu misses, %.1f bytes of memory each\n",
      through / 1e6, after.bypassed_blocks - before.bypassed_blocks, kVolumeBlocks,
      after.filled_blocks - before.filled_blocks, after.held_blocks, after.room_blocks,
      after.hit_blocks, after.missed_blocks, block_bytes);
  good = good && after.bad_blocks == 0 && block_bytes <= kMemoryMax &&
         after.bypassed_blocks - before.bypassed_blocks >= kVolumeBlocks / 2 &&
         after.filled_blocks - before.filled_blocks <= kVolumeBlocks / 20;
  ssd.close();
  hybrid.close();
  return good;
}

}  // namespace
}  // namespace varve

int main() {
  return varve::read_cache_run() ? 0 : 1;
}
