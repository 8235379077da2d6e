#include "tests/sim/workload.h"

#include <algorithm>
#include <cstring>

#include "core/base/crc32c.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "tests/sim/payload.h"

namespace varve {

namespace {

constexpr uint64_t kRequestBlocksMax = 64;
constexpr uint64_t kGrowthBlocksMax = 20;
constexpr uint64_t kScrubRate = 100 << 20;

std::string status_text(const Status& status) {
  return std::string(status.message());
}

}  // namespace

Workload::Workload(SimLoop& loop, const SimDevice& device, Store& store, BlockModel& model,
                   const SeedPlan& plan, const Report& report, FaultCounts& counts, uint64_t seed)
    : loop_(loop),
      device_(device),
      store_(store),
      model_(model),
      plan_(plan),
      report_(report),
      counts_(counts),
      random_(seed),
      life_(seed),
      clients_(loop.ready()) {}

void Workload::start() {
  buffers_.resize(plan_.queue_depth + 2);
  for (Buffer& buffer : buffers_) {
    // Room for the largest request, for the alignment, and for data that is not aligned.
    buffer.memory =
        std::make_unique_for_overwrite<std::byte[]>((kRequestBlocksMax + 2) * kBlockBytes);
    const auto address = reinterpret_cast<uintptr_t>(buffer.memory.get());
    buffer.blocks = buffer.memory.get() + (round_up(address, kBlockBytes) - address);
  }
  clients_.start(set_up());
}

Task<void> Workload::set_up() {
  for (uint32_t i = 0; i < plan_.volume_count; ++i) {
    if (model_.volumes_in(BlockModel::VolumeState::kLive).size() < plan_.volume_count) {
      co_await create();
    }
  }
  if (draw_volume() == 0) {
    if (!device_.failed_a_write()) report_.fail("there is no volume to work on");
    co_return;
  }
  active_ = plan_.queue_depth;
  for (uint32_t i = 0; i < plan_.queue_depth; ++i) clients_.start(client(i));
}

Task<void> Workload::client(uint32_t index) {
  while (ops_started_ < plan_.ops_per_life) {
    ++ops_started_;
    co_await one_op(buffers_[index]);
  }
  --active_;
  if (active_ > 0 || !waiter_) co_return;
  // The last one to leave makes room, so that the one who waits for it is woken.
  for (const auto& [cut, part] : model_.live_parts()) co_await drop_part(cut, part);
  for (const uint32_t volume : model_.volumes_in(BlockModel::VolumeState::kLive)) {
    co_await trim(volume, {0, model_.volume_blocks(volume)});
  }
}

Task<void> Workload::one_op(Buffer& buffer) {
  const uint32_t volume = draw_volume();
  uint64_t draw = random_.below(plan_.write_weight + plan_.read_weight + plan_.trim_weight +
                                plan_.status_weight + plan_.volume_weight + plan_.view_weight +
                                plan_.scrub_weight + plan_.tier_weight);
  const auto pick = [&draw](uint32_t weight) {
    if (draw < weight) return true;
    draw -= weight;
    return false;
  };
  if (pick(plan_.write_weight)) {
    co_await write(buffer);
  } else if (pick(plan_.read_weight)) {
    co_await read(buffer, volume, draw_range(volume, draw_count()));
  } else if (pick(plan_.trim_weight)) {
    co_await trim_something();
  } else if (pick(plan_.status_weight)) {
    status();
  } else if (pick(plan_.view_weight)) {
    if (random_.chance(1, 2))
      co_await read_snapshot(buffer);
    else
      co_await change_views();
  } else if (pick(plan_.scrub_weight)) {
    store_.scrub_now(kScrubRate);
  } else if (pick(plan_.tier_weight)) {
    co_await set_tier();
  } else if (random_.chance(1, 3)) {
    co_await grow();
  } else if (model_.volumes_in(BlockModel::VolumeState::kLive).size() > plan_.volume_count) {
    co_await remove();
  } else if (model_.volumes_in(BlockModel::VolumeState::kCreating).empty()) {
    co_await create();
  }
}

uint32_t Workload::draw_volume() {
  const auto live = model_.volumes_in(BlockModel::VolumeState::kLive);
  return live.empty() ? 0 : live[random_.below(live.size())];
}

uint64_t Workload::draw_count() {
  if (random_.chance(plan_.large_per_mille, 1000)) return 32 + random_.below(33);
  return plan_.fixed_size ? plan_.write_blocks_max : 1 + random_.below(plan_.write_blocks_max);
}

BlockRange Workload::draw_range(uint32_t volume, uint64_t count) {
  const uint64_t blocks = model_.volume_blocks(volume);
  count = std::min(count, blocks);
  uint64_t first = random_.below(blocks - count + 1);
  if (plan_.sequential) {
    first = std::exchange(next_sequential_, next_sequential_ + count) % (blocks - count + 1);
  } else if (random_.chance(plan_.hot_per_mille, 1000)) {
    first = random_.below(std::max<uint64_t>(blocks / 8, 1));
    first = std::min(first, blocks - count);
  }
  return {first, count};
}

// The device failed a write: whatever the store answers so stays in doubt, and it says so.
bool Workload::in_doubt(const Status& status, uint32_t volume) const {
  if (status.code() == ErrorCode::kIoError)
    return device_.failed_a_write() && store_.stats().failed;
  return status.code() == ErrorCode::kNotFound && gone(volume);
}

bool Workload::gone(uint32_t volume) const {
  return model_.volume_state(volume) != BlockModel::VolumeState::kLive;
}

// The store may refuse a write only when it is full. It may have decided so at any time while the
// write was under way, so the fullest moment counts.
void Workload::see_fullness() {
  const uint64_t blocks = store_.stats().live_blocks + model_.blocks_in_flight();
  for (OpenWrite* open : open_writes_) open->blocks_peak = std::max(open->blocks_peak, blocks);
}

Task<void> Workload::write(Buffer& buffer) {
  const uint32_t volume = draw_volume();
  const BlockRange range = draw_range(volume, draw_count());
  std::byte* data = buffer.blocks + (random_.chance(1, 4) ? 64 : 0);
  const uint32_t op = model_.begin_write(volume, range, false);
  uint32_t crcs[kRequestBlocksMax];
  for (uint64_t i = 0; i < range.count; ++i) {
    fill_block({model_.family(volume), static_cast<uint32_t>(range.first + i), op},
               data + i * kBlockBytes);
  }
  crc32c_blocks(data, range.count, crcs);
  OpenWrite open;
  open_writes_.push_back(&open);
  see_fullness();
  const Status status = co_await store_.write(model_.volume_id(volume), range, data, crcs);
  see_fullness();
  std::erase(open_writes_, &open);
  std::memset(data, 0xee, kBlockBytes);  // the store must be done with it
  loop_.note(op * 8ull + static_cast<uint64_t>(status.code()));
  if (status.ok()) {
    model_.end_write(op, true);
  } else if (status.code() == ErrorCode::kNoSpace) {
    co_await refused_write(op, open);
  } else if (in_doubt(status, volume)) {
    model_.abandon_write(op);
  } else {
    report_.fail(text("write ", op, " failed: ", status_text(status), "\n",
                      model_.history(volume, range.first)));
  }
}

Task<void> Workload::refused_write(uint32_t op, const OpenWrite& open) {
  counts_.add(Fault::kNoSpaceAnswered);
  const StoreStats stats = store_.stats();
  // Marks of trimmed blocks count too, 64 of them like a block.
  const uint64_t views = plan_.volume_count + 1 + model_.live_parts().size();
  const uint64_t marks_max = largest_volume_blocks() * views / 64 + 1;
  if (open.blocks_peak + marks_max < stats.write_limit_blocks) {
    report_.fail(text("write ", op, " got no space with at most ", open.blocks_peak, " of ",
                      stats.write_limit_blocks, " blocks taken; ", stats.free_slot_count, " of ",
                      stats.slot_count, " slots are free"));
  }
  model_.end_write(op, false);
  if (!waiter_ && active_ > 1 && random_.chance(1, 2)) {
    waiter_ = true;
    --active_;
    co_await store_.space_freed();
    ++active_;
    waiter_ = false;
  } else {
    co_await drop_snapshot();
    co_await trim_something();
  }
}

Task<void> Workload::read(Buffer& buffer, uint32_t volume, BlockRange range) {
  const uint32_t op = model_.begin_read(volume, range);
  const Status status = co_await store_.read(model_.volume_id(volume), range, buffer.blocks);
  loop_.note(op * 8ull + static_cast<uint64_t>(status.code()));
  if (status.code() == ErrorCode::kDamaged) {
    counts_.add(Fault::kDamagedAnswered);
    report_.expect_right(model_.end_read_failed(op, true));
    if (range.count == 1) co_return;
    for (uint64_t i = 0; i < range.count && !gone(volume); ++i) {
      co_await read(buffer, volume, {range.first + i, 1});
    }
    co_return;
  }
  if (status.code() == ErrorCode::kNotFound) {
    report_.expect_right(model_.end_read_failed(op, false));
    co_return;
  }
  if (!status.ok()) report_.fail(text("read ", op, " failed: ", status_text(status)));
  std::vector<BlockValue> values(range.count);
  for (uint64_t i = 0; i < range.count; ++i) {
    const std::byte* block = buffer.blocks + i * kBlockBytes;
    values[i] = value_of(block, model_.family(volume), static_cast<uint32_t>(range.first + i));
    if (values[i] == kGarbageValue) {
      report_.fail(text("read ", op, ": volume ", volume, " block ", range.first + i, " holds ",
                        describe_block(block), "\n", model_.history(volume, range.first + i)));
    }
  }
  report_.expect_right(model_.end_read(op, values));
}

Task<void> Workload::trim_something() {
  const uint32_t volume = draw_volume();
  const uint64_t blocks = model_.volume_blocks(volume);
  const uint64_t count = random_.chance(1, 8) ? random_.below(blocks) + 1 : draw_count();
  co_await trim(volume, draw_range(volume, count));
}

Task<void> Workload::trim(uint32_t volume, BlockRange range) {
  const uint32_t op = model_.begin_write(volume, range, true);
  const Status status = co_await store_.trim(model_.volume_id(volume), range);
  loop_.note(op * 8ull + static_cast<uint64_t>(status.code()));
  if (status.ok()) {
    model_.end_write(op, true);
  } else if (in_doubt(status, volume)) {
    model_.abandon_write(op);
  } else {
    report_.fail(text("trim ", op, " failed: ", status_text(status)));
  }
}

void Workload::status() {
  const uint32_t volume = draw_volume();
  const BlockRange range = draw_range(volume, 1 + random_.below(64));
  std::vector<BlockStatusRun> runs;
  const Status status = store_.block_status(model_.volume_id(volume), range, runs);
  if (!status.ok()) report_.fail(text("block status failed: ", status_text(status)));
  report_.expect_right(model_.check_status(volume, range, runs));
}

uint64_t Workload::volume_size_blocks() const {
  const uint64_t total = store_.stats().write_limit_blocks * plan_.fill_percent / 100;
  return std::max<uint64_t>(total / plan_.volume_count, 4);
}

uint64_t Workload::largest_volume_blocks() const {
  uint64_t largest = volume_size_blocks();
  for (const uint32_t volume : model_.volumes_in(BlockModel::VolumeState::kLive))
    largest = std::max(largest, model_.volume_blocks(volume));
  return largest;
}

// The model does not know what is in a snapshot, or what a roll-back reaches, of a volume that
// grows meanwhile.
Task<void> Workload::grow() {
  const uint32_t volume = draw_volume();
  if (growing_ || pinning_ || model_.roll_back_in_flight() || model_.growing(volume)) co_return;
  const uint64_t blocks = model_.volume_blocks(volume) + 1 + random_.below(kGrowthBlocksMax);
  growing_ = true;
  model_.begin_grow(volume, blocks);
  const auto grown = co_await store_.resize_volume(model_.volume_id(volume), blocks * kBlockBytes);
  loop_.note(volume * 8ull + static_cast<uint64_t>(grown.code()));
  growing_ = false;
  if (grown.ok()) {
    counts_.add(Fault::kGrown);
    model_.end_grow(volume, true);
  } else if (grown.code() != ErrorCode::kIoError) {
    const bool full = grown.code() == ErrorCode::kNoSpace && filling_up();
    const bool too_large = grown.code() == ErrorCode::kInvalidArgument &&
                           store_.volume_tier(model_.volume_id(volume)) == VolumeTier::kSsd;
    if (!full && !too_large && !in_doubt(grown.status(), volume))
      report_.fail(text("growing volume ", volume, " failed: ", status_text(grown.status())));
    model_.end_grow(volume, false);
  } else if (!in_doubt(grown.status(), volume)) {
    report_.fail(text("growing volume ", volume, " failed: ", status_text(grown.status())));
  }
}

Task<void> Workload::set_tier() {
  const uint32_t volume = draw_volume();
  if (model_.setting_tier(volume)) co_return;
  const auto tier = static_cast<VolumeTier>(random_.below(3));
  model_.begin_set_tier(volume, tier);
  const auto set = co_await store_.set_volume_tier(model_.volume_id(volume), tier);
  loop_.note(volume * 8ull + static_cast<uint64_t>(set.code()));
  if (set.ok()) {
    counts_.add(Fault::kTierSet);
    if (set->tier != tier) report_.fail(text("volume ", volume, " was given another tier"));
    model_.end_set_tier(volume, true);
    co_return;
  }
  // What the device failed may be there after the next crash.
  if (in_doubt(set.status(), volume)) co_return;
  const bool too_large = tier == VolumeTier::kSsd && set.code() == ErrorCode::kInvalidArgument;
  if (!too_large)
    report_.fail(text("the tier of volume ", volume, " was not set: ", status_text(set.status())));
  model_.end_set_tier(volume, false);
}

Task<void> Workload::create() {
  const uint64_t blocks = volume_size_blocks();
  const std::string name = new_volume_name();
  const uint32_t volume = model_.begin_create(name, blocks);
  const Result<VolumeInfo> made = co_await store_.create_volume(name, blocks * kBlockBytes);
  loop_.note(volume * 8ull + static_cast<uint64_t>(made.code()));
  if (!made.ok() && in_doubt(made.status(), volume)) co_return;
  if (!made.ok()) {
    // Clients may race for a name.
    const bool full = made.code() == ErrorCode::kNoSpace && filling_up();
    if (!full && made.code() != ErrorCode::kAlreadyExists) {
      report_.fail(text("creating volume ", name, " failed: ", status_text(made.status())));
    }
    model_.end_create(volume, false, {});
    co_return;
  }
  model_.end_create(volume, true, made->id);
}

// Over 80 % full the store takes neither volumes nor snapshots.
bool Workload::filling_up() const {
  const StoreStats stats = store_.stats();
  return (stats.live_blocks + model_.blocks_in_flight()) * 4 > stats.capacity_blocks * 3;
}

// Names come back after a deletion; ids never do.
std::string Workload::new_volume_name() {
  std::string name = text("v", names_used_++ % 5);
  while (store_.find_volume(name).ok()) name += "x";
  return name;
}

Task<void> Workload::remove() {
  const uint32_t volume = draw_volume();
  for (const auto& [cut, part] : model_.live_parts(volume)) co_await drop_part(cut, part);
  if (gone(volume) || model_.has_parts(volume)) co_return;  // others are at it
  if (model_.volumes_in(BlockModel::VolumeState::kLive).size() <= plan_.volume_count) co_return;
  model_.begin_delete(volume);
  const Status status = co_await store_.delete_volume(model_.volume_id(volume));
  loop_.note(volume * 8ull + static_cast<uint64_t>(status.code()));
  if (!status.ok() && in_doubt(status, volume)) co_return;
  if (!status.ok()) report_.fail(text("deleting a volume failed: ", status_text(status)));
  model_.end_delete(volume);
}

Task<void> Workload::finish() {
  for (const uint32_t volume : model_.volumes_in(BlockModel::VolumeState::kLive)) {
    const uint64_t blocks = model_.volume_blocks(volume);
    for (uint64_t first = 0; first < blocks; first += kRequestBlocksMax) {
      co_await read(buffers_.back(), volume, {first, std::min(kRequestBlocksMax, blocks - first)});
    }
  }
  for (const auto& [cut, part] : model_.live_parts()) {
    const BlockModel::Part& snapshot = model_.cut(cut).parts[part];
    const VolumeView view(model_.volume_id(snapshot.volume), snapshot.generation);
    const BlockRange all{0, snapshot.allowed.size()};
    std::vector<BlockValue> values;
    const bool read = co_await read_view(buffers_.back().blocks, view,
                                         model_.family(snapshot.volume), all, values);
    if (!read) report_.fail("a snapshot that was not dropped is gone");
    report_.expect_right(model_.check_snapshot(cut, part, all, values));
  }
  check_at_rest();
}

void Workload::check_at_rest() {
  const StoreStats stats = store_.stats();
  if (stats.failed != device_.failed_a_write()) {
    report_.fail("the store and its device do not agree on whether the device failed");
  }
  if (stats.failed) return;  // what is in doubt may or may not count
  const auto [least, most] = model_.data_blocks_bounds();
  if (stats.live_blocks < least || stats.live_blocks > most + stats.damaged_blocks) {
    report_.fail(text("at rest the store counts ", stats.live_blocks, " live blocks; the model ",
                      least, " to ", most));
  }
}

}  // namespace varve
