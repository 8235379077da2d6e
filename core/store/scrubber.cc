#include "core/store/scrubber.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/log/log_reader.h"
#include "core/store/store_core.h"

namespace varve {
namespace {

constexpr size_t kRunBlocks = 64;  // 256 KiB
constexpr uint64_t kSecond = 1000 * kMillisecond;
// Bad blocks that are kept for the healer; a later pass finds the others again.
constexpr size_t kDamagedMax = 4096;
constexpr uint64_t kHealAgainNs = 5 * kSecond;
constexpr size_t kHealsInVain = 4;
// Blocks one after the other that cannot be read: the device, or the way to it, is gone.
constexpr uint32_t kUnreadableMax = 16;
// A pass of its own is at least as fast, however little there is.
constexpr uint64_t kRateMin = 1 << 20;

}  // namespace

Scrubber::Scrubber(LogWriter& writer, BlockMap& map, ColdIndexes& indexes)
    : writer_(writer),
      map_(map),
      indexes_(indexes),
      buffer_(kRunBlocks * kBlockBytes),
      wake_(writer.runtime().ready),
      tasks_(writer.runtime().ready) {}

Scrubber::~Scrubber() = default;

void Scrubber::start() {
  tasks_.start(run());
}

Task<void> Scrubber::stop() {
  stopping_ = true;
  wake_.wake_all();
  co_await tasks_.done();
}

void Scrubber::set_interval(uint64_t pass_seconds) {
  Runtime& runtime = writer_.runtime();
  interval_ns_ = pass_seconds * kSecond;
  next_pass_ns_ = runtime.clock.monotonic_ns();
  // Who is restarted often does not look at the same slots each time.
  if (slots_left_ == 0 && interval_ns_ > 0)
    next_slot_ = static_cast<uint32_t>(runtime.random.below(writer_.slots().count()));
  wake_.wake_all();
}

void Scrubber::begin_pass(uint64_t bytes_per_second) {
  wanted_rate_ = bytes_per_second;
  // The slot that is being checked comes again.
  slots_left_ = writer_.slots().count() + (slots_left_ > 0 ? 1 : 0);
  next_read_ns_ = 0;
  wake_.wake_all();
}

uint64_t Scrubber::pass_rate() const {
  if (wanted_rate_ > 0) return wanted_rate_;
  const uint64_t seconds = std::max<uint64_t>(interval_ns_ / kSecond, 1);
  return std::max(map_.live_blocks() * kBlockBytes / seconds, kRateMin);
}

ScrubStats Scrubber::stats() const {
  ScrubStats stats = stats_;
  stats.slots_left = slots_left_;
  stats.bytes_per_second = slots_left_ > 0 ? pass_rate() : 0;
  return stats;
}

Task<void> Scrubber::run() {
  Runtime& runtime = writer_.runtime();
  while (!stopping_) {
    if (heal_due()) co_await heal_all();
    if (slots_left_ > 0) {
      co_await check_next();
      continue;
    }
    const uint64_t now_ns = runtime.clock.monotonic_ns();
    if (interval_ns_ > 0 && now_ns >= next_pass_ns_) {
      next_pass_ns_ = now_ns + interval_ns_;
      slots_left_ = writer_.slots().count();
      continue;
    }
    uint64_t wake_ns = interval_ns_ > 0 ? next_pass_ns_ : kNever;
    if (healer_ && !damaged_.empty()) wake_ns = std::min(wake_ns, next_heal_ns_);
    if (wake_ns == kNever)
      co_await wake_.wait();
    else
      co_await wake_.wait_until(runtime.timers, wake_ns);
  }
}

Task<void> Scrubber::check_next() {
  next_slot_ = (next_slot_ + 1) % writer_.slots().count();
  co_await check_slot(next_slot_);
  if (unreadable_in_row_ >= kUnreadableMax) {
    log_error("scrub", "the device cannot be read: this pass is given up");
    unreadable_in_row_ = 0;
    slots_left_ = 0;
    wanted_rate_ = 0;
    co_return;
  }
  // While that waits somebody may begin another pass.
  if (slots_left_ == 1) co_await heal_all();
  if (stopping_ || --slots_left_ > 0) co_return;
  wanted_rate_ = 0;
  ++stats_.passes_done;
}

Task<void> Scrubber::check_slot(uint32_t slot) {
  const Slot& held = writer_.slots().at(slot);
  if (held.state != SlotState::kSealed || held.live_blocks == 0) co_return;
  const uint32_t generation = held.generation;
  const std::optional<Footer> content = co_await read_content(slot);
  if (!content) {
    ++stats_.skipped_slots;
    co_return;
  }
  const std::vector<Block> blocks = live_blocks(slot, *content);
  for (size_t first = 0; first < blocks.size();) {
    // Others in between: the slot may be another's by now.
    const Slot& now = writer_.slots().at(slot);
    if (stopping_ || now.state != SlotState::kSealed || now.generation != generation) co_return;
    if (unreadable_in_row_ >= kUnreadableMax) co_return;
    size_t count = 1;
    while (count < kRunBlocks && first + count < blocks.size() &&
           blocks[first + count].position() == blocks[first].position() + count)
      ++count;
    co_await check_run(slot, std::span(blocks).subspan(first, count));
    co_await pace(count * kBlockBytes);
    first += count;
  }
}

Task<std::optional<Footer>> Scrubber::read_content(uint32_t slot) {
  if (writer_.geometry().is_cold(slot)) {
    Result<std::optional<ColdIndex>> index = co_await indexes_.read(slot);
    if (index.ok() && *index) co_return std::move((*index)->content);
    if (!index.ok()) log_error("scrub", index.status().message());
    co_return std::nullopt;
  }
  const uint32_t generation = writer_.slots().at(slot).generation;
  std::optional<Footer> footer =
      co_await LogReader::read_footer(writer_.device(), writer_.geometry(), slot, generation);
  // Recovery reads the batches' headers instead, then.
  if (!footer) log_warn("scrub", text("the footer of slot ", slot, " is unreadable"));
  co_return footer;
}

std::vector<Scrubber::Block> Scrubber::live_blocks(uint32_t slot, const Footer& content) const {
  std::vector<Block> blocks;
  const uint32_t* crcs = content.crcs.data();
  for (const Entry& entry : content.entries) {
    if (entry.op == EntryOp::kData) {
      for (uint32_t i = 0; i < entry.count; ++i)
        if (map_.live(entry, slot, i))
          blocks.push_back({&entry, crcs[i], static_cast<uint16_t>(i)});
    }
    crcs += entry.data_blocks();
  }
  return blocks;
}

Task<void> Scrubber::check_run(uint32_t slot, std::span<const Block> run) {
  const auto into = buffer_.span().first(run.size() * kBlockBytes);
  writer_.slots().pin(slot);
  const uint64_t offset = writer_.geometry().offset(slot, run.front().position());
  const Status status = co_await writer_.device().read(offset, into);
  std::vector<uint32_t> crcs(run.size());
  crc32c_blocks(into.data(), crcs.size(), crcs.data());
  for (size_t i = 0; i < run.size() && unreadable_in_row_ < kUnreadableMax; ++i) {
    if (status.ok() && crcs[i] == run[i].crc)
      found_good(slot, run[i]);
    else
      co_await check_again(slot, run[i]);
  }
  writer_.slots().unpin(slot);
  stats_.checked_blocks += run.size();
}

Task<void> Scrubber::check_again(uint32_t slot, Block block) {
  const auto into = buffer_.span().first(kBlockBytes);
  const uint64_t offset = writer_.geometry().offset(slot, block.position());
  const Status status = co_await writer_.device().read(offset, into);
  if (status.ok() && crc32c(into) == block.crc) {
    found_good(slot, block);
    co_return;
  }
  if (!status.ok()) ++unreadable_in_row_;
  found_bad(slot, block, status.ok());
}

void Scrubber::found_good(uint32_t slot, Block block) {
  unreadable_in_row_ = 0;
  // What could not be read once may be readable now.
  if (map_.damaged_blocks() > 0)
    map_.mark_good(VolumeId{block.entry->volume}, block.block(), slot, block.position(),
                   block.entry->sequence);
}

void Scrubber::found_bad(uint32_t slot, Block block, bool readable) {
  const Entry& entry = *block.entry;
  const VolumeId volume{entry.volume};
  const bool fresh = map_.mark_bad(volume, block.block(), slot, block.position());
  // Dead by now, perhaps.
  if (!map_.is_bad(volume, block.block(), slot, block.position(), entry.sequence)) return;
  if (volume == kIndexVolume) {
    indexes_.note_damage(block.block());
    return;
  }
  if (fresh) {
    ++stats_.bad_blocks;
    log_error("scrub", text("block ", block.block(), " of volume ", entry.volume,
                            readable ? " is damaged" : " cannot be read", ": slot ", slot));
  }
  const bool told = std::any_of(damaged_.begin(), damaged_.end(), [&](const BadBlock& known) {
    return known.slot == slot && known.position == block.position();
  });
  if (told || damaged_.size() == kDamagedMax) return;
  damaged_.push_back({.volume = volume,
                      .generation = entry.generation,
                      .group = GroupId{entry.group},
                      .block = block.block(),
                      .sequence = entry.sequence,
                      .crc = block.crc,
                      .slot = slot,
                      .position = block.position()});
}

void Scrubber::set_healer(Store::Healer healer) {
  healer_ = std::move(healer);
  next_heal_ns_ = 0;
  wake_.wake_all();
}

bool Scrubber::heal_due() const {
  return healer_ && !damaged_.empty() && writer_.runtime().clock.monotonic_ns() >= next_heal_ns_;
}

Task<void> Scrubber::heal_all() {
  std::deque<BadBlock> left;
  while (!damaged_.empty() && healer_ && !stopping_) {
    const BadBlock bad = damaged_.front();
    damaged_.pop_front();
    // Written anew meanwhile, perhaps.
    if (!map_.is_bad(bad.volume, bad.block, bad.slot, bad.position, bad.sequence)) continue;
    const bool done = co_await healer_(bad);
    if (!done) left.push_back(bad);
    if (left.size() == kHealsInVain) break;  // others have their turn first the next time
  }
  damaged_.insert(damaged_.end(), left.begin(), left.end());
  if (!left.empty()) next_heal_ns_ = writer_.runtime().clock.monotonic_ns() + kHealAgainNs;
}

Task<Status> StoreCore::heal(BadBlock bad, const std::byte* data) {
  const auto bytes = std::span(data, kBlockBytes);
  if (crc32c(bytes) != bad.crc) co_return ErrorCode::kInvalidArgument;
  if (writer_.failed()) co_return ErrorCode::kIoError;  // reads only, until it is opened again
  if (!map_.is_bad(bad.volume, bad.block, bad.slot, bad.position, bad.sequence))
    co_return ErrorCode::kNotFound;
  Slot& slot = slots_.at(bad.slot);
  // The bad bytes are on their way elsewhere, as a mark that would outlive ours.
  if (slot.cleaning || slot.sinking || slot.healing) co_return ErrorCode::kBusy;
  if (!enter()) co_return ErrorCode::kClosed;
  slot.healing = true;
  // The slot is sealed and stays what it is: only bytes that were wrong change. A disk gives a
  // sector that it could not read a new place when it is written.
  slots_.pin(bad.slot);
  const uint64_t offset = geometry_.offset(bad.slot, bad.position);
  Status status = co_await device_.write(offset, bytes, /*durable=*/true);
  AlignedBuffer again(kBlockBytes);
  if (status.ok()) status = co_await device_.read(offset, again.span());
  slots_.unpin(bad.slot);
  slots_.at(bad.slot).healing = false;
  if (status.ok() && crc32c(again.span()) != bad.crc) status = ErrorCode::kDamaged;
  if (status.ok()) slots_.at(bad.slot).uncleanable = false;  // who finds it so again says so
  slots_.changed().wake_all();
  if (status.ok() && map_.mark_good(bad.volume, bad.block, bad.slot, bad.position, bad.sequence))
    ++repaired_blocks_;
  leave();
  co_return status;
}

Task<void> Scrubber::pace(uint64_t bytes) {
  Runtime& runtime = writer_.runtime();
  const uint64_t now_ns = runtime.clock.monotonic_ns();
  next_read_ns_ = std::max(next_read_ns_, now_ns) + bytes * kSecond / pass_rate();
  while (!stopping_ && runtime.clock.monotonic_ns() < next_read_ns_)
    co_await wake_.wait_until(runtime.timers, next_read_ns_);
}

}  // namespace varve
