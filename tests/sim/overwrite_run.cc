// overwrite_run: what cleaning costs on a store that is 70 % full and never left alone.
//
//   overwrite_run [--long | --times N] [--device-mib M]
//
// Random 4 KiB overwrites, 32 in flight, of N times the store's size (3; --long: 10), once uniform
// and once zipf 0.99. The store must never be full, its memory must stay flat, every block must
// read back, and over the last third of the run user and relocated blocks over user blocks must
// stay below the limit. Exit 0: all of that held.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/base/units.h"
#include "core/store/store.h"
#include "tests/sim/memory_disk.h"

namespace varve {

namespace {

constexpr uint32_t kDepth = 32;
constexpr uint32_t kPayloads = 64;  // distinct contents; which one a block holds is remembered
constexpr uint64_t kFillBlocks = 64;
constexpr uint64_t kGrowthMax = 8 * kMiB;  // of memory, between a third of the run and its end
constexpr double kTolerance = 1.15;

struct Pattern {
  const char* name;
  double exponent;  // of the zipf law; 0: uniform
  double limit;     // of the write amplification, before tolerance
};
constexpr Pattern kPatterns[] = {{"uniform", 0, 1.9}, {"zipf 0.99", 0.99, 1.77}};

uint64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long total = 0, resident = 0;
  if (file == nullptr || std::fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Block numbers by popularity. The zipf sampler is that of Gray et al., "Quickly generating
// billion-record synthetic databases" (1994); ranks are scattered over the volume.
class BlockChooser {
 public:
  BlockChooser(uint64_t blocks, double exponent, Random& random)
      : random_(random), exponent_(exponent), place_(blocks) {
    std::iota(place_.begin(), place_.end(), 0u);
    for (uint64_t i = blocks - 1; i > 0; --i) std::swap(place_[i], place_[random.below(i + 1)]);
    if (exponent_ == 0) return;
    for (uint64_t i = 1; i <= blocks; ++i)
      zeta_ += std::pow(1.0 / static_cast<double>(i), exponent_);
    const double zeta_two = 1 + std::pow(0.5, exponent_);
    eta_ =
        (1 - std::pow(2.0 / static_cast<double>(blocks), 1 - exponent_)) / (1 - zeta_two / zeta_);
  }
  uint64_t next() {
    if (exponent_ == 0) return random_.below(place_.size());
    const double u = static_cast<double>(random_.next() >> 11) * 0x1p-53;
    const double uz = u * zeta_;
    if (uz < 1) return place_[0];
    if (uz < 1 + std::pow(0.5, exponent_)) return place_[1];
    const double share = std::pow(eta_ * u - eta_ + 1, 1 / (1 - exponent_));
    const auto rank = static_cast<uint64_t>(static_cast<double>(place_.size()) * share);
    return place_[std::min<uint64_t>(rank, place_.size() - 1)];
  }

 private:
  Random& random_;
  double exponent_;
  double zeta_ = 0;
  double eta_ = 0;
  std::vector<uint32_t> place_;
};

// One run of one pattern.
class OverwriteRun {
 public:
  OverwriteRun(const Pattern& pattern, uint64_t device_bytes, uint32_t times)
      : pattern_(pattern),
        device_bytes_(device_bytes),
        overwrites_(device_bytes / kBlockBytes * times),
        random_(17),
        disk_(loop_, device_bytes, 5),
        payload_(kPayloads * kBlockBytes) {
    for (uint32_t i = 0; i < kPayloads; ++i) {
      std::byte* block = payload_.data() + i * kBlockBytes;
      for (uint32_t at = 0; at < kBlockBytes; ++at)
        block[at] = static_cast<std::byte>(random_.next());
    }
    crcs_.resize(kPayloads);
    crc32c_blocks(payload_.data(), kPayloads, crcs_.data());
  }
  bool run();

 private:
  struct Sample {
    StoreStats stats;
    uint64_t resident = 0;
  };

  Task<bool> open();
  Task<bool> fill();
  Task<bool> overwrite();
  Task<void> client();
  Task<bool> verify();
  Task<bool> close();
  Sample sample() const { return {store_->stats(), resident_bytes()}; }
  bool judge() const;
  bool step(Task<bool> task, const char* what);

  const Pattern& pattern_;
  const uint64_t device_bytes_;
  const uint64_t overwrites_;
  SimLoop loop_{11};
  Random random_;
  MemoryDisk disk_;
  AlignedBuffer payload_;
  std::vector<uint32_t> crcs_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<BlockChooser> chooser_;
  VolumeId volume_{};
  std::vector<uint8_t> holds_;  // the payload that each block was given last
  std::vector<uint8_t> busy_;   // overwrites of the block in flight
  uint64_t started_ = 0;
  bool failed_ = false;
  Sample at_third_;
  Sample at_two_thirds_;
  Sample at_end_;
};

Task<bool> OverwriteRun::open() {
  FormatOptions format{.segment_bytes = kMiB, .progress = {}};
  format.disk[0] = std::byte{1};
  const Status formatted = co_await Store::format(loop_.runtime(), disk_, format);
  if (!formatted.ok()) co_return false;
  auto opened = co_await Store::open(loop_.runtime(), disk_, {});
  if (!opened.ok()) co_return false;
  store_ = std::move(*opened);
  const uint64_t blocks = store_->stats().capacity_blocks * 7 / 10;
  const auto made = co_await store_->create_volume("v", blocks * kBlockBytes);
  if (!made.ok()) co_return false;
  volume_ = made->id;
  holds_.resize(blocks);
  busy_.resize(blocks);
  chooser_ = std::make_unique<BlockChooser>(blocks, pattern_.exponent, random_);
  co_return true;
}

Task<bool> OverwriteRun::fill() {
  for (uint64_t first = 0; first < holds_.size(); first += kFillBlocks) {
    const uint64_t count = std::min(kFillBlocks, holds_.size() - first);
    const Status written =
        co_await store_->write(volume_, {first, count}, payload_.data(), crcs_.data());
    if (!written.ok()) co_return false;
    for (uint64_t i = 0; i < count; ++i) holds_[first + i] = static_cast<uint8_t>(i);
  }
  co_return true;
}

Task<void> OverwriteRun::client() {
  while (started_ < overwrites_ && !failed_) {
    if (started_ == overwrites_ / 3) at_third_ = sample();
    if (started_ == overwrites_ * 2 / 3) at_two_thirds_ = sample();
    ++started_;
    const uint64_t block = chooser_->next();
    // Writes of one block that overlap in time carry the same payload: either order will do.
    const auto drawn = static_cast<uint8_t>(random_.below(kPayloads));
    const uint8_t payload = busy_[block] > 0 ? holds_[block] : drawn;
    holds_[block] = payload;
    ++busy_[block];
    const Status written = co_await store_->write(
        volume_, {block, 1}, payload_.data() + payload * kBlockBytes, &crcs_[payload]);
    --busy_[block];
    if (written.ok()) continue;
    failed_ = true;
    std::printf("  an overwrite failed: %s\n", std::string(written.message()).c_str());
  }
}

Task<bool> OverwriteRun::overwrite() {
  TaskGroup clients(loop_.ready());
  for (uint32_t i = 0; i < kDepth; ++i) clients.start(client());
  co_await clients.done();
  at_end_ = sample();
  co_return !failed_;
}

Task<bool> OverwriteRun::verify() {
  AlignedBuffer buffer(kFillBlocks * kBlockBytes);
  for (uint64_t first = 0; first < holds_.size(); first += kFillBlocks) {
    const uint64_t count = std::min(kFillBlocks, holds_.size() - first);
    const Status read = co_await store_->read(volume_, {first, count}, buffer.data());
    if (!read.ok()) co_return false;
    for (uint64_t i = 0; i < count; ++i) {
      const std::byte* expected = payload_.data() + holds_[first + i] * kBlockBytes;
      if (std::memcmp(buffer.data() + i * kBlockBytes, expected, kBlockBytes) != 0) co_return false;
    }
  }
  co_return true;
}

Task<bool> OverwriteRun::close() {
  const Status closed = co_await store_->close();
  co_return closed.ok();
}

bool OverwriteRun::judge() const {
  const StoreStats& from = at_two_thirds_.stats;
  const StoreStats& to = at_end_.stats;
  const auto share = [&](uint64_t a, uint64_t b) {
    return static_cast<double>(b - a) /
           static_cast<double>(to.user_blocks_written - from.user_blocks_written);
  };
  const double amplification =
      1 + share(from.relocated_blocks_written, to.relocated_blocks_written);
  const double limit = pattern_.limit * kTolerance;
  const uint64_t grown = at_end_.resident - std::min(at_end_.resident, at_third_.resident);
  std::printf(
      "%-10s %9lu overwrites, %lu live of %lu blocks: write amplification %.3f (limit %.3f), "
      "headers %.3f, footers %.3f; map %.1f MiB, memory grew by %.1f MiB\n",
      pattern_.name, overwrites_, to.live_blocks, to.capacity_blocks, amplification, limit,
      share(from.header_blocks_written, to.header_blocks_written),
      share(from.footer_blocks_written, to.footer_blocks_written),
      static_cast<double>(to.map_bytes) / kMiB, static_cast<double>(grown) / kMiB);
  return amplification <= limit && grown <= kGrowthMax &&
         to.map_bytes == at_third_.stats.map_bytes && to.live_blocks == holds_.size();
}

bool OverwriteRun::step(Task<bool> task, const char* what) {
  const std::optional<bool> done = loop_.run(std::move(task), UINT64_MAX);
  if (done && *done) return true;
  std::printf("FAILED: %s: %s\n", pattern_.name, what);
  return false;
}

bool OverwriteRun::run() {
  if (!step(open(), "the store does not open") || !step(fill(), "filling failed") ||
      !step(overwrite(), "overwriting failed") || !step(verify(), "a block does not read back")) {
    std::fflush(stdout);
    ::_exit(1);  // requests may be in flight
  }
  const bool good = judge();
  if (!good) std::printf("FAILED: %s: over a limit\n", pattern_.name);
  return step(close(), "the store does not close") && good;
}

int overwrite_main(int argc, char** argv) {
  uint32_t times = 3;
  uint64_t device_mib = 1024;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--long")
      times = 10;
    else if (name == "--times" && i + 1 < argc)
      times = static_cast<uint32_t>(std::atoi(argv[++i]));
    else if (name == "--device-mib" && i + 1 < argc)
      device_mib = std::strtoull(argv[++i], nullptr, 10);
    else
      return std::fprintf(stderr, "usage: overwrite_run [--long | --times N] [--device-mib M]\n"),
             2;
  }
  bool good = true;
  for (const Pattern& pattern : kPatterns) {
    good = OverwriteRun(pattern, device_mib * kMiB, times).run() && good;
  }
  return good ? 0 : 1;
}

}  // namespace

}  // namespace varve

int main(int argc, char** argv) {
  return varve::overwrite_main(argc, argv);
}
