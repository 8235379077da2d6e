#include "tests/sim/mutant_hunt.h"

#include "core/base/mutant.h"

#ifndef VARVE_MUTANTS

#include <cstdio>

namespace varve {

bool activate_mutant(const std::string&) {
  std::fprintf(stderr, "this build holds no planted bugs; crash_oracle_mutants does\n");
  return false;
}

int hunt_mutants(const OracleOptions&) {
  return activate_mutant("") ? 0 : 2;
}

}  // namespace varve

#else

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <vector>

#include "core/base/text.h"
#include "tests/sim/seed_run.h"

namespace varve {

Mutant active_mutant = Mutant::kNone;

namespace {

struct NamedMutant {
  Mutant mutant;
  const char* name;
};
constexpr NamedMutant kMutants[] = {
    {Mutant::kAcknowledgeBeforeDurable, "acknowledge-before-durable"},
    {Mutant::kDropDsync, "drop-dsync"},
    {Mutant::kSkipDataCrcAtReplay, "skip-data-crc-at-replay"},
    {Mutant::kPublishOutOfOrder, "publish-out-of-order"},
    {Mutant::kReuseSlotEarly, "reuse-slot-early"},
    {Mutant::kTakeLaterCopy, "take-later-copy"},
    {Mutant::kDropTrimMemory, "drop-trim-memory"},
    {Mutant::kStopAtFirstDamagedBatch, "stop-at-first-damaged-batch"},
    {Mutant::kForgetSlotGeneration, "forget-slot-generation"},
    {Mutant::kDropMarkAtDemotion, "drop-mark-at-demotion"},
    {Mutant::kReuseColdSlotEarly, "reuse-cold-slot-early"},
    {Mutant::kDropHidingMark, "drop-hiding-mark"},
    {Mutant::kMixGenerations, "mix-generations"},
    {Mutant::kForgetPendingSnapshot, "forget-pending-snapshot"},
    {Mutant::kSnapshotWithoutDrain, "snapshot-without-drain"},
    {Mutant::kCutVolumesApart, "cut-volumes-apart"},
    {Mutant::kGrowBeforeDurable, "grow-before-durable"},
    {Mutant::kCacheWithoutGeneration, "cache-without-generation"},
    {Mutant::kKeepTakenCacheSlot, "keep-taken-cache-slot"},
};
constexpr uint32_t kMutantCount = std::size(kMutants);

// Written by the process that hunts one mutant, read by its parent.
struct Hunt {
  pid_t child = 0;
  uint64_t seeds = 0;
  uint64_t crash_points = 0;
  double seconds = 0;
  bool found = false;
  char reason[kReasonBytes] = {};
};

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// In the child: ends the process when the bug is found (Report::fail, or an assertion of the
// engine).
[[noreturn]] void hunt(const OracleOptions& options, Mutant mutant, Hunt& hunt) {
  active_mutant = mutant;
  if (std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(2);
  ::alarm(static_cast<unsigned>(options.seconds) + 10);  // a run that hangs has found nothing
  const double start = now_seconds();
  for (uint64_t seed = options.first_seed; now_seconds() - start < options.seconds; ++seed) {
    ++hunt.seeds;
    Report report("", hunt.reason, false, true);
    FaultCounts counts;
    hunt.crash_points += run_seed(seed, report, counts).crash_points;
  }
  ::_exit(0);
}

void end_hunt(Hunt& hunt, int status, double started) {
  hunt.seconds = now_seconds() - started;
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExitFailed) hunt.found = true;
  if (!WIFSIGNALED(status) || WTERMSIG(status) == SIGALRM) return;
  hunt.found = true;
  std::snprintf(hunt.reason, kReasonBytes, "the engine's own checks ended the run (signal %d)",
                WTERMSIG(status));
}

bool print_hunts(const Hunt* hunts) {
  bool good = true;
  for (uint32_t i = 0; i < kMutantCount; ++i) {
    const Hunt& hunt = hunts[i];
    std::printf("%-9s %-28s %4lu seeds, %6lu crash points before, %5.1f s: %.100s\n",
                hunt.found ? "caught" : "NOT FOUND", kMutants[i].name, hunt.seeds,
                hunt.crash_points, hunt.seconds, hunt.reason);
    good = good && hunt.found;
  }
  return good;
}

}  // namespace

bool activate_mutant(const std::string& name) {
  for (const NamedMutant& known : kMutants) {
    if (name != known.name) continue;
    active_mutant = known.mutant;
    return true;
  }
  std::fprintf(stderr, "no planted bug is called %s; there are:", name.c_str());
  for (const NamedMutant& known : kMutants) std::fprintf(stderr, " %s", known.name);
  std::fprintf(stderr, "\n");
  return false;
}

int hunt_mutants(const OracleOptions& options) {
  void* memory = ::mmap(nullptr, sizeof(Hunt) * kMutantCount, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  auto* hunts = static_cast<Hunt*>(memory);
  std::vector<double> started(kMutantCount);
  uint32_t next = 0;
  uint32_t running = 0;
  while (next < kMutantCount || running > 0) {
    if (next < kMutantCount && running < options.jobs) {
      started[next] = now_seconds();
      const pid_t child = ::fork();
      if (child == 0) hunt(options, kMutants[next].mutant, hunts[next]);
      hunts[next++].child = child;
      ++running;
      continue;
    }
    int status = 0;
    const pid_t ended = ::wait(&status);
    for (uint32_t i = 0; i < next; ++i) {
      if (hunts[i].child == ended) end_hunt(hunts[i], status, started[i]);
    }
    --running;
  }
  const bool good = print_hunts(hunts);
  std::printf("%s: %u planted bugs\n", good ? "ok: all caught" : "FAILED: not all caught",
              kMutantCount);
  return good ? 0 : 1;
}

}  // namespace varve

#endif
