// snapshot_run: a thousand snapshots of one volume: what they cost, and what they give back.
//
//   snapshot_run [--snapshots N] [--volume-mib M]
//
// A volume is filled; then N rounds (1000) overwrite a hundredth of its blocks each and take a
// snapshot. Every view must read as the model of the blocks at its time; every second snapshot is
// deleted in random order, and what is then live must be exactly the versions that the rest shows.
// Counts and bytes are judged; times are printed: creation of the last snapshots against the first,
// reads and writes of the head against a store without snapshots, in CPU time, interleaved.
// Exit 0: all of that held.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/store/store.h"
#include "tests/sim/memory_disk.h"

namespace varve {
namespace {

constexpr uint64_t kOpsPerSlice = 4000;
constexpr int kSlices = 24;

double now_us() {
  using namespace std::chrono;
  return duration<double, std::micro>(steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

// A store on a memory disk with one volume, and the round in which each block was written last.
class Bench {
 public:
  Bench(uint64_t device_bytes, uint64_t blocks)
      : disk_(loop_, device_bytes, 5), random_(3), head_(blocks, 0), data_(kBlockBytes) {}

  Task<bool> open() {
    FormatOptions format{.segment_bytes = 4 * kMiB, .progress = {}};
    format.disk[0] = std::byte{1};
    const Status formatted = co_await Store::format(loop_.runtime(), disk_, format);
    if (!formatted.ok()) co_return false;
    auto opened = co_await Store::open(loop_.runtime(), disk_, {});
    if (!opened.ok()) co_return false;
    store_ = std::move(*opened);
    const auto made = co_await store_->create_volume("v", head_.size() * kBlockBytes);
    if (!made.ok()) co_return false;
    volume_ = made->id;
    for (uint64_t block = 0; block < head_.size(); ++block) {
      const bool written = co_await write(block, 1);
      if (!written) co_return false;
    }
    co_return true;
  }

  Task<bool> write(uint64_t block, uint32_t round) {
    fill(block, round);
    const uint32_t crc = crc32c(data_.span());
    const Status status = co_await store_->write(volume_, {block, 1}, data_.data(), &crc);
    if (status.ok()) head_[block] = round;
    co_return status.ok();
  }
  Task<bool> write_some(uint64_t count, uint32_t round) {
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t block = random_.below(head_.size());
      const bool written = co_await write(block, round);
      if (!written) co_return false;
    }
    co_return true;
  }
  Task<bool> read_some(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t block = random_.below(head_.size());
      const Status status = co_await store_->read(volume_, {block, 1}, data_.data());
      if (!status.ok() || !holds(block, head_[block])) co_return false;
    }
    co_return true;
  }
  Task<bool> snapshot(uint32_t round) {
    std::vector<SnapshotRequest> requests;
    requests.push_back({volume_, text("s", round)});
    const auto made = co_await store_->create_snapshots(std::move(requests));
    if (!made.ok()) co_return false;
    views_.push_back({(*made)[0], head_});
    co_return true;
  }
  // Every view, block by block.
  Task<bool> verify() {
    for (const View& view : views_) {
      const VolumeView at(volume_, view.info.generation);
      for (uint64_t block = 0; block < head_.size(); ++block) {
        const Status status = co_await store_->read(at, {block, 1}, data_.data());
        if (!status.ok() || !holds(block, view.rounds[block])) co_return false;
      }
    }
    co_return true;
  }
  Task<bool> drop_every_second() {
    std::vector<View> kept;
    std::vector<View> dropped;
    for (size_t i = 0; i < views_.size(); ++i) (i % 2 == 0 ? dropped : kept).push_back(views_[i]);
    for (size_t i = dropped.size(); i-- > 1;) std::swap(dropped[i], dropped[random_.below(i + 1)]);
    for (const View& view : dropped) {
      const Status status = co_await store_->delete_snapshot(volume_, view.info.name);
      if (!status.ok()) co_return false;
    }
    views_ = std::move(kept);
    co_return true;
  }
  Task<bool> close() {
    const Status status = co_await store_->close();
    store_.reset();
    co_return status.ok();
  }
  // Versions of blocks that the head or a snapshot shows.
  uint64_t shown_versions() const {
    uint64_t versions = 0;
    for (uint64_t block = 0; block < head_.size(); ++block) {
      uint32_t last = 0;
      for (const View& view : views_) {
        versions += view.rounds[block] != last;
        last = view.rounds[block];
      }
      versions += head_[block] != last;
    }
    return versions;
  }

  bool run(Task<bool> task) {
    const auto done = loop_.run(std::move(task));
    return done && *done;
  }
  bool settle() { return loop_.drain(); }
  StoreStats stats() const { return store_->stats(); }

 private:
  struct View {
    SnapshotInfo info;
    std::vector<uint32_t> rounds;
  };

  void fill(uint64_t block, uint32_t round) {
    const uint64_t words[2] = {block, round};
    for (uint32_t at = 0; at < kBlockBytes; at += sizeof words)
      std::memcpy(data_.data() + at, words, sizeof words);
  }
  bool holds(uint64_t block, uint32_t round) const {
    uint64_t words[2];
    std::memcpy(words, data_.data() + kBlockBytes - sizeof words, sizeof words);
    return words[0] == block && words[1] == round;
  }

  SimLoop loop_{11};
  MemoryDisk disk_;
  Random random_;
  std::vector<uint32_t> head_;
  AlignedBuffer data_;
  std::unique_ptr<Store> store_;
  VolumeId volume_{};
  std::vector<View> views_;
};

bool failed(const char* what) {
  std::printf("FAILED: %s\n", what);
  return false;
}

// Slices of reads and of writes, in turn with the store that has no snapshots.
bool compare_head(Bench& with, Bench& without, uint32_t round) {
  std::vector<double> reads;
  std::vector<double> writes;
  const auto timed = [](Bench& bench, Task<bool> task, double& us) {
    const double start = now_us();
    const bool good = bench.run(std::move(task));
    us = now_us() - start;
    return good;
  };
  for (int slice = 0; slice < kSlices; ++slice) {
    double with_us = 0;
    double without_us = 0;
    if (!timed(with, with.read_some(kOpsPerSlice), with_us)) return failed("reading the head");
    if (!timed(without, without.read_some(kOpsPerSlice), without_us)) return failed("reading");
    reads.push_back(with_us / without_us);
    if (!timed(with, with.write_some(kOpsPerSlice, round), with_us)) return failed("writing");
    if (!timed(without, without.write_some(kOpsPerSlice, round), without_us))
      return failed("writing");
    writes.push_back(with_us / without_us);
  }
  std::printf("head with all snapshots over none, median of %d slices: read %.3f, write %.3f\n",
              kSlices, median(reads), median(writes));
  return true;
}

bool run(uint32_t snapshots, uint64_t volume_bytes) {
  const uint64_t blocks = volume_bytes / kBlockBytes;
  const uint64_t changed = std::max<uint64_t>(blocks / 100, 1);
  const uint64_t versions = blocks + changed * snapshots + 2 * kSlices * kOpsPerSlice;
  const uint64_t device_bytes = round_up(versions * kBlockBytes * 3 / 2, 4 * kMiB) + 64 * kMiB;
  Bench with(device_bytes, blocks);
  Bench without(device_bytes, blocks);
  if (!with.run(with.open()) || !without.run(without.open())) return failed("making the stores");
  std::vector<double> times;
  for (uint32_t round = 2; round < snapshots + 2; ++round) {
    if (!with.run(with.write_some(changed, round))) return failed("writing");
    if (!without.run(without.write_some(changed, round))) return failed("writing");
    const double start = now_us();
    if (!with.run(with.snapshot(round))) return failed("a snapshot");
    times.push_back(now_us() - start);
  }
  const size_t tenth = std::max<size_t>(times.size() / 10, 1);
  const double first = median({times.begin(), times.begin() + static_cast<ptrdiff_t>(tenth)});
  const double last = median({times.end() - static_cast<ptrdiff_t>(tenth), times.end()});
  std::printf("%u snapshots: the first tenth %.1f us each, the last %.1f us: %.2f\n", snapshots,
              first, last, last / first);
  if (!compare_head(with, without, snapshots + 2)) return false;
  if (!with.run(with.verify())) return failed("a snapshot is not what the volume was");
  const uint64_t all = with.stats().live_blocks;
  if (all != with.shown_versions()) return failed("live blocks before the deletion");
  const double start = now_us();
  if (!with.run(with.drop_every_second()) || !with.settle()) return failed("deleting");
  std::printf("deleting every second: %.1f us each; live blocks %lu, then %lu, as many as shown\n",
              (now_us() - start) / (snapshots / 2.0), all, with.stats().live_blocks);
  if (with.stats().live_blocks != with.shown_versions()) return failed("space did not come back");
  if (!with.run(with.verify())) return failed("a snapshot changed when others were deleted");
  std::printf("map: %.1f bytes a version\n", static_cast<double>(with.stats().map_bytes) /
                                                 static_cast<double>(with.stats().live_blocks));
  return with.run(with.close()) && without.run(without.close());
}

}  // namespace
}  // namespace varve

int main(int argc, char** argv) {
  uint32_t snapshots = 1000;
  uint64_t volume_mib = 8;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--snapshots")
      snapshots = static_cast<uint32_t>(std::atoi(argv[i + 1]));
    if (std::string(argv[i]) == "--volume-mib")
      volume_mib = static_cast<uint64_t>(std::atoi(argv[i + 1]));
  }
  const bool good = varve::run(snapshots, volume_mib * varve::kMiB);
  std::printf("%s\n", good ? "ok" : "FAILED");
  return good ? 0 : 1;
}
