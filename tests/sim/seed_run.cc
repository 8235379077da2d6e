#include "tests/sim/seed_run.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "core/base/text.h"
#include "tests/sim/crash_checker.h"
#include "tests/sim/sim_parts.h"
#include "tests/sim/workload.h"

namespace varve {

namespace {

// What one life hands to the next.
struct Legacy {
  DiskState disk;
  BlockModel model;
  Damage damage;  // that the store lives with
};

SimDeviceOptions device_options(const SeedPlan& plan, Random& random) {
  SimDeviceOptions options = plan.device;
  // Somewhere in the middle of the life, not in the recovery that begins it.
  if (random.chance(plan.device_error_percent, 100)) {
    options.fail_write = 30 + random.below(plan.ops_per_life);
  }
  return options;
}

class Life {
 public:
  Life(uint64_t seed, uint32_t number, const SeedPlan& plan, Report& report, FaultCounts& counts,
       Legacy legacy);

  // The next life's beginning; nothing when the store ended as damaged as to refuse to serve.
  std::optional<Legacy> run(SeedResult& result);

 private:
  void open();
  void work();
  void end();
  void crash_when_due();
  void crash_point();
  void inspect();
  void step_to_end(TaskGroup& group, const char* what);

  const uint64_t seed_;
  const uint32_t number_;
  const SeedPlan& plan_;
  Report& report_;
  FaultCounts& counts_;
  Random random_;
  BlockModel model_;
  Damage damage_;
  SimLoop loop_;
  SimDevice device_;
  SimParts parts_;
  CrashChecker checker_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Workload> workload_;
  std::vector<uint32_t> due_;  // op counts after which to crash, last first
  uint64_t due_at_io_ = 0;     // the I/O event to wait for; 0: none is due
  uint32_t points_ = 0;
  uint32_t successor_ = 0;  // the point that becomes the next life
  bool closing_ = false;
  std::optional<Legacy> legacy_;
};

Life::Life(uint64_t seed, uint32_t number, const SeedPlan& plan, Report& report,
           FaultCounts& counts, Legacy legacy)
    : seed_(seed),
      number_(number),
      plan_(plan),
      report_(report),
      counts_(counts),
      random_(mix_seed(seed, 2, number)),
      model_(std::move(legacy.model)),
      damage_(std::move(legacy.damage)),
      loop_(random_.next()),
      device_(loop_, std::move(legacy.disk), device_options(plan, random_), random_.next()),
      parts_(device_, plan),
      checker_(plan, report, counts) {
  for (uint32_t i = 0; i < plan.crash_points_per_life; ++i) {
    due_.push_back(static_cast<uint32_t>(random_.below(plan.ops_per_life)));
  }
  std::sort(due_.begin(), due_.end(), std::greater<>());
  successor_ = static_cast<uint32_t>(random_.below(plan.crash_points_per_life));
}

void Life::open() {
  auto opened = loop_.run(Store::open(loop_.runtime(), parts_.ssd(), parts_.options()));
  if (!opened) report_.fail("opening the store does not end");
  if (!opened->ok()) report_.fail(text("opening the store failed: ", opened->status().message()));
  store_ = std::move(**opened);
}

std::optional<Legacy> Life::run(SeedResult& result) {
  report_.set_place(text("seed ", seed_, " life ", number_));
  open();
  work();
  const StoreStats stats = store_->stats();
  counts_.add(Fault::kScrubbed, stats.scrub.passes_done);
  result.cleaned = result.cleaned || stats.segments_cleaned > 0;
  counts_.add(Fault::kReadFromCache, stats.read_cache.hit_blocks);
  // Right bytes come back all the same, from the HDD; but nothing here spoils what the cache holds.
  if (stats.read_cache.bad_blocks > 0) report_.fail("the read cache gave bytes of something else");
  end();
  result.device_writes += device_.writes_submitted();
  result.bytes_written += device_.bytes_written();
  result.wrapped = result.bytes_written > device_.size_bytes();
  result.crash_points += checker_.checked();
  result.hash = (result.hash * 31 + loop_.hash()) * 31 + checker_.hash();
  return std::move(legacy_);
}

void Life::step_to_end(TaskGroup& group, const char* what) {
  for (uint64_t steps = 0; group.running() > 0; ++steps) {
    if (steps == SimLoop::kStepLimit) report_.fail(text(what, " does not come to an end"));
    if (!loop_.step()) report_.fail(text(what, ": every request waits, and nothing will wake one"));
    if (!device_.offence().empty()) report_.fail(device_.offence());
    crash_when_due();
  }
}

void Life::work() {
  workload_ = std::make_unique<Workload>(loop_, device_, *store_, model_, plan_, report_, counts_,
                                         random_.next());
  workload_->start();
  for (uint64_t steps = 0; !workload_->ended(); ++steps) {
    if (steps == SimLoop::kStepLimit) report_.fail("the workload does not come to an end");
    if (!loop_.step()) report_.fail("every request waits, and nothing will wake one");
    if (!device_.offence().empty()) report_.fail(device_.offence());
    crash_when_due();
  }
  if (!loop_.drain()) report_.fail("the store does not come to rest");
  TaskGroup group(loop_.ready());
  group.start(workload_->finish());
  step_to_end(group, "reading everything");
  crash_point();
}

// A crash point waits for a few I/O events past its operation, so that it falls anywhere between
// the submission and the completion of what the operation caused.
void Life::crash_when_due() {
  if (closing_) {
    if (device_.io_events() >= due_at_io_) {
      due_at_io_ = device_.io_events() + 1 + random_.below(4);
      crash_point();
    }
    return;
  }
  if (due_at_io_ == 0 && !due_.empty() && workload_->ops_started() >= due_.back()) {
    due_.pop_back();
    due_at_io_ = device_.io_events() + random_.below(6);
  }
  if (due_at_io_ == 0 || device_.io_events() < due_at_io_) return;
  due_at_io_ = 0;
  crash_point();
}

void Life::inspect() {
  bool relocating = false;
  bool sinking = false;
  device_.for_each_block_in_flight([&](uint64_t offset, const std::byte* block) {
    sinking = sinking || offset >= plan_.ssd_bytes();
    const auto stamp = relocating ? std::nullopt : stamp_of(block);
    relocating = relocating || (stamp && model_.acknowledged(stamp->value));
  });
  counts_.add(Fault::kCrashInCleaning, relocating);
  counts_.add(Fault::kCrashInSinking, sinking);
  if (store_) {
    const StoreStats stats = store_->stats();
    counts_.add(Fault::kCrashWithColdBlocks, stats.free_cold_slot_count < stats.cold_slot_count);
    counts_.add(Fault::kCrashWithCachedBlocks, stats.read_cache.held_blocks > 0);
  }
  counts_.add(Fault::kCrashInClose, closing_);
  counts_.add(Fault::kCrashWhenIdle, !device_.has_unstable_writes());
  counts_.add(Fault::kCrashAfterDamage, damage_.done);
  counts_.add(Fault::kSlotReused, device_.bytes_written() > device_.size_bytes());
  counts_.add(Fault::kVolumeCreatedInFlight,
              !model_.volumes_in(BlockModel::VolumeState::kCreating).empty());
  counts_.add(Fault::kVolumeDeletedInFlight,
              !model_.volumes_in(BlockModel::VolumeState::kDeleting).empty());
  counts_.add(Fault::kSnapshotInFlight, model_.cut_in_flight());
}

void Life::crash_point() {
  const uint32_t point = points_++;
  report_.set_place(text("seed ", seed_, " life ", number_, " crash point ", point));
  Random random(mix_seed(seed_, 1000 + number_, point));
  const auto kind = random.chance(1, 5) ? CrashKind::kKill : CrashKind::kPowerCut;
  CrashCase crash{.disk = device_.crash(kind, random, counts_), .damage = damage_};
  crash.seed = random.next();
  inspect();
  counts_.add(Fault::kDeviceFailed, device_.failed_a_write());
  counts_.add(Fault::kKilled, kind == CrashKind::kKill);
  // Not after a kill: what names the batch that is hit might be lost with the disk's cache later.
  if (kind == CrashKind::kPowerCut && !damage_.done && random.chance(plan_.damage_percent, 100)) {
    crash.damage = inflict_damage(crash.disk.image, plan_.ssd_bytes(), device_.durable_history(),
                                  random, counts_);
  }
  report_.say(text(closing_ ? "closing, " : "", kind == CrashKind::kKill ? "kill: " : "power cut: ",
                   device_.flights_text(), crash.damage.done ? "; " + crash.damage.what : ""));
  const Damage damage = crash.damage;
  const bool succeed = point >= successor_ && !legacy_;
  std::optional<Recovered> recovered = checker_.check(model_, std::move(crash), succeed);
  report_.set_place(text("seed ", seed_, " life ", number_));
  if (!recovered) return;
  const BlockModel::CrashSummary summary = model_.summarize(recovered->volumes);
  counts_.add(Fault::kPendingSurvived, summary.pending_survived);
  counts_.add(Fault::kPendingLost, summary.pending_lost);
  counts_.add(Fault::kTrimCrossedCrash, summary.trims_remembered);
  for (const RecoveredVolume& volume : recovered->volumes)
    counts_.add(Fault::kSnapshotCrossedCrash, volume.snapshots.size());
  if (!succeed) return;
  legacy_.emplace(Legacy{std::move(recovered->disk), model_, damage});
  legacy_->model.restart(recovered->volumes);
}

void Life::end() {
  if (random_.chance(plan_.close_percent, 100)) {
    closing_ = true;
    due_at_io_ = device_.io_events() + 1 + random_.below(4);
    TaskGroup group(loop_.ready());
    struct Close {
      static Task<void> run(Store* store, Status* status) { *status = co_await store->close(); }
    };
    Status status;
    group.start(Close::run(store_.get(), &status));
    step_to_end(group, "closing");
    if (!status.ok() && !device_.failed_a_write())
      report_.fail(text("closing failed: ", status.message()));
  }
  if (!loop_.drain()) report_.fail("the store does not come to rest at its end");
  successor_ = std::min(successor_, points_);
  crash_point();
  workload_.reset();
  device_.set_power(false);
  if (!closing_ && !loop_.run(store_->close())) report_.fail("the store cannot be closed");
  store_.reset();
}

// To the store that was just formatted.
void add_hdd(SimLoop& loop, SimParts& parts, Random& random, Report& report) {
  auto opened = loop.run(Store::open(loop.runtime(), parts.ssd(), {}));
  if (!opened || !opened->ok()) report.fail("a formatted store cannot be opened");
  Store& store = ***opened;
  ColdFormatOptions options;
  for (std::byte& byte : options.device) byte = static_cast<std::byte>(random.next());
  const auto added = loop.run(store.add_cold_device(parts.hdd(), options));
  if (!added || !added->ok())
    report.fail(text("adding an HDD failed: ", added ? added->message() : "it does not end"));
  if (!loop.run(store.close())) report.fail("the store cannot be closed");
}

}  // namespace

SeedResult run_seed(uint64_t seed, Report& report, FaultCounts& counts) {
  const SeedPlan plan = draw_plan(seed);
  report.set_place(text("seed ", seed));
  report.say(plan.text());
  Random random(mix_seed(seed, 3));
  SimLoop loop(random.next());
  DiskImage blank(plan.device_bytes());
  if (random.chance(1, 2)) {
    for (std::byte& byte : blank) byte = static_cast<std::byte>(0xa5);
  }
  SimDevice device(loop, {std::move(blank), {}}, plan.device, random.next());
  FormatOptions format{.segment_bytes = plan.segment_bytes,
                       .keep_moves_apart = plan.keep_moves_apart,
                       .progress = {}};
  for (std::byte& byte : format.disk) byte = static_cast<std::byte>(random.next());
  SimParts parts(device, plan);
  const auto formatted = loop.run(Store::format(loop.runtime(), parts.ssd(), format));
  if (!formatted) report.fail("formatting does not end");
  if (!formatted->ok()) report.fail(text("formatting failed: ", formatted->message()));
  if (plan.cold_slot_count > 0) add_hdd(loop, parts, random, report);
  std::optional<Legacy> legacy{{device.power_cut(random, counts), {}, {}}};
  SeedResult result;
  for (uint32_t number = 0; number < plan.life_count && legacy; ++number) {
    auto life = std::make_unique<Life>(seed, number, plan, report, counts, std::move(*legacy));
    legacy = life->run(result);
  }
  return result;
}

}  // namespace varve
