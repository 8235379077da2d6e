// crash_oracle: seeds of the simulated store until enough crash points have been judged.
//
//   crash_oracle --crash-points 100000 --seed-count 2000 --seconds 238 --jobs 2    the gate
//   crash_oracle --seed 17 --verbose                             one seed again
//   crash_oracle_mutants --mutants                               each planted bug must be found
//
// Exit 0: everything held. 1: something was found, or a fault kind was never hit. 2: usage.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/base/text.h"
#include "tests/sim/mutant_hunt.h"
#include "tests/sim/oracle_options.h"
#include "tests/sim/seed_run.h"

namespace varve {

namespace {

constexpr uint32_t kJobsMax = 16;
constexpr uint64_t kTwiceEvery = 20;  // one seed in so many runs twice and must not differ

// What the jobs share: forked processes, so that one that crashes leaves its seed behind.
struct Job {
  uint64_t seed = 0;
  uint64_t seeds = 0;
  uint64_t crash_points = 0;
  uint64_t device_writes = 0;
  uint64_t wrapped = 0;  // seeds whose store reused slots and moved blocks
  uint64_t twice = 0;
  FaultCounts counts;
};
struct Board {
  std::atomic<uint64_t> next_seed;
  std::atomic<uint64_t> crash_points;
  std::atomic<uint64_t> seeds;
  std::atomic<bool> stop;
  Job jobs[kJobsMax];
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string replay_command(const OracleOptions& options, uint64_t seed) {
  return text(options.program, options.mutant.empty() ? "" : " --mutant " + options.mutant,
              " --seed ", seed, " --verbose");
}

void run_one(const OracleOptions& options, uint64_t seed, Job& job) {
  Report report(replay_command(options, seed), nullptr, options.verbose, false);
  FaultCounts counts;
  const SeedResult result = run_seed(seed, report, counts);
  if (seed % kTwiceEvery == 0) {
    FaultCounts again;
    if (run_seed(seed, report, again).hash != result.hash) {
      report.fail("two runs of one seed differ");
    }
    ++job.twice;
  }
  ++job.seeds;
  job.crash_points += result.crash_points;
  job.device_writes += result.device_writes;
  job.wrapped += result.wrapped && result.cleaned;
  job.counts.add(counts);
}

void run_job(const OracleOptions& options, Board& board, Job& job) {
  const auto start = std::chrono::steady_clock::now();
  while (!board.stop) {
    job.seed = board.next_seed++;
    if (job.seed > options.last_seed || seconds_since(start) > options.seconds) break;
    const uint64_t before = job.crash_points;
    run_one(options, job.seed, job);
    board.crash_points += job.crash_points - before;
    ++board.seeds;
    if (options.crash_points > 0 && board.crash_points >= options.crash_points &&
        board.seeds >= options.seed_count)
      break;
  }
}

// True: every job ended well.
bool run_jobs(const OracleOptions& options, Board& board) {
  std::vector<pid_t> children;
  for (uint32_t i = 0; i < options.jobs; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      // The engine's words about damage, tens of thousands of them, are for --verbose.
      if (!options.verbose && std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(2);
      run_job(options, board, board.jobs[i]);
      std::fflush(stdout);
      ::_exit(0);
    }
    children.push_back(child);
  }
  bool good = true;
  for (uint32_t left = options.jobs; left > 0; --left) {
    int status = 0;
    const pid_t ended = ::wait(&status);
    for (uint32_t i = 0; i < children.size(); ++i) {
      if (children[i] != ended || status == 0) continue;
      good = false;
      board.stop = true;
      if (!WIFSIGNALED(status)) continue;
      std::printf("FAILED: seed %lu ended by signal %d\n  replay: %s\n", board.jobs[i].seed,
                  WTERMSIG(status), replay_command(options, board.jobs[i].seed).c_str());
    }
  }
  return good;
}

Job total_of(const OracleOptions& options, const Board& board) {
  Job total;
  for (uint32_t i = 0; i < options.jobs; ++i) {
    const Job& job = board.jobs[i];
    total.seeds += job.seeds;
    total.crash_points += job.crash_points;
    total.device_writes += job.device_writes;
    total.wrapped += job.wrapped;
    total.twice += job.twice;
    total.counts.add(job.counts);
  }
  return total;
}

// Prints the counts; false when the run proved less than it must.
bool print_counts(const OracleOptions& options, const Job& total) {
  bool good = true;
  for (size_t i = 0; i < kFaultCount; ++i) {
    const auto fault = static_cast<Fault>(i);
    const bool missing = options.crash_points > 0 && total.counts.of(fault) == 0;
    std::printf("  %-42s %10lu%s\n", fault_name(fault), total.counts.of(fault),
                missing ? "  NEVER HIT" : "");
    good = good && !missing;
  }
  if (options.crash_points == 0) return good;
  if (total.crash_points < options.crash_points) {
    std::printf("FAILED: only %lu of %lu crash points in time\n", total.crash_points,
                options.crash_points);
    good = false;
  }
  if (total.seeds < options.seed_count) {
    std::printf("FAILED: only %lu of %lu seeds in time\n", total.seeds, options.seed_count);
    good = false;
  }
  if (total.wrapped * 2 < total.seeds) {
    std::printf("FAILED: only %lu of %lu seeds wrapped and cleaned\n", total.wrapped, total.seeds);
    good = false;
  }
  return good;
}

int run(const OracleOptions& options) {
  void* memory =
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  auto* board = new (memory) Board{};
  board->next_seed = options.first_seed;
  const auto start = std::chrono::steady_clock::now();
  bool good = run_jobs(options, *board);
  const Job total = total_of(options, *board);
  if (good) good = print_counts(options, total);  // after a failure they say nothing
  std::printf(
      "%s: %lu crash points in %lu seeds (%lu wrapped and cleaned, %lu run twice), "
      "%.1f s, %u jobs\n",
      good ? "ok" : "FAILED", total.crash_points, total.seeds, total.wrapped, total.twice,
      seconds_since(start), options.jobs);
  return good ? 0 : 1;
}

}  // namespace

int oracle_main(int argc, char** argv) {
  OracleOptions options;
  if (!parse_oracle_options(argc, argv, options)) return 2;
  log_set_level(LogLevel::kError);
  if (!options.mutant.empty() && !activate_mutant(options.mutant)) return 2;
  return options.all_mutants ? hunt_mutants(options) : run(options);
}

}  // namespace varve

int main(int argc, char** argv) {
  return varve::oracle_main(argc, argv);
}
