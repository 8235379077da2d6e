#include "tests/sim/cluster/cluster_sim.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "core/base/log.h"
#include "core/base/text.h"

namespace varve {

namespace {

constexpr uint32_t kJobsMax = 16;
constexpr uint64_t kTwiceEvery = 20;

struct Options {
  std::string program;
  uint64_t first_seed = 1;
  uint64_t seeds = 1000;
  double seconds = 3600;
  uint32_t jobs = 1;
  bool single = false;  // --seed
  bool verbose = false;
  bool gate = false;  // every fault must have been hit
};

// What the jobs share: forked processes, so that one that crashes leaves its seed behind.
struct Job {
  uint64_t seed = 0;
  uint64_t seeds = 0;
  uint64_t twice = 0;
  uint64_t ops = 0;
  uint64_t ops_failed = 0;
  uint64_t reads_checked = 0;
  uint64_t messages = 0;
  uint64_t virtual_ns = 0;
  ClusterFaultCounts counts;
};
struct Board {
  std::atomic<uint64_t> next_seed;
  std::atomic<bool> stop;
  Job jobs[kJobsMax];
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool parse(int argc, char** argv, Options& options) {
  options.program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--verbose") {
      options.verbose = true;
      continue;
    }
    if (name == "--gate") {
      options.gate = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const char* value = argv[++i];
    if (name == "--seed") {
      options.single = true;
      options.first_seed = std::strtoull(value, nullptr, 10);
      options.seeds = 1;
    } else if (name == "--first") {
      options.first_seed = std::strtoull(value, nullptr, 10);
    } else if (name == "--seeds") {
      options.seeds = std::strtoull(value, nullptr, 10);
    } else if (name == "--seconds") {
      options.seconds = std::strtod(value, nullptr);
    } else if (name == "--jobs") {
      options.jobs = static_cast<uint32_t>(std::strtoul(value, nullptr, 10));
    } else {
      return false;
    }
  }
  return options.jobs >= 1 && options.jobs <= kJobsMax;
}

void say_failure(const Options& options, uint64_t seed, const std::string& what) {
  std::printf("FAILED: %s  replay: %s --seed %lu --verbose\n", what.c_str(),
              options.program.c_str(), seed);
}

bool run_one(const ClusterSetup& setup, const Options& options, uint64_t seed, Job& job) {
  const ClusterResult result = run_cluster_seed(setup, seed, options.verbose);
  ++job.seeds;
  job.ops += result.ops;
  job.ops_failed += result.ops_failed;
  job.reads_checked += result.reads_checked;
  job.messages += result.messages;
  job.virtual_ns += result.virtual_ns;
  job.counts.add(result.counts);
  if (!result.failure.empty()) {
    say_failure(options, seed, result.failure);
    return false;
  }
  if (options.verbose) std::printf("seed %lu: hash %016lx\n", seed, result.hash);
  if (seed % kTwiceEvery != 0 && !options.single) return true;
  ++job.twice;
  if (run_cluster_seed(setup, seed, false).hash == result.hash) return true;
  say_failure(options, seed, "two runs of one seed differ\n");
  return false;
}

// False: a seed failed.
bool run_job(const ClusterSetup& setup, const Options& options, Board& board, Job& job) {
  const auto start = std::chrono::steady_clock::now();
  while (!board.stop) {
    job.seed = board.next_seed++;
    if (job.seed >= options.first_seed + options.seeds || seconds_since(start) > options.seconds)
      break;
    if (!run_one(setup, options, job.seed, job)) return false;
  }
  return true;
}

// True: every job ended well.
bool run_jobs(const ClusterSetup& setup, const Options& options, Board& board) {
  pid_t children[kJobsMax] = {};
  for (uint32_t i = 0; i < options.jobs; ++i) {
    children[i] = ::fork();
    if (children[i] != 0) continue;
    const bool good = run_job(setup, options, board, board.jobs[i]);
    std::fflush(stdout);
    ::_exit(good ? 0 : 1);
  }
  bool good = true;
  for (uint32_t left = options.jobs; left > 0; --left) {
    int status = 0;
    const pid_t ended = ::wait(&status);
    if (status == 0) continue;
    good = false;
    board.stop = true;
    for (uint32_t i = 0; i < options.jobs; ++i) {
      if (children[i] != ended || !WIFSIGNALED(status)) continue;
      say_failure(options, board.jobs[i].seed, text("ended by signal ", WTERMSIG(status), "\n"));
    }
  }
  return good;
}

bool print_counts(const Options& options, const ClusterFaultCounts& counts) {
  std::printf("%s", counts.table().c_str());
  bool good = true;
  for (size_t i = 0; options.gate && i < kClusterFaultCount; ++i) {
    const auto fault = static_cast<ClusterFault>(i);
    if (counts.of(fault) > 0) continue;
    std::printf("FAILED: never hit: %s\n", cluster_fault_name(fault));
    good = false;
  }
  return good;
}

}  // namespace

int cluster_sim_main(const ClusterSetup& setup, int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::printf(
        "usage: %s [--first S] [--seeds N] [--seconds T] [--jobs J] [--gate] [--verbose]\n"
        "       %s --seed S [--verbose]\n",
        argv[0], argv[0]);
    return 2;
  }
  if (!options.verbose) log_set_level(LogLevel::kError);
  void* memory =
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  auto* board = new (memory) Board{};
  board->next_seed = options.first_seed;
  const auto start = std::chrono::steady_clock::now();
  std::fflush(stdout);
  bool good = run_jobs(setup, options, *board);
  Job total;
  for (const Job& job : board->jobs) {
    total.seeds += job.seeds;
    total.twice += job.twice;
    total.ops += job.ops;
    total.ops_failed += job.ops_failed;
    total.reads_checked += job.reads_checked;
    total.messages += job.messages;
    total.virtual_ns += job.virtual_ns;
    total.counts.add(job.counts);
  }
  if (good) good = print_counts(options, total.counts);
  std::printf(
      "%s: %lu seeds (%lu run twice), %lu operations (%lu failed), %lu blocks read and "
      "judged, %lu messages, %lu simulated minutes, %.1f s, %u jobs\n",
      good ? "ok" : "FAILED", total.seeds, total.twice, total.ops, total.ops_failed,
      total.reads_checked, total.messages, total.virtual_ns / 60'000'000'000, seconds_since(start),
      options.jobs);
  return good ? 0 : 1;
}

}  // namespace varve
