// overwrite_run: what cleaning costs on a store that is kept full and never left alone.
//
//   overwrite_run [--workload uniform|80/20|zipf] [--live PERCENT] [--times N | --long] [--depth D]
//                 [--device-mib M] [--segment-kib K] [--row]
//
// One volume takes PERCENT (70) of the blocks that all slots hold when they are packed, reserves
// included. It is written once, then overwritten N times (4; --long: 14) in random blocks of 4 KiB,
// D (32) in flight; without --workload once uniform and once zipf 0.99. The store must never be
// full, its memory must stay flat, every block must read back, and over the last third of the run
// user and relocated blocks over user blocks must stay below the limit of workload and PERCENT, if
// there is one. Exit 0: all of that held. --row: prints the figures as a row of a Markdown table.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/base/units.h"
#include "core/log/geometry.h"
#include "core/store/store.h"
#include "tests/sim/block_chooser.h"
#include "tests/sim/memory_disk.h"

namespace varve {

namespace {

constexpr uint32_t kPayloads = 64;  // distinct contents; which one a block holds is remembered
constexpr uint64_t kFillBlocks = 64;
constexpr uint64_t kGrowthMax = 8 * kMiB;  // of memory, between a third of the run and its end
constexpr double kTolerance = 1.10;

struct Pattern {
  std::string_view option;
  const char* name;
  Law law;
  double goals[3];  // of the write amplification at 70, 80 and 90 % live, before tolerance
  bool by_default;
};
constexpr Pattern kPatterns[] = {
    {"uniform", "uniform", Law::kUniform, {1.9, 2.75, 5.5}, true},
    {"80/20", "80/20", Law::kHotFifth, {1.71, 2.39, 4.69}, false},
    {"zipf", "zipf 0.99", Law::kZipf, {1.58, 1.95, 3.11}, true},
};

struct RunOptions {
  std::string_view workload;  // empty: those that are run by default
  uint32_t live_percent = 70;
  uint32_t times = 4;
  uint32_t depth = 32;
  uint64_t device_mib = 1024;
  uint32_t segment_kib = 1024;
  bool row = false;
};

// 0: there is none.
double goal_of(const Pattern& pattern, uint32_t live_percent) {
  if (live_percent < 70 || live_percent > 90 || live_percent % 10 != 0) return 0;
  return pattern.goals[(live_percent - 70) / 10];
}

uint64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long total = 0, resident = 0;
  if (file == nullptr || std::fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
  if (file != nullptr) std::fclose(file);
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

// One run of one pattern.
class OverwriteRun {
 public:
  OverwriteRun(const Pattern& pattern, const RunOptions& options)
      : pattern_(pattern),
        options_(options),
        random_(17),
        disk_(loop_, options.device_mib * kMiB, 5),
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
  const RunOptions options_;
  uint64_t overwrites_ = 0;
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
  FormatOptions format{.segment_bytes = options_.segment_kib * 1024, .progress = {}};
  format.disk[0] = std::byte{1};
  const Status formatted = co_await Store::format(loop_.runtime(), disk_, format);
  if (!formatted.ok()) co_return false;
  auto opened = co_await Store::open(loop_.runtime(), disk_, {});
  if (!opened.ok()) co_return false;
  store_ = std::move(*opened);
  const Geometry geometry(
      *plan_superblock(disk_.size_bytes(), format.segment_bytes, kSlotCountMin));
  const uint64_t blocks =
      uint64_t{geometry.slot_count} * geometry.dense_blocks() * options_.live_percent / 100;
  const auto made = co_await store_->create_volume("v", blocks * kBlockBytes);
  if (!made.ok()) co_return false;
  volume_ = made->id;
  holds_.resize(blocks);
  busy_.resize(blocks);
  overwrites_ = blocks * options_.times;
  chooser_ = std::make_unique<BlockChooser>(blocks, pattern_.law, random_);
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
  for (uint32_t i = 0; i < options_.depth; ++i) clients.start(client());
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
  const double goal = goal_of(pattern_, options_.live_percent);
  const double headers = share(from.header_blocks_written, to.header_blocks_written);
  const double footers = share(from.footer_blocks_written, to.footer_blocks_written);
  const uint64_t grown = at_end_.resident - std::min(at_end_.resident, at_third_.resident);
  if (options_.row)
    std::printf("| %s | %u | %.2f | %.2f | %.2f | %.3f | %.3f |\n", pattern_.name,
                options_.live_percent, goal, amplification, amplification / goal, headers, footers);
  else
    std::printf(
        "%-10s %9lu overwrites, %lu live of %lu blocks: write amplification %.3f (goal %.2f), "
        "headers %.3f, footers %.3f; map %.1f MiB, memory grew by %.1f MiB\n",
        pattern_.name, overwrites_, to.live_blocks, to.capacity_blocks, amplification, goal,
        headers, footers, static_cast<double>(to.map_bytes) / kMiB,
        static_cast<double>(grown) / kMiB);
  return (goal == 0 || amplification <= goal * kTolerance) && grown <= kGrowthMax &&
         to.map_bytes <= at_third_.stats.map_bytes * 102 / 100 && to.live_blocks == holds_.size();
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

// Nothing: it is none of ours.
std::optional<RunOptions> parse_options(int argc, char** argv) {
  RunOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--long" || name == "--row") {
      if (name == "--long") options.times = 14;
      if (name == "--row") options.row = true;
      continue;
    }
    if (++i == argc) return {};
    const auto number = static_cast<uint32_t>(std::strtoul(argv[i], nullptr, 10));
    if (name == "--workload")
      options.workload = argv[i];
    else if (name == "--live")
      options.live_percent = number;
    else if (name == "--times")
      options.times = number;
    else if (name == "--depth")
      options.depth = number;
    else if (name == "--device-mib")
      options.device_mib = number;
    else if (name == "--segment-kib")
      options.segment_kib = number;
    else
      return {};
  }
  return options;
}

int overwrite_main(int argc, char** argv) {
  const std::optional<RunOptions> options = parse_options(argc, argv);
  bool ran = false;
  bool good = true;
  for (const Pattern& pattern : kPatterns) {
    if (!options) break;
    const bool wanted =
        options->workload.empty() ? pattern.by_default : options->workload == pattern.option;
    if (!wanted) continue;
    ran = true;
    good = OverwriteRun(pattern, *options).run() && good;
  }
  if (!ran) return std::fprintf(stderr, "%s: unknown option or workload\n", argv[0]), 2;
  return good ? 0 : 1;
}

}  // namespace

}  // namespace varve

int main(int argc, char** argv) {
  return varve::overwrite_main(argc, argv);
}
