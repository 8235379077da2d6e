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

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/units.h"
#include "tests/sim/memory_disk.h"
#include "tests/sim/steady_load.h"

namespace varve {
namespace {

constexpr DiskModel kSteadySsd{
    .request_ns = 70'000, .chance_ns = 20'000, .bytes_per_second = 500'000'000};
constexpr double kDrainMin = 0.5;  // of what the HDD passes
constexpr double kRoomMin = 0.9;

struct RunOptions {
  std::string_view only;
  SteadyOptions load{.segment_bytes = 2 * kMiB, .scrub_bytes_per_second = 50 * kMiB};
  uint64_t device_mib = 1024;
  bool series = false;
};

// Ends the program when something fails: requests may be in flight.
void must(const std::optional<bool>& done) {
  if (done && *done) return;
  std::fflush(stdout);
  ::_exit(1);
}

struct Ran {
  bool good;
  double writes_per_second;
};

Ran run_case(const SteadyCase& what, const RunOptions& options) {
  SimLoop loop(11);
  MemoryDisk ssd(loop, options.device_mib * kMiB, 5, kSteadySsd);
  std::unique_ptr<MemoryDisk> hdd;
  if (what.hdd_share > 0)
    hdd = std::make_unique<MemoryDisk>(loop, what.hdd_share * options.device_mib * kMiB, 6,
                                       kHddModel);
  SteadyLoad load(loop.runtime(), what, options.load);
  must(loop.run(load.fill(ssd, hdd.get()), UINT64_MAX));
  must(loop.run(load.write(), UINT64_MAX));
  must(loop.run(load.close(), UINT64_MAX));
  const bool good = load.judge();
  if (options.series) load.print_series();
  return {good, load.writes_per_second()};
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
      options.load.seconds = number;
    else if (name == "--depth")
      options.load.depth = number;
    else if (name == "--device-mib")
      options.device_mib = number;
    else if (name == "--segment-kib")
      options.load.segment_bytes = number * 1024;
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
  for (const SteadyCase& what : kSteadyCases) {
    if (!options) break;
    if (!options->only.empty() && options->only != what.name) continue;
    const Ran ran = run_case(what, *options);
    good = ran.good && good;
    rates[what.name] = ran.writes_per_second;
  }
  if (rates.empty()) return std::fprintf(stderr, "%s: unknown option or case\n", argv[0]), 2;
  return compare(rates) && good ? 0 : 1;
}

}  // namespace
}  // namespace varve

int main(int argc, char** argv) {
  return varve::steady_main(argc, argv);
}
