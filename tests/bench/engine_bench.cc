// engine_bench: the engine alone, or with --raw the device alone, under one kind of load.
//
// It formats the disk, fills a volume, then measures. The writer pays for its checksums, as a
// frontend would.

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "core/base/crc32c.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/device/uring_device.h"
#include "core/runtime/task_group.h"
#include "core/runtime/uring_loop.h"
#include "core/store/store.h"

namespace varve {
namespace {

struct Options {
  std::string file;
  std::string load = "randwrite";
  uint64_t seconds = 5;
  uint32_t depth = 32;
  uint32_t block_count = 1;  // of one operation
  uint32_t batches_in_flight_max = StoreOptions{}.batches_in_flight_max;
  uint64_t volume_mib = 0;   // 0: half of the store's capacity
  std::string disk_stat;     // the disk's `stat` file in sysfs, or empty
  std::string trace_marker;  // tracefs's file of that name, or empty
  bool raw = false;
  bool plp = false;
  bool json = false;

  bool writes() const { return load == "randwrite" || load == "write"; }
  bool random() const { return load == "randwrite" || load == "randread"; }
};

// What is measured: the engine, or the device under it.
class Target {
 public:
  virtual ~Target() = default;
  virtual uint64_t block_count() const = 0;
  virtual Task<Status> write(BlockRange range, const std::byte* data, const uint32_t* crcs) = 0;
  virtual Task<Status> read(BlockRange range, std::byte* out) = 0;
  virtual StoreStats stats() const = 0;
};

class RawTarget final : public Target {
 public:
  explicit RawTarget(BlockDevice& device) : device_(device) {}
  uint64_t block_count() const override { return device_.size_bytes() / kBlockBytes; }
  Task<Status> write(BlockRange range, const std::byte* data, const uint32_t*) override {
    ++stats_.device_write_count;
    co_return co_await device_.write(range.first * kBlockBytes, {data, range.count * kBlockBytes},
                                     true);
  }
  Task<Status> read(BlockRange range, std::byte* out) override {
    co_return co_await device_.read(range.first * kBlockBytes, {out, range.count * kBlockBytes});
  }
  StoreStats stats() const override { return stats_; }

 private:
  BlockDevice& device_;
  StoreStats stats_;
};

class EngineTarget final : public Target {
 public:
  EngineTarget(Store& store, VolumeInfo volume) : store_(store), volume_(std::move(volume)) {}
  uint64_t block_count() const override { return volume_.size_bytes / kBlockBytes; }
  Task<Status> write(BlockRange range, const std::byte* data, const uint32_t* crcs) override {
    return store_.write(volume_.id, range, data, crcs);
  }
  Task<Status> read(BlockRange range, std::byte* out) override {
    return store_.read(volume_.id, range, out);
  }
  StoreStats stats() const override { return store_.stats(); }

 private:
  Store& store_;
  VolumeInfo volume_;
};

// Everything that is read before and after a run.
struct Counters {
  uint64_t cpu_ns = 0;
  uint64_t enters = 0;
  uint64_t flushes = 0;  // that the kernel sent to the disk
  StoreStats stats;
};

Counters read_counters(const Options& options, const UringLoop& loop, const Target& target) {
  Counters counters;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    counters.cpu_ns += static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
                       static_cast<uint64_t>(time.tv_usec) * 1'000;
  }
  counters.enters = loop.counters().enter_count;
  counters.stats = target.stats();
  if (!options.disk_stat.empty()) {
    std::ifstream file(options.disk_stat);
    for (int field = 0; field < 16; ++field) file >> counters.flushes;
  }
  return counters;
}

struct AlignedFree {
  void operator()(void* memory) const { free(memory); }
};
using Memory = std::unique_ptr<std::byte, AlignedFree>;

// One run of one kind of load: `depth` workers that each keep one operation in flight.
class Run {
 public:
  Run(UringLoop& loop, Target& target, bool writes, bool random, uint32_t block_count)
      : loop_(loop), target_(target), writes_(writes), random_(random), block_count_(block_count) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() {
    if (marker_ >= 0) close(marker_);
  }

  // Leaves "varve_ack START" in the kernel's trace when an operation ends; START in nanoseconds.
  Status mark_in(const std::string& path) {
    marker_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (marker_ < 0) return {ErrorCode::kNotFound, text("cannot open ", path)};
    return {};
  }

  // Until `seconds` have passed, or once over everything when that is 0.
  Task<Status> go(uint32_t depth, uint64_t seconds) {
    const Clock& clock = loop_.runtime().clock;
    begin_ns_ = clock.monotonic_ns();
    end_ns_ = seconds == 0 ? UINT64_MAX : begin_ns_ + seconds * 1'000'000'000;
    once_ = seconds == 0;
    TaskGroup workers(loop_.runtime().ready);
    for (uint32_t i = 0; i < depth; ++i) workers.start(work());
    co_await workers.done();
    elapsed_ns_ = clock.monotonic_ns() - begin_ns_;
    co_return status_;
  }

  uint64_t operation_count() const { return latencies_ns_.size(); }
  double seconds() const { return static_cast<double>(elapsed_ns_) / 1e9; }
  double percentile_us(double share) {
    if (latencies_ns_.empty()) return 0;
    const auto at = static_cast<size_t>(share * static_cast<double>(latencies_ns_.size() - 1));
    const auto nth = latencies_ns_.begin() + static_cast<std::ptrdiff_t>(at);
    std::nth_element(latencies_ns_.begin(), nth, latencies_ns_.end());
    return *nth / 1e3;
  }

 private:
  bool next_range(BlockRange& range) {
    const uint64_t places = target_.block_count() / block_count_;
    if (once_ && next_ == places) return false;
    const uint64_t place = random_ ? loop_.runtime().random.below(places) : next_++ % places;
    range = {place * block_count_, block_count_};
    return true;
  }

  Task<void> work() {
    const size_t bytes = size_t{block_count_} * kBlockBytes;
    const Memory data(static_cast<std::byte*>(aligned_alloc(kBlockBytes, bytes)));
    for (size_t i = 0; i < bytes; i += 8) {
      const uint64_t noise = loop_.runtime().random.next();
      memcpy(data.get() + i, &noise, 8);
    }
    std::vector<uint32_t> crcs(block_count_);
    const Clock& clock = loop_.runtime().clock;
    uint64_t now = clock.monotonic_ns();
    BlockRange range;
    while (now < end_ns_ && status_.ok() && next_range(range)) {
      Status status;
      if (writes_) {
        memcpy(data.get(), &now, sizeof now);
        crc32c_blocks(data.get(), block_count_, crcs.data());
        status = co_await target_.write(range, data.get(), crcs.data());
      } else {
        status = co_await target_.read(range, data.get());
      }
      if (!status.ok()) status_ = status;
      const uint64_t ended = clock.monotonic_ns();
      if (marker_ >= 0) dprintf(marker_, "varve_ack %llu\n", static_cast<unsigned long long>(now));
      latencies_ns_.push_back(static_cast<uint32_t>(std::min<uint64_t>(ended - now, UINT32_MAX)));
      now = ended;
    }
  }

  UringLoop& loop_;
  Target& target_;
  const bool writes_;
  const bool random_;
  const uint32_t block_count_;
  uint64_t begin_ns_ = 0;
  uint64_t end_ns_ = 0;
  uint64_t elapsed_ns_ = 0;
  uint64_t next_ = 0;
  bool once_ = false;
  int marker_ = -1;
  Status status_;
  std::vector<uint32_t> latencies_ns_;
};

void print(const Options& options, Run& run, const Counters& before, const Counters& after) {
  const auto operations = static_cast<double>(std::max<uint64_t>(run.operation_count(), 1));
  const double iops = operations / run.seconds();
  const auto per_operation = [&](uint64_t first, uint64_t last) {
    return static_cast<double>(last - first) / operations;
  };
  const auto grown = [&](uint64_t StoreStats::* field) {
    return static_cast<double>(after.stats.*field - before.stats.*field);
  };
  const double user = std::max(grown(&StoreStats::user_blocks_written), 1.0);
  const std::pair<const char*, double> rows[] = {
      {"iops", iops},
      {"mib_s", iops * options.block_count * kBlockBytes / kMiB},
      {"p50_us", run.percentile_us(0.5)},
      {"p99_us", run.percentile_us(0.99)},
      {"cpu_us_per_op", per_operation(before.cpu_ns, after.cpu_ns) / 1e3},
      {"enters_per_op", per_operation(before.enters, after.enters)},
      {"device_writes_per_op",
       per_operation(before.stats.device_write_count, after.stats.device_write_count)},
      {"group_commits", grown(&StoreStats::group_commit_count)},
      {"segments_cleaned", grown(&StoreStats::segments_cleaned)},
      {"write_amplification", 1 + grown(&StoreStats::relocated_blocks_written) / user},
      {"flushes", static_cast<double>(after.flushes - before.flushes)},
  };
  const char* separator = "{";
  for (const auto& [name, value] : rows) {
    if (options.json) {
      printf("%s\"%s\": %.3f", separator, name, value);
      separator = ", ";
    } else {
      printf("%-20s %12.3f\n", name, value);
    }
  }
  if (options.json) printf("}\n");
}

Task<Status> measure(UringLoop* loop, Target* target, const Options* options) {
  if (!options->raw) {
    Run fill(*loop, *target, true, false, kLeafBlocks);
    VARVE_CO_TRY(co_await fill.go(8, 0));
  }
  Run run(*loop, *target, options->writes(), options->random(), options->block_count);
  if (!options->trace_marker.empty()) VARVE_CO_TRY(run.mark_in(options->trace_marker));
  const Counters before = read_counters(*options, *loop, *target);
  VARVE_CO_TRY(co_await run.go(options->depth, options->seconds));
  print(*options, run, before, read_counters(*options, *loop, *target));
  co_return Status();
}

Task<Status> measure_engine(UringLoop* loop, BlockDevice* device, const Options* options) {
  FormatOptions format;
  format.segment_bytes = 16 * kMiB;
  VARVE_CO_TRY(co_await Store::format(loop->runtime(), *device, format));
  StoreOptions store_options;
  store_options.batches_in_flight_max = options->batches_in_flight_max;
  auto opened = co_await Store::open(loop->runtime(), *device, store_options);
  if (!opened.ok()) co_return opened.status();
  Store& store = **opened;
  const uint64_t bytes = options->volume_mib > 0 ? options->volume_mib * kMiB
                                                 : store.stats().capacity_blocks / 2 * kBlockBytes;
  auto volume = co_await store.create_volume("bench", bytes);
  if (!volume.ok()) co_return volume.status();
  EngineTarget target(store, *volume);
  VARVE_CO_TRY(co_await measure(loop, &target, options));
  co_return co_await store.close();
}

Task<Status> measure_device(UringLoop* loop, BlockDevice* device, const Options* options) {
  RawTarget target(*device);
  co_return co_await measure(loop, &target, options);
}

Status bench(const Options& options) {
  auto loop = UringLoop::create();
  if (!loop.ok()) return loop.status();
  auto device =
      UringDevice::open(**loop, options.file, options.plp ? Durability::kPlp : Durability::kFlush);
  if (!device.ok()) return device.status();
  return (*loop)->run(options.raw ? measure_device(loop->get(), device->get(), &options)
                                  : measure_engine(loop->get(), device->get(), &options));
}

}  // namespace
}  // namespace varve

int main(int argument_count, char** arguments) {
  varve::Options options;
  CLI::App app("Measures the engine alone on one disk. What was on the disk is lost.");
  app.add_option("--file", options.file, "a pre-written file or a block device")->required();
  app.add_option("--load", options.load)
      ->check(CLI::IsMember({"randwrite", "randread", "write", "read"}))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds)->check(CLI::Range(1, 86400))->capture_default_str();
  app.add_option("--depth", options.depth)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--blocks", options.block_count, "4 KiB blocks of one operation")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--batches-in-flight", options.batches_in_flight_max)
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--volume-mib", options.volume_mib, "size of the volume (half of the store)");
  app.add_option("--disk-stat", options.disk_stat, "/sys/block/DISK/stat: count flushes");
  app.add_option("--trace-marker", options.trace_marker, "note acknowledgements in this file");
  app.add_flag("--plp", options.plp, "the device has power-loss protection: send no flush");
  app.add_flag("--raw", options.raw, "the device without the engine");
  app.add_flag("--json", options.json);
  CLI11_PARSE(app, argument_count, arguments);
  const varve::Status status = varve::bench(options);
  if (status.ok()) return 0;
  fprintf(stderr, "engine_bench: %s\n", std::string(status.message()).c_str());
  return 1;
}
