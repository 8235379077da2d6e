#include "core/tiering/cold_tier.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"
#include "core/log/log_reader.h"
#include "core/log/log_stream.h"

namespace varve {
namespace {

constexpr size_t kLoadsInFlight = 16;
// Kept for packing, which needs one to begin with.
constexpr uint32_t kPackingReserve = 1;
constexpr uint32_t kEntriesAtOnce = 1024;

bool before(const ColdMove& a, const ColdMove& b) {
  return std::tie(a.volume, a.block, a.generation) < std::tie(b.volume, b.block, b.generation);
}

// Adds what stands behind `middle`, in any order, to what stands sorted from `first` to there.
void sort_in(std::vector<ColdMove>& moves, size_t first, size_t middle) {
  const auto begin = moves.begin() + static_cast<ptrdiff_t>(first);
  const auto at = moves.begin() + static_cast<ptrdiff_t>(middle);
  std::sort(at, moves.end(), before);
  std::vector<ColdMove> merged(moves.begin(), begin);
  merged.reserve(moves.size());
  std::merge(begin, at, at, moves.end(), std::back_inserter(merged), before);
  moves = std::move(merged);
}

}  // namespace

ColdTier::ColdTier(LogWriter& writer, BlockMap& map, std::function<void()> sunk)
    : writer_(writer),
      map_(map),
      sunk_(std::move(sunk)),
      indexes_(writer, map),
      sinker_(writer, map, indexes_),
      tasks_(writer.runtime().ready) {}

ColdTier::~ColdTier() = default;

void ColdTier::set_hot_limits(uint64_t low_blocks, uint64_t high_blocks) {
  low_blocks_ = low_blocks;
  high_blocks_ = high_blocks;
}

void ColdTier::keeps_changed() {
  SlotTable& slots = writer_.slots();
  for (uint32_t slot = 0; slot < slots.hot_count(); ++slot) slots.at(slot).kept = false;
  slots.changed().wake_all();
}

void ColdTier::add_free(uint32_t first, uint32_t count) {
  for (uint32_t slot = first; slot < first + count; ++slot) {
    writer_.slots().at(slot).stream = StreamKind::kCold;
    free_.push_back(slot);
  }
  writer_.slots().changed().wake_all();
}

Task<void> ColdTier::load_slot(uint32_t slot,
                               const std::function<void(uint32_t, const ColdIndex&)>* take,
                               Status* status) {
  const Result<std::optional<ColdIndex>> index = co_await indexes_.read(slot);
  if (!index.ok()) {
    *status = index.status();
    co_return;
  }
  Slot& held = writer_.slots().at(slot);
  held.stream = StreamKind::kCold;
  if (!*index) {
    free_.push_back(slot);
    co_return;
  }
  held.generation = (*index)->generation;
  held.state = SlotState::kSealing;  // none is freed while the map is being built
  for (const Entry& entry : (*index)->content.entries) held.data_sequences.add(entry);
  (*take)(slot, **index);
}

Task<Status> ColdTier::load(std::function<void(uint32_t slot, const ColdIndex&)> take) {
  Status status;
  TaskGroup loads(writer_.runtime().ready);
  for (uint32_t slot = writer_.slots().hot_count(); slot < writer_.slots().count(); ++slot) {
    co_await loads.below(kLoadsInFlight);
    loads.start(load_slot(slot, &take, &status));
  }
  co_await loads.done();
  std::sort(free_.begin(), free_.end());
  co_return status;
}

void ColdTier::start() {
  writer_.set_relief([this] { return relief(); });
  tasks_.start(run());
}

Task<void> ColdTier::stop() {
  stopping_ = true;
  writer_.slots().changed().wake_all();
  co_await tasks_.done();
}

bool ColdTier::urgent() const {
  return writer_.slots().free_count() <= LogWriter::floor_slots(StreamKind::kUser);
}

bool ColdTier::relief() const {
  if (stopping_) return false;
  const bool vain = vain_ && !kept_back_;
  if (!busy_ && (vain || (choose_demotion(false).empty() && choose_demotion(true).empty())))
    return false;
  promised_ = true;
  return true;
}

Task<void> ColdTier::run() {
  while (!stopping_ && !writer_.failed()) {
    busy_ = true;
    const Did did = co_await step();
    busy_ = false;
    vain_ = did == Did::kInVain;
    // stop() wakes nobody while a step is under way.
    if (did == Did::kSomething || stopping_) continue;
    // Who was promised relief looks again.
    if (std::exchange(promised_, false)) writer_.slots().freed().wake_all();
    co_await writer_.slots().changed().wait();
  }
}

bool ColdTier::stuck() const {
  return urgent() && writer_.cleaning_stalled();
}

std::vector<uint32_t> ColdTier::choose_demotion(bool kept_too) const {
  const SlotTable& slots = writer_.slots();
  if (free_.size() <= kPackingReserve) return {};
  if (!sinking_ && !urgent() && slots.hot_live_blocks() <= high_blocks_) return {};
  const Geometry& geometry = writer_.geometry();
  const DemotionQuery query{.dense_blocks = geometry.dense_blocks(),
                            .wanted_blocks = geometry.cold_data_blocks(),
                            .urgent = urgent(),
                            .kept_too = kept_too};
  return choose_sinking(slots, query);
}

Task<ColdTier::Did> ColdTier::step() {
  SlotTable& slots = writer_.slots();
  co_await retire_empty();
  Status status = co_await indexes_.mend();
  if (!status.ok()) log_warn("tiering", text("an index is not mended yet: ", status.message()));
  const uint64_t sunk_before = sinker_.sunk_blocks();
  const uint64_t live_blocks = slots.hot_live_blocks();
  sinking_ = live_blocks > (sinking_ ? low_blocks_ : high_blocks_);
  std::vector<uint32_t> victims = choose_demotion(false);
  keeping_ = !stuck() || (!victims.empty() && !(vain_ && kept_back_));
  kept_back_ = false;
  if (!keeping_) victims = choose_demotion(true);
  if (!victims.empty()) {
    for (uint32_t slot = 0; slot < slots.hot_count(); ++slot) slots.at(slot).heat /= 2;
    add_packing(victims);
  } else {
    if (free_.size() > kPackingReserve || free_.empty()) co_return Did::kNothing;
    victims = choose_packing(slots, writer_.geometry().cold_data_blocks());
    if (victims.empty()) co_return Did::kNothing;
  }
  // Users gain nothing by packing alone.
  const bool makes_room = !writer_.geometry().is_cold(victims.back());
  writer_.pacer().set_reclaiming(Reclaimer::kTier, makes_room);
  status = co_await move(std::move(victims));
  writer_.pacer().set_reclaiming(Reclaimer::kTier, false);
  if (!status.ok() || sinker_.sunk_blocks() == sunk_before) co_return Did::kInVain;
  sunk_();
  co_return Did::kSomething;
}

Task<void> ColdTier::retire_empty() {
  for (const uint32_t slot : writer_.slots().take_empty_cold()) empty_.push_back(slot);
  while (!empty_.empty()) {
    // The next step tries again: the log had no room.
    if (!(co_await retire(empty_.front())).ok()) co_return;
    empty_.pop_front();
  }
}

Task<Status> ColdTier::retire(uint32_t slot) {
  if (!VARVE_MUTANT(kReuseColdSlotEarly)) VARVE_CO_TRY(co_await indexes_.erase(slot));
  // Nothing that recovery would find there is left.
  writer_.slots().at(slot).data_sequences = {};
  free_.push_back(slot);
  co_return Status();
}

// While few slots of HDDs are free, each that is filled takes in what is left of one or two others,
// those with the least in them; to leave that until none is free would stop who waits for room.
void ColdTier::add_packing(std::vector<uint32_t>& victims) const {
  const SlotTable& slots = writer_.slots();
  const Geometry& geometry = writer_.geometry();
  const size_t enough = kPackingReserve + std::clamp(geometry.cold_slot_count() / 16, 2u, 16u);
  if (free_.size() > enough) return;
  std::vector<uint32_t> packed = choose_packing(slots, geometry.cold_data_blocks() / 2);
  packed.resize(std::min<size_t>(packed.size(), free_.size() > enough / 2 ? 1 : 2));
  victims.insert(victims.begin(), packed.begin(), packed.end());
}

Task<Status> ColdTier::collect_all(const std::vector<uint32_t>& victims,
                                   std::vector<ColdMove>& moves) {
  const size_t room = writer_.geometry().cold_data_blocks();
  size_t packed = 0;  // of the moves; they come first
  for (const uint32_t victim : victims) {
    const size_t sorted = moves.size();
    uint64_t kept_blocks = 0;
    VARVE_CO_TRY(co_await collect(victim, moves, kept_blocks));
    kept_back_ = kept_back_ || kept_blocks > 0;
    Slot& slot = writer_.slots().at(victim);
    const uint64_t moved_blocks = moves.size() - sorted;
    if ((moved_blocks + kept_blocks) * 2 < slot.live_blocks)
      slot.barren = true;
    else if (moved_blocks * 2 < slot.live_blocks)
      slot.kept = true;
    // What has no room stays in the last victim: the others are to become empty.
    if (moves.size() > room) moves.resize(room);
    // What comes from an HDD keeps its order, in which it can be read without seeks; it was sorted
    // when it sank.
    if (writer_.geometry().is_cold(victim))
      packed = moves.size();
    else
      sort_in(moves, packed, sorted);
  }
  co_return Status();
}

std::optional<uint32_t> ColdTier::take_free() {
  SlotTable& slots = writer_.slots();
  const auto unread = std::find_if(free_.begin(), free_.end(),
                                   [&](uint32_t slot) { return slots.at(slot).pins == 0; });
  if (unread == free_.end()) return {};
  const uint32_t slot = *unread;
  free_.erase(unread);
  slots.open_cold(slot);
  return slot;
}

bool ColdTier::wins(const std::vector<uint32_t>& victims, const Sinker::Content& content) const {
  if (content.moves.empty()) return false;
  // The last free slot is given up only for one that becomes free.
  if (!free_.empty() || !writer_.geometry().is_cold(victims.front())) return true;
  std::map<uint32_t, uint32_t> moved_blocks;
  for (const ColdMove& move : content.moves) ++moved_blocks[move.from_slot];
  return std::any_of(victims.begin(), victims.end(), [&](uint32_t victim) {
    return moved_blocks[victim] >= writer_.slots().at(victim).live_blocks;
  });
}

Task<Status> ColdTier::move(std::vector<uint32_t> victims) {
  SlotTable& slots = writer_.slots();
  for (const uint32_t victim : victims) {
    slots.pin(victim);
    slots.at(victim).sinking = true;
  }
  std::vector<ColdMove> moves;
  Status status = co_await collect_all(victims, moves);
  Sinker::Content content{
      ColdIndexBuilder(writer_.geometry().cold_slot_blocks()), {}, {}, {}, {}, 0};
  const std::optional<uint32_t> target = status.ok() ? take_free() : std::nullopt;
  if (target) status = co_await sinker_.copy(*target, moves, content);
  for (const uint32_t victim : victims) slots.unpin(victim);
  if (target && status.ok() && wins(victims, content)) status = co_await publish(*target, content);
  if (target && slots.at(*target).state == SlotState::kOpen) slots.release(*target);
  if (status.ok()) status = co_await mark_damaged(content.bad);
  for (const uint32_t victim : victims) {
    slots.at(victim).sinking = false;
    slots.set_reclaimed(victim, 0);
  }
  slots.changed().wake_all();  // what is left of the victims is for the cleaner
  if (target && status.code() == ErrorCode::kIoError && !writer_.failed()) {
    log_error("tiering", text("an HDD failed a write to slot ", *target));
    failed_slot_ = target;
    writer_.fail();
  }
  co_return status;
}

Task<Status> ColdTier::publish(uint32_t target, const Sinker::Content& content) {
  VARVE_CO_TRY(co_await sinker_.publish(target, content));
  for (const ColdMove& move : content.moves)
    ++(writer_.geometry().is_cold(move.from_slot) ? stats_.packed_blocks : stats_.demoted_blocks);
  co_return Status();
}

Task<Status> ColdTier::mark_damaged(const std::vector<ColdMove>& bad) {
  std::vector<Append> marks;
  for (const ColdMove& move : bad) {
    Append& mark = marks.emplace_back();
    mark.entry = move.entry();
    mark.entry.op = EntryOp::kDamaged;
    mark.from_slot = move.from_slot;
    mark.from_position = move.from_position;
  }
  co_return co_await indexes_.stream().append_all(marks);
}

Task<Status> ColdTier::collect(uint32_t victim, std::vector<ColdMove>& moves,
                               uint64_t& kept_blocks) {
  Footer content;
  if (writer_.geometry().is_cold(victim)) {
    Result<std::optional<ColdIndex>> index = co_await indexes_.read(victim);
    if (!index.ok()) {
      writer_.slots().at(victim).uncleanable = true;
      log_error("tiering", index.status().message());
      co_return Status();
    }
    if (*index) content = std::move((*index)->content);
  } else {
    auto footer = co_await LogReader::read_footer(writer_.device(), writer_.geometry(), victim,
                                                  writer_.slots().at(victim).generation);
    if (!footer) {
      writer_.slots().at(victim).uncleanable = true;
      log_warn("tiering", text("the footer of slot ", victim,
                               " is unreadable: its space is won back at the next start"));
      co_return Status();
    }
    content = std::move(*footer);
  }
  const uint32_t* crcs = content.crcs.data();
  for (size_t i = 0; i < content.entries.size(); ++i) {
    collect_entry(victim, content.entries[i], crcs, moves, kept_blocks);
    crcs += content.entries[i].data_blocks();
    if (i % kEntriesAtOnce == kEntriesAtOnce - 1) co_await writer_.runtime().ready.yield();
  }
  co_return Status();
}

bool ColdTier::may_sink(const Entry& entry) const {
  return entry.op == EntryOp::kData && VolumeId{entry.volume} != kIndexVolume;
}

void ColdTier::collect_entry(uint32_t victim, const Entry& entry, const uint32_t* crcs,
                             std::vector<ColdMove>& moves, uint64_t& kept_blocks) const {
  if (!may_sink(entry)) return;
  // What lies on an HDD is packed whatever its volume says.
  const bool kept =
      keeping_ && keeps_ && !writer_.geometry().is_cold(victim) && keeps_(VolumeId{entry.volume});
  for (uint32_t i = 0; i < entry.count; ++i) {
    if (!map_.live(entry, victim, i)) continue;
    if (kept) {
      ++kept_blocks;
      continue;
    }
    moves.push_back({.sequence = entry.sequence,
                     .block = entry.first_block() + i,
                     .volume = entry.volume,
                     .generation = entry.generation,
                     .group = entry.group,
                     .crc = crcs[i],
                     .from_slot = victim,
                     .from_position = static_cast<uint16_t>(entry.position + i)});
  }
}

}  // namespace varve
