#include "tests/sim/crash_checker.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/base/units.h"

namespace varve {

namespace {

constexpr uint64_t kReadBlocks = 64;
constexpr uint32_t kDepthMax = 3;

std::string damage_text(const Damage& damage) {
  return damage.done ? "damage: " + damage.what : "nothing was damaged";
}

}  // namespace

CrashChecker::CrashChecker(const SeedPlan& plan, const Report& report, FaultCounts& counts)
    : plan_(plan),
      report_(report),
      counts_(counts),
      memory_(std::make_unique_for_overwrite<std::byte[]>((kReadBlocks + 1) * kBlockBytes)) {
  const auto address = reinterpret_cast<uintptr_t>(memory_.get());
  buffer_ = memory_.get() + (round_up(address, kBlockBytes) - address);
}

std::optional<Recovered> CrashChecker::check(const BlockModel& model, CrashCase crash,
                                             bool keep_image) {
  ++checked_;
  Random random(crash.seed);
  SimLoop loop(random.next());
  SimDeviceOptions options = plan_.device;
  options.durable_history_max = 0;
  SimDevice device(loop, std::move(crash.disk), options, random.next());
  Nested nested;
  if (crash.depth < kDepthMax && random.chance(plan_.recovery_crash_percent, 100)) {
    nested.at_write = 1 + random.below(4);
  }
  SimParts parts(device, plan_);
  std::unique_ptr<Store> store = open(loop, device, parts, crash, nested);
  if (store == nullptr) return {};
  const Look first = look(loop, *store, model);
  const std::string wrong = model.check_recovered(first.volumes, crash.damage.blocks);
  if (!wrong.empty()) report_.fail(text(wrong, "  ", damage_text(crash.damage)));
  put_down(loop, device, std::move(store));

  // What was served stays, even if it was read from the disk's cache and the power fails now.
  std::unique_ptr<SimDevice> cut;
  if (random.chance(1, 2)) {
    counts_.add(Fault::kPowerCutAfterRecovery);
    cut = std::make_unique<SimDevice>(loop, device.power_cut(random, counts_), options,
                                      random.next());
  }
  SimDevice& second = cut ? *cut : device;
  Nested none;
  SimParts second_parts(second, plan_);
  store = open(loop, second, second_parts, crash, none);
  if (store == nullptr) report_.fail("a recovered store refuses to serve when opened again");
  compare(crash, first, look(loop, *store, model), model.cloned());
  put_down(loop, second, std::move(store));
  hash_ = hash_ * 31 + loop.hash();

  if (nested.disk) {
    counts_.add(Fault::kCrashInRecovery);
    check(model,
          {.disk = std::move(*nested.disk),
           .damage = crash.damage,
           .seed = random.next(),
           .depth = crash.depth + 1},
          false);
  }
  Recovered recovered{{}, first.volumes};
  if (keep_image) recovered.disk = second.power_cut(random, counts_);
  return recovered;
}

// Opens the store and takes what a crash in the middle of that would leave.
std::unique_ptr<Store> CrashChecker::open(SimLoop& loop, SimDevice& device, SimParts& parts,
                                          const CrashCase& crash, Nested& nested) {
  using Opened = Result<std::unique_ptr<Store>>;
  const uint64_t writes_before = device.writes_submitted();
  std::optional<Opened> result;
  TaskGroup group(loop.ready());
  struct Keep {
    static Task<void> result(Task<Opened> task, std::optional<Opened>* out) {
      out->emplace(co_await task);
    }
  };
  group.start(Keep::result(Store::open(loop.runtime(), parts.ssd(), parts.options()), &result));
  Random random(crash.seed ^ 0x6e657374);
  for (uint64_t steps = 0; !result; ++steps) {
    if (steps == SimLoop::kStepLimit) report_.fail("recovery does not come to an end");
    if (!loop.step()) report_.fail("recovery waits for nothing");
    if (nested.at_write > 0 && !nested.disk &&
        device.writes_submitted() - writes_before >= nested.at_write) {
      const auto kind = random.chance(1, 4) ? CrashKind::kKill : CrashKind::kPowerCut;
      nested.disk = device.crash(kind, random, counts_);
    }
  }
  if (!result->ok()) return refused(result->status(), device, crash);
  return std::move(**result);
}

std::unique_ptr<Store> CrashChecker::refused(const Status& status, const SimDevice& device,
                                             const CrashCase& crash) {
  if (status.code() != ErrorCode::kDamaged || !crash.damage.may_refuse) {
    report_.fail(text("recovery failed: ", error_name(status.code()), ": ", status.message(),
                      "\n  ", damage_text(crash.damage)));
  }
  if (device.writes_submitted() > 0 || device.discards_submitted() > 0) {
    report_.fail(text("a store that refuses to serve wrote to its device\n  ", crash.damage.what));
  }
  counts_.add(Fault::kRefusedToServe);
  return nullptr;
}

CrashChecker::Look CrashChecker::look(SimLoop& loop, Store& store, const BlockModel& model) {
  struct ReadAll {
    static Task<bool> run(CrashChecker* self, Store* store, const BlockModel* model,
                          std::vector<RecoveredVolume>* out) {
      co_await self->read_all(*store, *model, out);
      co_return true;
    }
  };
  Look seen;
  if (!loop.run(ReadAll::run(this, &store, &model, &seen.volumes))) {
    report_.fail("a read of a recovered store does not end");
  }
  seen.stats = store.stats();
  return seen;
}

Task<void> CrashChecker::read_all(Store& store, const BlockModel& model,
                                  std::vector<RecoveredVolume>* out) {
  for (const VolumeInfo& info : store.volumes()) {
    const Result<ViewSpace> space = co_await store.view_space(info.id);
    RecoveredVolume volume{.id = info.id,
                           .name = info.name,
                           .used_blocks = space.ok() ? space->used_bytes / kBlockBytes : 0,
                           .tier = info.tier};
    volume.values.assign(info.size_bytes / kBlockBytes, kGarbageValue);
    const uint32_t number = model.number_of(info.id, info.name);
    const uint32_t family = number == 0 ? 0 : model.family(number);
    if (number != 0) co_await read_view(store, info.id, family, volume.values);
    for (const SnapshotInfo& snapshot : store.snapshots(info.id)) {
      RecoveredSnapshot& seen = volume.snapshots.emplace_back();
      seen.name = snapshot.name;
      seen.generation = snapshot.generation;
      seen.values.assign(snapshot.size_bytes / kBlockBytes, kGarbageValue);
      if (number != 0)
        co_await read_view(store, {info.id, snapshot.generation}, family, seen.values);
    }
    out->push_back(std::move(volume));
  }
}

Task<void> CrashChecker::read_view(Store& store, VolumeView view, uint32_t family,
                                   std::vector<BlockValue>& values) {
  for (uint64_t first = 0; first < values.size(); first += kReadBlocks) {
    const BlockRange range{first, std::min<uint64_t>(kReadBlocks, values.size() - first)};
    co_await read_run(store, view, family, values, range);
  }
}

Task<void> CrashChecker::read_run(Store& store, VolumeView view, uint32_t family,
                                  std::vector<BlockValue>& values, BlockRange range) {
  const Status status = co_await store.read(view, range, buffer_);
  if (status.code() == ErrorCode::kDamaged) {
    counts_.add(Fault::kDamagedAnswered, range.count == 1);
    if (range.count == 1) values[range.first] = kDamagedValue;
    for (uint64_t i = 0; i < range.count && range.count > 1; ++i) {
      const BlockRange single{range.first + i, 1};
      co_await read_run(store, view, family, values, single);
    }
    co_return;
  }
  if (!status.ok()) report_.fail(text("a read after recovery failed: ", status.message()));
  for (uint64_t i = 0; i < range.count; ++i) {
    const std::byte* block = buffer_ + i * kBlockBytes;
    const auto number = static_cast<uint32_t>(range.first + i);
    values[number] = value_of(block, family, number);
    if (values[number] == kGarbageValue)
      report_.say(text("family ", family, " block ", number, " is ", describe_block(block)));
  }
}

// Ends a store without giving it the chance to leave anything on the device.
void CrashChecker::put_down(SimLoop& loop, SimDevice& device, std::unique_ptr<Store> store) {
  if (!loop.drain()) report_.fail("a recovered store does not come to rest");
  if (!device.offence().empty()) report_.fail(text("in recovery: ", device.offence()));
  device.set_power(false);
  if (!loop.run(store->close())) report_.fail("a recovered store cannot be closed");
  device.set_power(true);
}

// Cleaning may turn a block whose bytes are bad into a mark that says so, which takes no space: as
// many blocks as are damaged may leave the counts.
void CrashChecker::compare(const CrashCase& crash, const Look& first, const Look& second,
                           bool hidden) {
  const std::string why = damage_text(crash.damage);
  const auto differ = [&](const std::string& what, uint64_t before, uint64_t after,
                          uint64_t slack) {
    if (before - after <= slack) return;
    report_.fail(
        text("a second recovery changes ", what, ": ", before, " becomes ", after, "\n  ", why));
  };
  const uint64_t damaged = hidden ? second.stats.damaged_blocks : first.stats.damaged_blocks;
  differ("the damaged blocks", damaged, second.stats.damaged_blocks, 0);
  differ("the live blocks", first.stats.live_blocks, second.stats.live_blocks, damaged);
  differ("the capacity", first.stats.capacity_blocks, second.stats.capacity_blocks, 0);
  differ("the number of volumes", first.volumes.size(), second.volumes.size(), 0);
  for (size_t i = 0; i < first.volumes.size(); ++i) {
    const RecoveredVolume& before = first.volumes[i];
    const RecoveredVolume& after = second.volumes[i];
    if (before.name != after.name || before.id != after.id) report_.fail("volumes change places");
    if (before.tier != after.tier)
      report_.fail(text("a second recovery changes the tier of volume ", before.name));
    differ("the used blocks of " + before.name, before.used_blocks, after.used_blocks, damaged);
    differ("the size of " + before.name, before.values.size(), after.values.size(), 0);
    differ("the snapshots of " + before.name, before.snapshots.size(), after.snapshots.size(), 0);
    for (size_t n = 0; n < before.snapshots.size(); ++n)
      if (before.snapshots[n].name != after.snapshots[n].name ||
          before.snapshots[n].values != after.snapshots[n].values)
        report_.fail(text("a second recovery changes snapshot ", before.snapshots[n].name,
                          " of volume ", before.name, "\n  ", why));
    for (size_t block = 0; block < before.values.size(); ++block) {
      if (before.values[block] == after.values[block]) continue;
      report_.fail(text("a second recovery changes volume ", before.name, " block ", block,
                        " from ", value_text(before.values[block]), " to ",
                        value_text(after.values[block]), "\n  ", why));
    }
  }
}

}  // namespace varve
