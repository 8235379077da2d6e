// cluster_sim: seeds of the simulated cluster.
//
//   cluster_sim --seeds 2000 --seconds 280 --jobs 2     the gate
//   cluster_sim --seed 17                               one seed again, with its log
//   cluster_sim_mutants --mutant admit-early --seeds 10000   until a planted bug is found
//                       --needs md-unknown,hand-over         in seeds that are more likely to
//
// Exit 0: everything held (with --mutant: the bug was found). 1: not so. 2: usage.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "tests/sim/cluster/replicated_program.h"

namespace varve {

#ifdef VARVE_MUTANTS
Mutant active_mutant = Mutant::kNone;
#endif

namespace {

constexpr uint32_t kJobsMax = 16;
constexpr uint64_t kTwiceEvery = 20;  // one seed in so many runs twice and must not differ
constexpr uint64_t kSeedsKept = 1 << 20;

struct Options {
  std::string program;
  uint64_t first = 1;
  uint64_t seeds = 100;
  uint64_t seconds = 280;
  uint32_t jobs = 1;
  uint64_t seed = 0;
  std::string mutant;
  std::vector<std::string> needs;
  bool all_faults = false;
};

#ifdef VARVE_MUTANTS
const std::vector<std::pair<std::string, Mutant>> kMutants = {
    {"learner-adopts-position", Mutant::kLearnerAdoptsPosition},
    {"admit-early", Mutant::kAdmitEarly},
    {"acknowledge-without-member", Mutant::kAcknowledgeWithoutMember},
    {"ignore-attach-generation", Mutant::kIgnoreAttachGeneration},
    {"keep-epoch-on-restart", Mutant::kKeepEpochOnRestart},
    {"skip-lease-check", Mutant::kSkipLeaseCheck},
    {"repair-under-old-number", Mutant::kRepairUnderOldNumber},
    {"skip-settlement", Mutant::kSkipSettlement},
    {"resend-out-of-order", Mutant::kResendOutOfOrder},
    {"forget-grace-time", Mutant::kForgetGraceTime},
    {"trust-read-after-unknown-cas", Mutant::kTrustReadAfterUnknownCas},
    {"accept-former-office", Mutant::kAcceptFormerOffice},
    {"cut-without-drain", Mutant::kCutWithoutDrain},
    {"cut-volumes-one-by-one", Mutant::kCutVolumesOneByOne},
    {"forget-old-generations", Mutant::kForgetOldGenerations},
    {"settle-in-newest", Mutant::kSettleInNewest},
    {"fence-without-snapshots", Mutant::kFenceWithoutSnapshots},
    {"take-unheard-generation", Mutant::kTakeUnheardGeneration},
    {"drop-unlisted-snapshots", Mutant::kDropUnlistedSnapshots},
};
bool set_mutant(const std::string& name) {
  for (const auto& [known, mutant] : kMutants)
    if (known == name) active_mutant = mutant;
  return active_mutant != Mutant::kNone;
}
#else
bool set_mutant(const std::string&) {
  return false;
}
#endif

// What the forked jobs share: one that crashes leaves its seed behind.
struct Job {
  uint64_t seed = 0;
  uint64_t seeds = 0;
  uint64_t twice = 0;
  uint64_t ops = 0;
  uint64_t ops_failed = 0;
  uint64_t reads_checked = 0;
  uint64_t snapshots = 0;
  uint64_t snapshot_blocks_checked = 0;
  uint64_t messages = 0;
  uint64_t virtual_ns = 0;
  ClusterFaultCounts counts;
};
struct Board {
  std::atomic<uint64_t> next_seed;
  std::atomic<uint64_t> failed_seed;
  Job jobs[kJobsMax];
  // Of each seed: operations and faults, for the medians.
  uint32_t ops[kSeedsKept];
  uint32_t faults[kSeedsKept];
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string replay_command(const Options& options, uint64_t seed) {
  return text(options.program, options.mutant.empty() ? "" : " --mutant " + options.mutant,
              " --seed ", seed);
}

uint64_t fault_count(const ClusterFaultCounts& counts) {
  uint64_t sum = 0;
  for (const uint64_t hits : counts.hits) sum += hits;
  return sum;
}

bool run_one(const Options& options, Board& board, Job& job, uint64_t seed) {
  static const ClusterSetup setup = replicated_setup();
  job.seed = seed;
  const ClusterResult result = run_cluster_seed(setup, seed);
  std::string failure = result.failure;
  if (failure.empty() && seed % kTwiceEvery == 0) {
    ++job.twice;
    if (run_cluster_seed(setup, seed).hash != result.hash)
      failure = "the same seed gave another run the second time";
  }
  if (!failure.empty()) {
    std::printf("seed %lu: %s\nreplay: %s\n", seed, failure.c_str(),
                replay_command(options, seed).c_str());
    std::fflush(stdout);
    return false;
  }
  ++job.seeds;
  job.ops += result.ops;
  job.ops_failed += result.ops_failed;
  job.reads_checked += result.reads_checked;
  job.snapshots += result.snapshots;
  job.snapshot_blocks_checked += result.snapshot_blocks_checked;
  job.messages += result.messages;
  job.virtual_ns += result.virtual_ns;
  job.counts.add(result.counts);
  const uint64_t index = (seed - options.first) % kSeedsKept;
  board.ops[index] = static_cast<uint32_t>(result.ops);
  board.faults[index] = static_cast<uint32_t>(fault_count(result.counts));
  return true;
}

// Whether the seed's plan has all of these faults, or with "snapshots" takes some, with "tiers"
// changes them.
bool has_all(const std::vector<std::string>& needs, uint64_t seed) {
  if (needs.empty()) return true;
  const std::string plan = " " + draw_nemesis_plan(seed).text();
  return std::all_of(needs.begin(), needs.end(), [&plan](const std::string& need) {
    return plan.find(" " + need + (need == "snapshots" || need == "tiers" ? "," : "=")) !=
           std::string::npos;
  });
}

void run_job(const Options& options, Board& board, Job& job) {
  const auto begin = std::chrono::steady_clock::now();
  while (board.failed_seed == 0 && seconds_since(begin) < static_cast<double>(options.seconds)) {
    const uint64_t seed = board.next_seed++;
    if (seed >= options.first + options.seeds) return;
    if (!has_all(options.needs, seed)) continue;
    if (!run_one(options, board, job, seed)) {
      board.failed_seed = seed;
      return;
    }
  }
}

uint32_t median(std::vector<uint32_t> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

bool report(const Options& options, const Board& board, double seconds) {
  Job sum;
  for (const Job& job : board.jobs) {
    sum.seeds += job.seeds;
    sum.twice += job.twice;
    sum.ops += job.ops;
    sum.ops_failed += job.ops_failed;
    sum.reads_checked += job.reads_checked;
    sum.snapshots += job.snapshots;
    sum.snapshot_blocks_checked += job.snapshot_blocks_checked;
    sum.messages += job.messages;
    sum.virtual_ns += job.virtual_ns;
    sum.counts.add(job.counts);
  }
  std::vector<uint32_t> ops;
  std::vector<uint32_t> faults;
  for (uint64_t i = 0; i < std::min(options.seeds, kSeedsKept); ++i) {
    if (board.ops[i] == 0) continue;
    ops.push_back(board.ops[i]);
    faults.push_back(board.faults[i]);
  }
  std::printf("%s", sum.counts.table().c_str());
  bool good = board.failed_seed == 0;
  for (size_t i = 0; i < kClusterFaultCount && good && options.all_faults; ++i) {
    if (sum.counts.hits[i] > 0) continue;
    std::printf("never hit: %s\n", cluster_fault_name(static_cast<ClusterFault>(i)));
    good = false;
  }
  std::printf(
      "%s: %lu seeds from %lu (%lu run twice), %lu operations (median %u a seed, %lu failed), %lu "
      "faults (median %u a seed), %lu blocks read and judged, %lu snapshots, %lu blocks of them "
      "judged, %lu messages, %.1f simulated hours, %.1f s\n",
      good ? "ok" : "FAILED", sum.seeds, options.first, sum.twice, sum.ops, median(ops),
      sum.ops_failed, fault_count(sum.counts), median(faults), sum.reads_checked, sum.snapshots,
      sum.snapshot_blocks_checked, sum.messages, static_cast<double>(sum.virtual_ns) / 3.6e12,
      seconds);
  return good;
}

int run_all(const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  void* const memory =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto* const board = new (memory) Board();
  board->next_seed = options.first;
  std::vector<pid_t> children;
  for (uint32_t i = 0; i < options.jobs; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      run_job(options, *board, board->jobs[i]);
      std::fflush(stdout);
      _exit(0);
    }
    children.push_back(child);
  }
  for (uint32_t i = 0; i < options.jobs; ++i) {
    int status = 0;
    waitpid(children[i], &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    std::printf("seed %lu: crashed\nreplay: %s\n", board->jobs[i].seed,
                replay_command(options, board->jobs[i].seed).c_str());
    board->failed_seed = board->jobs[i].seed;
  }
  const double seconds = seconds_since(begin);
  if (!options.mutant.empty()) {
    const uint64_t found = board->failed_seed;
    std::printf("%s %s: %s%lu, %.1f s\n", found != 0 ? "caught" : "MISSED", options.mutant.c_str(),
                found != 0 ? "seed " : "seeds tried: ", found != 0 ? found : options.seeds,
                seconds);
    return found != 0 ? 0 : 1;
  }
  return report(options, *board, seconds) ? 0 : 1;
}

int run(int count, char** words) {
  Options options;
  options.program = words[0];
  CLI::App app("Runs seeds of a simulated cluster.");
  app.add_option("--first", options.first, "the first seed")->capture_default_str();
  app.add_option("--seeds", options.seeds, "how many")->capture_default_str();
  app.add_option("--seconds", options.seconds, "stop after that long")->capture_default_str();
  app.add_option("--jobs", options.jobs)->check(CLI::Range(1u, kJobsMax))->capture_default_str();
  app.add_option("--seed", options.seed, "only this one, with what it logs");
  app.add_option("--mutant", options.mutant, "a planted bug (in cluster_sim_mutants)");
  app.add_option("--needs", options.needs,
                 "only seeds whose plan has these: faults as it names them, snapshots or tiers")
      ->delimiter(',');
  app.add_flag("--all-faults", options.all_faults, "fail when a kind of fault was never hit");
  try {
    app.parse(count, words);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!options.mutant.empty() && !set_mutant(options.mutant)) {
    std::fprintf(stderr, "no planted bug \"%s\" in this build\n", options.mutant.c_str());
    return 2;
  }
  if (options.seed != 0) {
    options.first = options.seed;
    options.seeds = 1;
    const auto board = std::make_unique<Board>();
    const bool good = run_one(options, *board, board->jobs[0], options.seed);
    std::printf("plan: %s\n", draw_nemesis_plan(options.seed).text().c_str());
    return good ? 0 : 1;
  }
  log_set_level(LogLevel::kNone);
  return run_all(options);
}

}  // namespace
}  // namespace varve

int main(int count, char** words) {
  return varve::run(count, words);
}
