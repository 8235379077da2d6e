// steady_run: how evenly a store writes that has to make room all the time, in virtual time.
//
//   steady_run [--case NAME] [--seconds N] [--depth D] [--device-mib M] [--segment-kib K]
//   [--series]
//
// Blocks of 4 KiB are written at random, D (32) in flight, without a pause; when the store has
// settled, N (10) virtual seconds are counted, in tenths. The SSD passes 500 MB/s in all, 80 us a
// request; the HDD 180 MB/s, 8 ms for a seek. Cases, with the SSD 80 % live where no other figure
// stands:
//   cleaning   overwrites of a volume
//   scrub      during a scrub with 50 MiB/s
//   snapshot   while a snapshot is deleted that holds half of the blocks alone
//   hdd        overwrites of a volume half as large again as the SSD, the HDD being packed as well
//   drain      each block for the first time, much more than the SSD has room for
//   room, room-hdd   overwrites of a volume that the SSD has room for, without and with an HDD
//
// Exit 0: in each case the tenths vary by 10 % at most (coefficient of variation; when the snapshot
// is gone more may be written), none is without a write, and 99.9 % of the writes took less than
// ten times the median; `drain` writes at least half of what the HDD passes, and `room-hdd` 90 % of
// `room`.
// --series: prints the writes of each tenth, for drawing.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <numeric>
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

constexpr DiskModel kSteadySsd{
    .request_ns = 70'000, .chance_ns = 20'000, .bytes_per_second = 500'000'000};
constexpr uint64_t kTenthNs = 100'000'000;
constexpr uint64_t kFillBlocks = 64;
constexpr double kVariationMax = 0.10;
constexpr double kTailMax = 10;
constexpr double kDrainMin = 0.5;  // of what the HDD passes
constexpr double kRoomMin = 0.9;

struct Case {
  std::string_view name;
  uint32_t live_percent = 80;  // the volume, of what all slots of the SSD hold
  uint32_t hot_percent = 100;  // of the volume's blocks are overwritten
  double warm_up = 2;          // overwrites of all of those before counting
  uint64_t hdd_share = 0;      // the HDD, in SSDs
  bool fresh = false;          // each block is written once only, and not before
  bool scrub = false;
  bool snapshot = false;  // taken when the volume has been written once; deleted while counting
};
constexpr Case kCases[] = {
    {.name = "cleaning"},
    {.name = "scrub", .scrub = true},
    {.name = "snapshot", .live_percent = 53, .hot_percent = 50, .snapshot = true},
    {.name = "hdd", .live_percent = 150, .warm_up = 4, .hdd_share = 3},
    {.name = "drain", .live_percent = 400, .warm_up = 0.4, .hdd_share = 6, .fresh = true},
    {.name = "room", .live_percent = 40},
    {.name = "room-hdd", .live_percent = 40, .hdd_share = 3},
};

struct RunOptions {
  std::string_view only;
  uint64_t seconds = 10;
  uint32_t depth = 32;
  uint64_t device_mib = 1024;
  uint32_t segment_kib = 2048;
  bool series = false;
};

class SteadyRun {
 public:
  SteadyRun(const Case& what, const RunOptions& options)
      : what_(what),
        options_(options),
        ssd_(loop_, options.device_mib * kMiB, 5, kSteadySsd),
        payload_(kFillBlocks * kBlockBytes) {
    if (what.hdd_share > 0)
      hdd_ = std::make_unique<MemoryDisk>(loop_, what.hdd_share * options.device_mib * kMiB, 6,
                                          kHddModel);
    for (std::byte& byte : payload_.span()) byte = static_cast<std::byte>(random_.next());
    crcs_.resize(kFillBlocks);
    crc32c_blocks(payload_.data(), kFillBlocks, crcs_.data());
  }
  bool run();
  double writes_per_second() const { return writes_per_second_; }

 private:
  Task<bool> open();
  Task<bool> fill();
  Task<bool> overwrite();
  Task<void> client();
  void begin();
  Task<void> disturb();
  Task<bool> close();
  double mean_of(size_t tenths) const;
  double variation() const;
  bool judge();
  bool step(Task<bool> task, const char* what);

  const Case& what_;
  const RunOptions options_;
  SimLoop loop_{11};
  Random random_{17};
  MemoryDisk ssd_;
  std::unique_ptr<MemoryDisk> hdd_;
  AlignedBuffer payload_;
  std::vector<uint32_t> crcs_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<BlockChooser> chooser_;
  VolumeId volume_{};
  uint64_t blocks_ = 0;
  uint64_t warm_up_blocks_ = 0;
  std::vector<uint32_t> fresh_;  // the blocks in random order
  TaskGroup* clients_ = nullptr;
  uint64_t written_ = 0;
  uint64_t begin_ns_ = kNever;  // of what is counted
  uint64_t end_ns_ = kNever;
  std::vector<uint64_t> tenths_;
  std::vector<uint32_t> latencies_us_;
  StoreStats at_begin_;
  double writes_per_second_ = 0;
  bool failed_ = false;
};

Task<bool> SteadyRun::open() {
  FormatOptions format{.segment_bytes = options_.segment_kib * 1024, .progress = {}};
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
  const Geometry geometry(*plan_superblock(ssd_.size_bytes(), format.segment_bytes, kSlotCountMin));
  blocks_ = uint64_t{geometry.slot_count} * geometry.dense_blocks() * what_.live_percent / 100;
  const auto made = co_await store_->create_volume("v", blocks_ * kBlockBytes);
  if (!made.ok()) co_return false;
  volume_ = made->id;
  const uint64_t hot_blocks = blocks_ * what_.hot_percent / 100;
  warm_up_blocks_ = static_cast<uint64_t>(what_.warm_up * static_cast<double>(hot_blocks));
  chooser_ = std::make_unique<BlockChooser>(hot_blocks, Law::kUniform, random_);
  if (!what_.fresh) co_return true;
  fresh_.resize(blocks_);
  std::iota(fresh_.begin(), fresh_.end(), 0u);
  for (uint64_t i = blocks_ - 1; i > 0; --i) std::swap(fresh_[i], fresh_[random_.below(i + 1)]);
  co_return true;
}

Task<bool> SteadyRun::fill() {
  for (uint64_t first = 0; !what_.fresh && first < blocks_; first += kFillBlocks) {
    const uint64_t count = std::min(kFillBlocks, blocks_ - first);
    const Status written =
        co_await store_->write(volume_, {first, count}, payload_.data(), crcs_.data());
    if (!written.ok()) co_return false;
  }
  if (!what_.snapshot) co_return true;
  std::vector<SnapshotRequest> requests{{volume_, "s"}};
  const auto taken = co_await store_->create_snapshots(std::move(requests));
  co_return taken.ok();
}

Task<void> SteadyRun::client() {
  while (!failed_) {
    const uint64_t started_ns = loop_.monotonic_ns();
    if (started_ns >= end_ns_ || (what_.fresh && written_ == blocks_)) break;
    if (written_ == warm_up_blocks_) begin();
    const uint64_t block = what_.fresh ? fresh_[written_] : chooser_->next();
    ++written_;
    const Status written =
        co_await store_->write(volume_, {block, 1}, payload_.data(), crcs_.data());
    failed_ = failed_ || !written.ok();
    const uint64_t now_ns = loop_.monotonic_ns();
    if (now_ns < begin_ns_) continue;
    latencies_us_.push_back(static_cast<uint32_t>((now_ns - started_ns) / 1000));
    const size_t tenth = (now_ns - begin_ns_) / kTenthNs;
    if (tenth < tenths_.size()) ++tenths_[tenth];
  }
}

void SteadyRun::begin() {
  const uint64_t counted_ns = options_.seconds * 1'000'000'000;
  begin_ns_ = loop_.monotonic_ns();
  at_begin_ = store_->stats();
  end_ns_ = begin_ns_ + counted_ns;
  tenths_.assign(counted_ns / kTenthNs, 0);
  clients_->start(disturb());
}

// After a quarter of what is counted.
Task<void> SteadyRun::disturb() {
  co_await loop_.runtime().timers.until(begin_ns_ + (end_ns_ - begin_ns_) / 4);
  if (what_.scrub) store_->scrub_now(50 * kMiB);
  if (what_.snapshot) {
    const Status deleted = co_await store_->delete_snapshot(volume_, "s");
    failed_ = failed_ || !deleted.ok();
  }
}

Task<bool> SteadyRun::overwrite() {
  TaskGroup clients(loop_.ready());
  clients_ = &clients;
  for (uint32_t i = 0; i < options_.depth; ++i) clients.start(client());
  co_await clients.done();
  co_return !failed_;
}

Task<bool> SteadyRun::close() {
  const Status closed = co_await store_->close();
  co_return closed.ok();
}

double SteadyRun::mean_of(size_t tenths) const {
  const auto end = tenths_.begin() + static_cast<ptrdiff_t>(tenths);
  return static_cast<double>(std::accumulate(tenths_.begin(), end, uint64_t{0})) /
         static_cast<double>(tenths);
}

// Of the tenths, as a share of their mean; of a snapshot's that before it was deleted.
double SteadyRun::variation() const {
  const double mean = mean_of(what_.snapshot ? tenths_.size() / 4 : tenths_.size());
  double squares = 0;
  for (const uint64_t tenth : tenths_) {
    const double off = static_cast<double>(tenth) - mean;
    if (off < 0 || !what_.snapshot) squares += off * off;
  }
  return std::sqrt(squares / static_cast<double>(tenths_.size())) / mean;
}

bool SteadyRun::judge() {
  writes_per_second_ = mean_of(tenths_.size()) * 10;
  std::sort(latencies_us_.begin(), latencies_us_.end());
  const auto quantile = [&](double share) {
    return latencies_us_[static_cast<size_t>(share *
                                             static_cast<double>(latencies_us_.size() - 1))];
  };
  const auto [least, most] = std::minmax_element(tenths_.begin(), tenths_.end());
  const double tail = quantile(0.999) / std::max(1.0, static_cast<double>(quantile(0.5)));
  const bool good = variation() <= kVariationMax && tail <= kTailMax && *least > 0;
  std::printf(
      "%-9s %7.0f writes/s, tenths vary by %5.1f %% (%lu to %lu); p50 %u us, p99 %u us, p99.9 %u "
      "us "
      "(%.1f times), longest %u us  %s\n",
      std::string(what_.name).c_str(), writes_per_second_, variation() * 100, *least, *most,
      quantile(0.5), quantile(0.99), quantile(0.999), tail, latencies_us_.back(),
      good ? "" : "FAILED: over a limit");
  const StoreStats to = store_->stats();
  const double written =
      static_cast<double>(to.user_blocks_written - at_begin_.user_blocks_written);
  const auto share = [&](uint64_t a, uint64_t b) { return static_cast<double>(b - a) / written; };
  std::printf(
      "  for each block written: %.2f moved on the SSD, %.2f sunk to HDDs, %.2f packed there; %lu "
      "of %lu blocks live on the SSD\n",
      share(at_begin_.relocated_blocks_written, to.relocated_blocks_written),
      share(at_begin_.demoted_blocks_written, to.demoted_blocks_written),
      share(at_begin_.packed_blocks_written, to.packed_blocks_written), to.hot_live_blocks,
      to.hot_capacity_blocks);
  if (options_.series)
    for (size_t i = 0; i < tenths_.size(); ++i)
      std::printf("series %s %zu %lu\n", std::string(what_.name).c_str(), i, tenths_[i]);
  return good;
}

bool SteadyRun::step(Task<bool> task, const char* what) {
  const std::optional<bool> done = loop_.run(std::move(task), UINT64_MAX);
  if (done && *done) return true;
  std::printf("FAILED: %s: %s\n", std::string(what_.name).c_str(), what);
  return false;
}

bool SteadyRun::run() {
  if (!step(open(), "the store does not open") || !step(fill(), "filling failed") ||
      !step(overwrite(), "overwriting failed")) {
    std::fflush(stdout);
    ::_exit(1);  // requests may be in flight
  }
  const bool good = judge();
  return step(close(), "the store does not close") && good;
}

std::optional<RunOptions> parse_options(int argc, char** argv) {
  RunOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--series") {
      options.series = true;
      continue;
    }
    if (++i == argc) return {};
    const auto number = static_cast<uint32_t>(std::strtoul(argv[i], nullptr, 10));
    if (name == "--case")
      options.only = argv[i];
    else if (name == "--seconds")
      options.seconds = number;
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

bool at_least(const char* what, double share, double least) {
  const bool good = share >= least;
  std::printf("%s: %.2f (at least %.2f)  %s\n", what, share, least, good ? "" : "FAILED: too few");
  return good;
}

// What single cases do not tell. A case that was not run has no rate.
bool compare(const std::map<std::string_view, double>& rates) {
  bool good = true;
  if (const auto drain = rates.find("drain"); drain != rates.end()) {
    const double passes = static_cast<double>(kHddModel.bytes_per_second / kBlockBytes);
    good = at_least("drain over what the HDD passes", drain->second / passes, kDrainMin);
  }
  const auto with = rates.find("room-hdd");
  const auto without = rates.find("room");
  if (with == rates.end() || without == rates.end()) return good;
  return at_least("room-hdd over room", with->second / without->second, kRoomMin) && good;
}

int steady_main(int argc, char** argv) {
  const std::optional<RunOptions> options = parse_options(argc, argv);
  std::map<std::string_view, double> rates;
  bool good = true;
  for (const Case& what : kCases) {
    if (!options) break;
    if (!options->only.empty() && options->only != what.name) continue;
    SteadyRun run(what, *options);
    good = run.run() && good;
    rates[what.name] = run.writes_per_second();
  }
  if (rates.empty()) return std::fprintf(stderr, "%s: unknown option or case\n", argv[0]), 2;
  return compare(rates) && good ? 0 : 1;
}

}  // namespace
}  // namespace varve

int main(int argc, char** argv) {
  return varve::steady_main(argc, argv);
}
