// memory_soak: memory under a load that does everything, and budgets of memory under loads that
// want more, in virtual time.
//
//   memory_soak [--minutes N]
//
// Soak: for N minutes (3) a disk group with an HDD is written, overwritten, trimmed, read, given
// snapshots and clones and rid of them, while it cleans, and blocks sink and are cached. Once a
// minute the load pauses and the heap is looked at. Beyond what the map, the read cache and the
// log's buffers count of their own it must not grow by more than 2 % from the second look to the
// last.
//
// Budgets: disk groups with little memory_max meet loads of the kinds that cost most. No look may
// find more in use than that; writes find no space then, and go on when a volume is deleted.
//
// Exit 0: all of that held.
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/store/store.h"
#include "tests/sim/memory_disk.h"

namespace varve {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kSsdBytes = 96 * kMiB;
constexpr uint64_t kHddBytes = 320 * kMiB;
constexpr uint32_t kSegmentBytes = 512 * 1024;
constexpr uint64_t kVolumeBlocks = 128 * kMiB / kBlockBytes;
constexpr uint64_t kBlocksMax = 64;  // of one operation
constexpr uint32_t kClients = 8;
constexpr uint64_t kPauseNs = 8'000'000;  // of a client, between two operations
constexpr uint64_t kSnapshotsMax = 4;
constexpr uint32_t kLooks = 20;
constexpr uint64_t kGrowthPercent = 2;

uint64_t heap_in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// A disk group of an SSD and perhaps an HDD, and what it is asked for.
class SoakBench {
 public:
  SoakBench(bool with_hdd, uint64_t memory_max)
      : ssd_(loop_, kSsdBytes, 5, kSsdModel), payload_(kBlocksMax * kBlockBytes) {
    if (with_hdd) hdd_ = std::make_unique<MemoryDisk>(loop_, kHddBytes, 6, kHddModel);
    for (std::byte& byte : payload_.span()) byte = static_cast<std::byte>(random_.next());
    crcs_.resize(kBlocksMax);
    crc32c_blocks(payload_.data(), kBlocksMax, crcs_.data());
    options_.memory_max_bytes = memory_max;
    heap_before_ = heap_in_use();
    must(open(), "the store does not open");
  }
  ~SoakBench() { must(close(), "the store does not close"); }

  static void fail(const char* what) {
    std::printf("FAILED: %s\n", what);
    std::fflush(stdout);
    ::_exit(1);  // requests may be in flight
  }
  void must(Task<bool> task, const char* what) {
    const std::optional<bool> done = loop_.run(std::move(task), UINT64_MAX);
    if (!done || !*done) fail(what);
  }
  uint64_t heap() const { return heap_in_use() - std::min(heap_before_, heap_in_use()); }

 protected:
  Task<bool> open() {
    FormatOptions format{.segment_bytes = kSegmentBytes, .progress = {}};
    format.disk[0] = std::byte{1};
    const Status formatted = co_await Store::format(loop_.runtime(), ssd_, format);
    if (!formatted.ok()) co_return false;
    auto opened = co_await Store::open(loop_.runtime(), ssd_, options_);
    if (!opened.ok()) co_return false;
    store_ = std::move(*opened);
    if (!hdd_) co_return true;
    ColdFormatOptions options;
    options.device[0] = std::byte{2};
    const Status added = co_await store_->add_cold_device(*hdd_, options);
    co_return added.ok();
  }
  Task<bool> close() {
    const Status closed = co_await store_->close();
    co_return closed.ok();
  }
  Task<Status> write(VolumeId volume, BlockRange range) {
    return store_->write(volume, range, payload_.data(), crcs_.data());
  }
  Task<void> sleep(uint64_t ns) {
    WaitList never(loop_.ready());
    co_await never.wait_until(loop_.runtime().timers, loop_.monotonic_ns() + ns);
  }

  SimLoop loop_{11};
  Random random_{17};
  MemoryDisk ssd_;
  std::unique_ptr<MemoryDisk> hdd_;
  AlignedBuffer payload_;
  std::vector<uint32_t> crcs_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
  uint64_t heap_before_ = 0;
};

class Soak : public SoakBench {
 public:
  Soak() : SoakBench(true, 0) { must(make_volume(), "no volume"); }

  bool run(uint64_t minutes);

 private:
  struct Look {
    uint64_t heap = 0;
    uint64_t counted = 0;  // of it, by map, read cache and log buffers
    StoreStats stats;
  };
  Task<bool> make_volume();
  Task<bool> minute();
  Task<void> client(uint64_t until_ns);
  Task<void> snapshots(uint64_t until_ns);
  Task<bool> clone_and_forget();
  Task<bool> look(Look* into);
  BlockRange draw();
  void print(uint64_t minute, const Look& look) const;

  VolumeId volume_{};
  uint64_t names_ = 0;
  uint64_t full_ = 0;
  bool failed_ = false;
};

Task<bool> Soak::make_volume() {
  const auto made = co_await store_->create_volume("v", kVolumeBlocks * kBlockBytes);
  if (!made.ok()) co_return false;
  volume_ = made->id;
  for (uint64_t first = 0; first < kVolumeBlocks; first += kBlocksMax) {
    const Status written = co_await write(volume_, {first, kBlocksMax});
    if (!written.ok()) co_return false;
  }
  co_return true;
}

// Four of five to a fifth of the volume.
BlockRange Soak::draw() {
  const uint64_t among = random_.below(5) == 0 ? kVolumeBlocks : kVolumeBlocks / 5;
  const uint64_t count = random_.below(3) == 0 ? 1 + random_.below(kBlocksMax) : 1;
  const uint64_t first = random_.below(among);
  return {first, std::min(count, kVolumeBlocks - first)};
}

Task<void> Soak::client(uint64_t until_ns) {
  AlignedBuffer buffer(kBlocksMax * kBlockBytes);
  while (loop_.monotonic_ns() < until_ns && !failed_) {
    const BlockRange range = draw();
    const uint64_t kind = random_.below(20);
    Status status;
    if (kind < 9)
      status = co_await write(volume_, range);
    else if (kind < 18)
      status = co_await store_->read(volume_, range, buffer.data());
    else
      status = co_await store_->trim(volume_, range);
    if (status.code() == ErrorCode::kNoSpace)
      ++full_;
    else
      failed_ = failed_ || !status.ok();
    co_await sleep(kPauseNs);
  }
}

Task<bool> Soak::clone_and_forget() {
  const std::vector<SnapshotInfo> all = store_->snapshots(volume_);
  if (all.empty()) co_return true;
  const auto clone = co_await store_->clone_volume(volume_, all.back().name, "clone", 0);
  if (!clone.ok()) co_return clone.code() == ErrorCode::kNoSpace;
  for (uint32_t i = 0; i < 50; ++i) {
    const Status written = co_await write(clone->id, {random_.below(kVolumeBlocks), 1});
    if (!written.ok() && written.code() != ErrorCode::kNoSpace) co_return false;
  }
  const Status deleted = co_await store_->delete_volume(clone->id);
  co_return deleted.ok();
}

// Every few seconds one more, and one less when there are enough.
Task<void> Soak::snapshots(uint64_t until_ns) {
  while (loop_.monotonic_ns() < until_ns && !failed_) {
    co_await sleep(3 * kSecondNs);
    std::vector<SnapshotRequest> one;
    one.push_back({volume_, text("s", ++names_)});
    const auto made = co_await store_->create_snapshots(std::move(one));
    if (!made.ok() && made.code() != ErrorCode::kNoSpace) failed_ = true;
    const bool cloned = co_await clone_and_forget();
    if (!cloned) failed_ = true;
    const std::vector<SnapshotInfo> all = store_->snapshots(volume_);
    if (all.size() <= kSnapshotsMax) continue;
    const Status deleted =
        co_await store_->delete_snapshot(volume_, all[random_.below(all.size())].name);
    if (!deleted.ok()) failed_ = true;
  }
}

Task<bool> Soak::minute() {
  const uint64_t until_ns = loop_.monotonic_ns() + 60 * kSecondNs;
  TaskGroup tasks(loop_.ready());
  for (uint32_t i = 0; i < kClients; ++i) tasks.start(client(until_ns));
  tasks.start(snapshots(until_ns));
  co_await tasks.done();
  co_return !failed_;
}

// The least of several: what is on its way has buffers.
Task<bool> Soak::look(Look* into) {
  for (uint32_t i = 0; i < kLooks; ++i) {
    co_await sleep(kSecondNs / 2);
    const StoreStats stats = store_->stats();
    const uint64_t counted = stats.memory_bytes() - stats.slot_table_bytes + stats.log_buffer_bytes;
    const uint64_t others = heap() - std::min(heap(), counted);
    if (i == 0 || others < into->heap - into->counted)
      *into = {.heap = others + counted, .counted = counted, .stats = stats};
  }
  co_return true;
}

void Soak::print(uint64_t minute, const Look& look) const {
  const StoreStats& stats = look.stats;
  std::printf("%6lu %10.1f %10.1f %10.1f %10.1f %9lu %9lu %9lu %9lu %9lu\n", minute,
              static_cast<double>(look.heap) / kKiB,
              static_cast<double>(look.heap - look.counted) / kKiB,
              static_cast<double>(stats.map_bytes) / kKiB,
              static_cast<double>(stats.read_cache.memory_bytes) / kKiB, stats.live_blocks,
              stats.user_blocks_written, stats.relocated_blocks_written,
              stats.demoted_blocks_written, stats.read_cache.hit_blocks);
  std::fflush(stdout);
}

bool Soak::run(uint64_t minutes) {
  std::printf("%6s %10s %10s %10s %10s %9s %9s %9s %9s %9s\n", "minute", "heap KiB", "others",
              "map", "cache", "live", "written", "moved", "sunk", "hits");
  Look second;
  Look last;
  for (uint64_t i = 1; i <= minutes; ++i) {
    must(minute(), "an operation failed");
    must(look(&last), "");
    print(i, last);
    if (i == 2) second = last;
  }
  const uint64_t from = second.heap - second.counted;
  const uint64_t to = last.heap - last.counted;
  const bool flat = to <= from + second.heap * kGrowthPercent / 100;
  const StoreStats& stats = last.stats;
  const bool did_all = stats.relocated_blocks_written > 0 && stats.demoted_blocks_written > 0 &&
                       stats.read_cache.hit_blocks > 0;
  std::printf(
      "soak: beyond what is counted the heap went from %lu to %lu bytes; %lu operations "
      "found no space  %s\n",
      from, to, full_,
      !flat      ? "FAILED: it grew"
      : !did_all ? "FAILED: not everything was done"
                 : "");
  return flat && did_all;
}

// Writes of one kind until there is no space, and what came of it.
class Budget : public SoakBench {
 public:
  enum class Kind : uint8_t { kFarApart, kWidened, kSnapshots, kCached };
  Budget(Kind kind, bool with_hdd, uint64_t memory_max)
      : SoakBench(with_hdd, memory_max), kind_(kind), memory_max_(memory_max) {}

  bool run(const char* what);

 private:
  Task<bool> fill();
  Task<bool> go_on();
  // Counts it, and looks. True: no space any more.
  Task<bool> put(VolumeId volume, BlockRange range);
  Task<bool> read_all(VolumeId volume, uint64_t blocks);
  void look();

  const Kind kind_;
  const uint64_t memory_max_;
  VolumeId volume_{};
  uint64_t written_ = 0;
  uint64_t highest_ = 0;
  uint64_t cached_ = 0;  // memory of the read cache, at most
};

void Budget::look() {
  const StoreStats stats = store_->stats();
  highest_ = std::max(highest_, stats.memory_bytes());
  cached_ = std::max(cached_, stats.read_cache.memory_bytes);
}

Task<bool> Budget::put(VolumeId volume, BlockRange range) {
  const Status status = co_await write(volume, range);
  look();
  if (!status.ok() && status.code() != ErrorCode::kNoSpace) fail("a write failed");
  if (status.ok()) written_ += range.count;
  co_return !status.ok();
}

Task<bool> Budget::read_all(VolumeId volume, uint64_t blocks) {
  AlignedBuffer buffer(kBlockBytes);
  for (uint32_t round = 0; round < 2; ++round) {
    for (uint64_t i = 0; i < blocks; ++i) {
      const uint64_t block = i * 7919 % blocks;
      const Status read = co_await store_->read(volume, {block, 1}, buffer.data());
      if (!read.ok()) co_return false;
      look();
    }
  }
  co_return true;
}

Task<bool> Budget::fill() {
  const auto made = co_await store_->create_volume("v", uint64_t{1} << 44);
  if (!made.ok()) co_return false;
  volume_ = made->id;
  bool full = false;
  switch (kind_) {
    case Kind::kFarApart:
      for (uint64_t i = 0; !full; ++i)
        full = co_await put(volume_, {i * kExtentBlocks + i % 99, 1});
      break;
    case Kind::kWidened:
      // In order, as far as that goes, and then one block of each leaf after the other.
      for (uint64_t i = 0; i < 8192 && !full; i += kBlocksMax)
        full = co_await put(volume_, {i, kBlocksMax});
      for (uint64_t i = 0; i < 60000 && !full; ++i)
        full = co_await put(volume_, {i * 7919 % 8192, 1});
      break;
    case Kind::kSnapshots:
      for (uint64_t round = 0; !full; ++round) {
        std::vector<SnapshotRequest> one;
        one.push_back({volume_, text("s", round)});
        const auto snapped = co_await store_->create_snapshots(std::move(one));
        // Once no more are allowed, blocks that these do not have, from the leaves' ends on.
        const uint64_t at = snapped.ok() ? round % 7 : kLeafBlocks - 1 - round % kLeafBlocks;
        for (uint64_t i = 0; i < 64 && !full; ++i)
          full = co_await put(volume_, {i * kLeafBlocks + at, 1});
      }
      break;
    case Kind::kCached:
      for (uint64_t i = 0; i < kVolumeBlocks && !full; i += kBlocksMax)
        full = co_await put(volume_, {i, kBlocksMax});
      co_await sleep(10 * kSecondNs);
      co_return co_await read_all(volume_, kVolumeBlocks);
  }
  co_return true;
}

// What deleting frees is there for others.
Task<bool> Budget::go_on() {
  for (const SnapshotInfo& snapshot : store_->snapshots(volume_)) {
    const Status deleted = co_await store_->delete_snapshot(volume_, snapshot.name);
    if (!deleted.ok()) co_return false;
  }
  const Status deleted = co_await store_->delete_volume(volume_);
  if (!deleted.ok()) co_return false;
  co_await sleep(10 * kSecondNs);
  const auto other = co_await store_->create_volume("other", 64 * kMiB);
  if (!other.ok()) co_return false;
  for (uint64_t i = 0; i < 2048; i += kBlocksMax) {
    const bool full = co_await put(other->id, {i, kBlocksMax});
    if (full) co_return false;
  }
  co_return true;
}

bool Budget::run(const char* what) {
  must(fill(), "a budget's store does not fill");
  const uint64_t written = written_;
  must(go_on(), "what was deleted is not there for others");
  // Held, and used.
  const bool good = highest_ <= memory_max_ && highest_ >= memory_max_ / 4 * 3 &&
                    (kind_ != Kind::kCached || cached_ > 0);
  std::printf("%-34s %8lu blocks written, at most %8lu of %8lu bytes, %7lu of the read cache  %s\n",
              what, written, highest_, memory_max_, cached_, good ? "" : "FAILED");
  return good;
}

bool budgets() {
  using Kind = Budget::Kind;
  bool good = Budget(Kind::kFarApart, false, 1 * kMiB).run("blocks that are far apart");
  good = Budget(Kind::kWidened, false, 80 * kKiB).run("overwrites of what was in order") && good;
  good = Budget(Kind::kSnapshots, false, 96 * kKiB).run("snapshots") && good;
  good = Budget(Kind::kCached, true, 320 * kKiB).run("a read cache that wants more") && good;
  return good;
}

}  // namespace
}  // namespace varve

int main(int argc, char** argv) {
  uint64_t minutes = 3;
  if (argc == 3 && std::string_view(argv[1]) == "--minutes")
    minutes = std::strtoull(argv[2], nullptr, 10);
  else if (argc != 1)
    minutes = 0;
  if (minutes < 3) return std::fprintf(stderr, "usage: memory_soak [--minutes 3 or more]\n"), 2;
  const bool held = varve::budgets();
  return varve::Soak().run(minutes) && held ? 0 : 1;
}
