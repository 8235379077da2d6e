#include "core/cleaning/cleaner.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/cleaning/victim_policy.h"
#include "core/log/log_reader.h"
#include "core/log/log_stream.h"

namespace varve {
namespace {

constexpr uint32_t kWindowBlocks = 256;  // 1 MiB: one read, one batch

// Block `i` of a move with data, as a move of its own.
Append single_block(const Append& move, uint32_t i) {
  Append single = move;
  single.entry.offset = static_cast<uint16_t>(move.entry.offset + i);
  single.entry.count = 1;
  single.from_position = move.from_position + i;
  single.data = move.data + static_cast<size_t>(i) * kBlockBytes;
  single.crcs = move.crcs + i;
  return single;
}

}  // namespace

Cleaner::Cleaner(LogWriter& writer, BlockMap& map)
    : writer_(writer), map_(map), tasks_(writer.runtime().ready) {}

Cleaner::~Cleaner() = default;

void Cleaner::start() {
  tasks_.start(run());
}

Task<void> Cleaner::stop() {
  stopping_ = true;
  writer_.slots().changed().wake_all();
  co_await tasks_.done();
}

Task<void> Cleaner::run() {
  SlotTable& slots = writer_.slots();
  bool working = false;
  while (!stopping_ && !writer_.failed()) {
    working = slots.free_count() < enough_slots(working);
    if (!working) {
      set_reclaiming(false);
      co_await slots.changed().wait();
      continue;
    }
    const uint32_t floor = LogWriter::floor_slots(StreamKind::kUser);
    const bool urgent = slots.free_count() <= floor;
    const VictimQuery query{.dense_blocks = writer_.geometry().dense_blocks(),
                            .now = slots.next_generation(),
                            .urgent = urgent,
                            .short_of_reserve = slots.free_count() < floor};
    const auto victim = choose_victim(slots, query);
    if (victim && (co_await clean_pinned(*victim)).ok()) {
      writer_.set_cleaning_stalled(false);
      slots.set_wanted_below(0);
      if (piece_began_ns_ != 0 && !stopping_) co_await writer_.rest(piece_began_ns_);
      piece_began_ns_ = 0;
      continue;
    }
    // Nothing can be won until something dies, or a segment that is being sealed can be cleaned.
    slots.set_wanted_below(victim_limit_blocks(query));
    writer_.set_cleaning_stalled(urgent && !slots.any_sealing());
    set_reclaiming(false);
    co_await slots.changed().wait();
  }
  set_reclaiming(false);
}

void Cleaner::set_reclaiming(bool works) {
  writer_.pacer().set_reclaiming(Reclaimer::kCleaner, works);
}

uint32_t Cleaner::enough_slots(bool working) const {
  const uint32_t low = LogWriter::floor_slots(StreamKind::kUser) +
                       writer_.geometry().runway_slots() + writer_.slots().cache_share();
  return working ? low + std::clamp(writer_.geometry().slot_count / 200, 1u, 32u) : low;
}

Task<Status> Cleaner::clean_pinned(uint32_t victim) {
  writer_.slots().pin(victim);
  writer_.slots().at(victim).cleaning = true;
  set_reclaiming(true);
  const Status status = co_await clean(victim);
  writer_.slots().set_reclaimed(victim, 0);
  writer_.slots().at(victim).cleaning = false;
  writer_.slots().unpin(victim);
  co_return status;
}

Task<Status> Cleaner::clean(uint32_t victim) {
  const Slot& slot = writer_.slots().at(victim);
  const auto footer = co_await LogReader::read_footer(writer_.device(), writer_.geometry(), victim,
                                                      slot.generation);
  if (!footer) {
    writer_.slots().at(victim).uncleanable = true;
    log_warn("cleaner", text("the footer of slot ", victim,
                             " is unreadable: its space is won back at the next start"));
    co_return Status();
  }
  piece_began_ns_ = 0;
  size_t entry_index = 0;
  size_t crc_index = 0;
  while (entry_index < footer->entries.size()) {
    // Looked up each time: what was moved a moment ago lies elsewhere now, and may be what a mark
    // in the next window hides once a snapshot is gone.
    const DataSequences forget_below =
        VARVE_MUTANT(kDropTrimMemory) ? DataSequences() : writer_.slots().data_sequences(victim);
    if (piece_began_ns_ != 0 && !stopping_) co_await writer_.rest(piece_began_ns_);
    piece_began_ns_ = writer_.runtime().clock.monotonic_ns();
    Window window = collect(victim, *footer, entry_index, crc_index, forget_below);
    if (!window.moves.empty()) VARVE_CO_TRY(co_await move(victim, std::move(window)));
    const uint64_t all = uint64_t{writer_.geometry().dense_blocks()} * entry_index;
    writer_.slots().set_reclaimed(victim, static_cast<uint32_t>(all / footer->entries.size()));
  }
  ++stats_.segments_cleaned;
  co_return Status();
}

Cleaner::Window Cleaner::collect(uint32_t victim, const Footer& footer, size_t& entry_index,
                                 size_t& crc_index, const DataSequences& forget_below) {
  Window window;
  uint32_t window_end = 0;
  while (entry_index < footer.entries.size()) {
    const Entry& entry = footer.entries[entry_index];
    if (entry.has_data()) {
      if (window_end == 0) window_end = entry.position + kWindowBlocks;
      if (static_cast<uint32_t>(entry.position) + entry.count > window_end) break;
    }
    if (window.moves.size() >= kBatchEntriesMax) break;
    collect_entry(window, victim, entry, footer.crcs.data() + crc_index, forget_below);
    crc_index += entry.data_blocks();
    ++entry_index;
  }
  return window;
}

void Cleaner::collect_entry(Window& window, uint32_t victim, const Entry& entry,
                            const uint32_t* crcs, const DataSequences& forget_below) {
  const uint32_t run_max =
      entry.has_data() ? writer_.geometry().relocate_blocks_max() : uint32_t{kExtentBlocks};
  // Rule 6: every member has it, no older version lies anywhere else, and what lies here goes with
  // this mark.
  const bool forgettable = entry.op == EntryOp::kZero &&
                           entry.sequence < forget_below.of(VolumeId{entry.volume}) &&
                           map_.may_forget(GroupId{entry.group}, entry.sequence);
  uint32_t run = 0;  // live blocks that end before block i
  for (uint32_t i = 0; i <= entry.count; ++i) {
    bool taken = i < entry.count && map_.live(entry, victim, i);
    if (taken && forgettable)
      taken = !map_.forget_zero(VolumeId{entry.volume}, entry.first_block() + i, victim,
                                entry.sequence);
    if (run > 0 && (!taken || run == run_max)) {
      add_move(window, victim, entry, i - run, run, crcs);
      run = 0;
    }
    if (taken) ++run;
  }
}

void Cleaner::add_move(Window& window, uint32_t victim, const Entry& entry, uint32_t first,
                       uint32_t count, const uint32_t* crcs) {
  Append& move = window.moves.emplace_back();
  move.entry = entry;
  move.entry.offset = static_cast<uint16_t>(entry.offset + first);
  move.entry.count = static_cast<uint16_t>(count);
  move.from_slot = victim;
  if (!entry.has_data()) return;
  const uint32_t position = entry.position + first;
  move.from_position = position;
  move.crcs = crcs + first;
  if (window.end_position == 0) window.first_position = position;
  window.end_position = position + count;
}

Task<void> Cleaner::read_window(uint32_t victim, Window& window, AlignedBuffer& buffer) {
  if (window.end_position == 0) co_return;
  const size_t bytes =
      static_cast<size_t>(window.end_position - window.first_position) * kBlockBytes;
  buffer = AlignedBuffer(bytes);
  for (Append& move : window.moves)
    if (move.entry.has_data())
      move.data = buffer.data() +
                  static_cast<size_t>(move.from_position - window.first_position) * kBlockBytes;
  const uint64_t offset = writer_.geometry().offset(victim, window.first_position);
  const Status read = co_await writer_.device().read(offset, buffer.span());
  if (!read.ok()) co_await read_singly(victim, window, buffer);
  std::vector<Append> checked;
  for (const Append& move : window.moves) check_move(move, checked);
  window.moves = std::move(checked);
}

Task<void> Cleaner::read_singly(uint32_t victim, Window& window, AlignedBuffer& buffer) {
  std::vector<Append> readable;
  for (const Append& move : window.moves) {
    if (!move.entry.has_data()) {
      readable.push_back(move);
      continue;
    }
    for (uint32_t i = 0; i < move.entry.count; ++i) {
      Append single = single_block(move, i);
      const size_t at = static_cast<size_t>(single.data - buffer.data());
      const auto into = buffer.span().subspan(at, kBlockBytes);
      const uint64_t offset = writer_.geometry().offset(victim, single.from_position);
      if ((co_await writer_.device().read(offset, into)).ok()) {
        readable.push_back(single);
        continue;
      }
      writer_.slots().at(victim).uncleanable = true;
      log_error("cleaner", text("the device cannot read block ", single.entry.first_block(),
                                " of volume ", single.entry.volume, " in slot ", victim,
                                ": the slot is kept until that block is overwritten or trimmed"));
    }
  }
  window.moves = std::move(readable);
}

void Cleaner::check_move(const Append& move, std::vector<Append>& checked) {
  std::vector<uint32_t> actual(move.entry.data_blocks());
  crc32c_blocks(move.data, actual.size(), actual.data());
  if (std::equal(actual.begin(), actual.end(), move.crcs)) {
    checked.push_back(move);
    return;
  }
  // Block by block: a damaged one is moved on as a mark that says so, never as data.
  for (uint32_t i = 0; i < move.entry.count; ++i) {
    Append& single = checked.emplace_back(single_block(move, i));
    if (actual[i] == move.crcs[i]) continue;
    single.entry.op = EntryOp::kDamaged;
    log_error("cleaner", text("block ", single.entry.first_block(), " of volume ",
                              single.entry.volume, " is damaged in slot ", move.from_slot));
  }
}

LogStream& Cleaner::stream_for(uint32_t victim) const {
  return writer_.relocated(std::min<uint32_t>(writer_.geometry().relocated_streams,
                                              writer_.slots().at(victim).moves + 1u));
}

Task<Status> Cleaner::move(uint32_t victim, Window window) {
  AlignedBuffer buffer;
  co_await read_window(victim, window, buffer);
  for (const Append& move : window.moves) stats_.relocated_blocks += move.entry.data_blocks();
  co_return co_await stream_for(victim).append_all(window.moves);
}

}  // namespace varve
