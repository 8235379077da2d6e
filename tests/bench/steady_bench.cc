// steady_bench: how evenly a store on a real disk writes while it has to make room all the time.
// The load is steady_run's (tests/sim), the clock and the disk are the machine's.
//
// The HDD of the cases that have one is a file, too, with requests that wait as long as an HDD
// would: one after the other, 8 ms for a seek, 180 MB/s. The case `disk` shows what the SSD alone
// makes of it.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "core/base/units.h"
#include "core/device/uring_device.h"
#include "core/runtime/uring_loop.h"
#include "tests/bench/disk_alone.h"
#include "tests/sim/steady_load.h"

namespace varve {
namespace {

// A device whose requests take as long as on an HDD, at least.
class SlowDevice final : public BlockDevice {
 public:
  SlowDevice(Runtime& runtime, BlockDevice& device)
      : runtime_(runtime), device_(device), passing_(runtime.ready) {}

  uint64_t size_bytes() const override { return device_.size_bytes(); }
  void submit(IoRequest& request) override {
    uint64_t takes_ns = request.bytes * 1'000'000'000 / kBytesPerSecond;
    if (request.bytes > 0 && request.offset != head_) takes_ns += kSeekNs;
    head_ = request.offset + request.bytes;
    free_ns_ = std::max(free_ns_, runtime_.clock.monotonic_ns()) + takes_ns;
    passing_.start(pass(&request, free_ns_));
  }

 private:
  static constexpr uint64_t kSeekNs = 8'000'000;
  static constexpr uint64_t kBytesPerSecond = 180'000'000;

  Task<void> pass(IoRequest* request, uint64_t until_ns) {
    IoRequest copy = *request;
    const Status status = co_await Operation(device_, copy);
    co_await runtime_.timers.until(until_ns);
    request->result = status.code();
    runtime_.ready.push(request->waiter);
  }

  Runtime& runtime_;
  BlockDevice& device_;
  TaskGroup passing_;
  uint64_t head_ = 0;
  uint64_t free_ns_ = 0;
};

constexpr std::string_view kDiskAlone = "disk";

struct Options {
  std::string ssd;
  std::string hdd;
  std::string only = "cleaning";
  SteadyOptions load{.seconds = 120, .tick_ns = 1'000'000'000, .scrub_bytes_per_second = 50 * kMiB};
  uint32_t segment_mib = 16;
  bool plp = false;
};

Task<bool> run_load(SteadyLoad* load, BlockDevice* ssd, BlockDevice* hdd) {
  const bool filled = co_await load->fill(*ssd, hdd);
  if (!filled) co_return false;
  std::fprintf(stderr, "steady_bench: filled; warming up\n");
  const bool written = co_await load->write();
  if (!written) co_return false;
  co_return co_await load->close();
}

// Null: the reason is printed.
std::unique_ptr<UringDevice> open_device(UringLoop& loop, const std::string& path, bool plp) {
  auto device = UringDevice::open(loop, path, plp ? Durability::kPlp : Durability::kFlush);
  if (device.ok()) return std::move(*device);
  std::fprintf(stderr, "steady_bench: %s\n", std::string(device.status().message()).c_str());
  return nullptr;
}

// The disk without a store.
int bench_disk(UringLoop& loop, BlockDevice& ssd, const Options& options) {
  DiskAlone load(loop.runtime(), ssd,
                 {.seconds = options.load.seconds, .depth = options.load.depth});
  const bool done = loop.run(load.write());
  std::fflush(stdout);
  if (!done) ::_exit(1);  // requests may be in flight
  load.tally().judge(kDiskAlone, false);
  load.tally().print_series(kDiskAlone);
  return 0;
}

int bench(const Options& options) {
  const auto* const what =
      std::find_if(std::begin(kSteadyCases), std::end(kSteadyCases),
                   [&](const SteadyCase& known) { return known.name == options.only; });
  const bool known = what != std::end(kSteadyCases);
  if (options.only != kDiskAlone && (!known || (what->hdd_share > 0 && options.hdd.empty()))) {
    std::fprintf(stderr, "steady_bench: no such case, or one that needs --hdd: %s\n",
                 options.only.c_str());
    return 2;
  }
  auto loop = UringLoop::create();
  if (!loop.ok()) {
    std::fprintf(stderr, "steady_bench: %s\n", std::string(loop.status().message()).c_str());
    return 1;
  }
  const auto ssd = open_device(**loop, options.ssd, options.plp);
  if (ssd == nullptr) return 1;
  if (!known) return bench_disk(**loop, *ssd, options);
  std::unique_ptr<UringDevice> file;
  std::unique_ptr<SlowDevice> hdd;
  if (what->hdd_share > 0) {
    file = open_device(**loop, options.hdd, false);
    if (file == nullptr) return 1;
    hdd = std::make_unique<SlowDevice>((*loop)->runtime(), *file);
  }
  SteadyLoad load((*loop)->runtime(), *what, options.load);
  const bool done = (*loop)->run(run_load(&load, ssd.get(), hdd.get()));
  if (!done) {
    std::fflush(stdout);
    ::_exit(1);  // requests may be in flight
  }
  load.judge();  // for who reads it: no limit is kept on a machine that is shared
  load.print_series();
  return 0;
}

}  // namespace
}  // namespace varve

int main(int argument_count, char** arguments) {
  varve::Options options;
  CLI::App app(
      "Writes without a pause to a full store and counts by the second. What was on the "
      "disks is lost.");
  app.add_option("--ssd", options.ssd, "a pre-written file or a block device")->required();
  app.add_option("--hdd", options.hdd,
                 "for the cases with an HDD: the same, several times as large");
  app.add_option(
         "--case", options.only,
         "cleaning, scrub, snapshot, hdd, drain, room or room-hdd; disk: the SSD without a store, "
         "asked for what a store asks for")
      ->capture_default_str();
  app.add_option("--seconds", options.load.seconds, "that are counted, after the warm-up")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  app.add_option("--depth", options.load.depth)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_flag("--plp", options.plp, "the SSD has power-loss protection: send no flush");
  app.add_option("--segment-mib", options.segment_mib, "of the SSD")
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  CLI11_PARSE(app, argument_count, arguments);
  options.load.segment_bytes = options.segment_mib * static_cast<uint32_t>(varve::kMiB);
  return varve::bench(options);
}
