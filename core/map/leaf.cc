#include "core/map/leaf.h"

#include "core/base/check.h"
#include "core/base/heap_bytes.h"

namespace varve {
namespace {

constexpr uint32_t kPositionBits = 16;

// As Leaf has it in its rows; never negative. Marks have no position: those of one trim are alike.
uint64_t place_number(uint32_t index, const BlockState& state) {
  const uint64_t position = takes_mark(state.kind) ? index : state.position;
  return (uint64_t{state.slot} << kPositionBits | position) + (kLeafBlocks - 1 - index);
}

}  // namespace

PackedRows::Row Leaf::make_row(uint32_t index, Generation generation, const BlockState& state) {
  VARVE_CHECK(state.kind != BlockKind::kNone);
  PackedRows::Row row;
  row[kIndex] = index;
  row[kGeneration] = generation;
  row[kKind] = static_cast<uint64_t>(state.kind);
  row[kPlace] = place_number(index, state);
  row[kCrc] = state.crc;
  row[kSequence] = state.sequence;
  return row;
}

uint32_t Leaf::lower_bound(uint32_t index) const {
  uint32_t from = 0;
  uint32_t to = rows_.size();
  while (from < to) {
    const uint32_t middle = (from + to) / 2;
    if (rows_.get(middle, kIndex) < index)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

std::pair<uint32_t, uint32_t> Leaf::rows_of(uint32_t index) const {
  if (dense_) return {index, index + 1};
  const uint32_t first = lower_bound(index);
  uint32_t end = first;
  while (end < rows_.size() && rows_.get(end, kIndex) == index) ++end;
  return {first, end};
}

VersionPlace Leaf::newest_place(uint32_t index) const {
  const auto [first, end] = rows_of(index);
  return first == end ? kNoVersion : static_cast<VersionPlace>(end - 1);
}

BlockKind Leaf::newest_kind(uint32_t index) const {
  const VersionPlace place = newest_place(index);
  return place == kNoVersion ? BlockKind::kNone : static_cast<BlockKind>(get(place, kKind));
}

BlockState Leaf::at(uint32_t index, VersionPlace place) const {
  if (place == kNoVersion) return {};
  const uint64_t number = get(place, kPlace) - (kLeafBlocks - 1 - index);
  const auto kind = static_cast<BlockKind>(get(place, kKind));
  return {.kind = kind,
          .position = takes_mark(kind) ? uint16_t{0} : static_cast<uint16_t>(number),
          .slot = static_cast<uint32_t>(number >> kPositionBits),
          .crc = static_cast<uint32_t>(get(place, kCrc)),
          .sequence = get(place, kSequence)};
}

void Leaf::set_row(VersionPlace place, const PackedRows::Row& row) {
  sequence_max_ = std::max(sequence_max_, row[kSequence]);
  rows_.set(static_cast<uint32_t>(place), row);
  // Whoever writes or moves a leaf in order has done so now: it may fit into less.
  if (static_cast<uint32_t>(place) + 1 == rows_.size()) rows_.narrow();
}

void Leaf::set(uint32_t index, VersionPlace place, const BlockState& state) {
  PackedRows::Row row = make_row(index, generation_at(place), state);
  if (dense_) row[kIndex] = 0;
  set_row(place, row);
}

void Leaf::set_only(uint32_t index, Generation generation, const BlockState& state) {
  VARVE_CHECK(!has_history());
  generation = empty() ? generation : std::max(generation, common_generation());
  rows_.set_uniform(kGeneration, generation);
  const VersionPlace held = newest_place(index);
  if (held == kNoVersion)
    insert(index, generation, state);
  else
    set(index, held, state);
}

void Leaf::insert(uint32_t index, Generation generation, const BlockState& state) {
  if (dense_) set_dense(false);
  sequence_max_ = std::max(sequence_max_, state.sequence);
  auto [at, end] = rows_of(index);
  while (at < end && rows_.get(at, kGeneration) < generation) ++at;
  rows_.insert(at, make_row(index, generation, state));
  if (rows_.size() != kLeafBlocks) return;
  bool dense = true;
  for (uint32_t i = 0; i < kLeafBlocks && dense; ++i) dense = rows_.get(i, kIndex) == i;
  if (dense) set_dense(true);
}

void Leaf::set_dense(bool dense) {
  std::vector<PackedRows::Row> rows = rows_.all();
  for (uint32_t i = 0; i < rows.size(); ++i) rows[i][kIndex] = dense ? 0 : i;
  rows_.assign(rows, rows_.size());
  dense_ = dense;
}

void Leaf::erase(VersionPlace place) {
  if (dense_) set_dense(false);
  rows_.erase(static_cast<uint32_t>(place));
}

void Leaf::generations(uint32_t index, std::vector<Generation>& out) const {
  out.clear();
  const auto [first, end] = rows_of(index);
  for (uint32_t i = first; i < end; ++i)
    out.push_back(static_cast<Generation>(rows_.get(i, kGeneration)));
}

VersionPlace Leaf::find(uint32_t index, Sequence sequence, uint32_t slot) const {
  const auto [first, end] = rows_of(index);
  for (uint32_t i = end; i-- > first;) {
    const auto place = static_cast<VersionPlace>(i);
    if (get(place, kSequence) == sequence && at(index, place).slot == slot) return place;
  }
  return kNoVersion;
}

bool Leaf::has_older(uint32_t index) const {
  const auto [first, end] = rows_of(index);
  return end - first > 1;
}

BlockState Leaf::of_generation(uint32_t index, Generation generation) const {
  const auto [first, end] = rows_of(index);
  for (uint32_t i = first; i < end; ++i)
    if (rows_.get(i, kGeneration) == generation) return at(index, static_cast<VersionPlace>(i));
  return {};
}

bool Leaf::is_of_one_generation() const {
  for (uint32_t i = 1; i < rows_.size(); ++i)
    if (rows_.get(i, kGeneration) != rows_.get(0, kGeneration)) return false;
  return true;
}

void Leaf::forget_history() {
  if (!has_history()) return;
  std::vector<PackedRows::Row> rows = rows_.all();
  uint64_t newest = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    VARVE_CHECK(dense_ || i == 0 || rows[i][kIndex] != rows[i - 1][kIndex]);
    newest = std::max(newest, rows[i][kGeneration]);
  }
  for (PackedRows::Row& row : rows) row[kGeneration] = newest;
  rows_.assign(rows, rows_.size());
}

uint64_t Leaf::memory_bytes() const {
  return heap_bytes(sizeof(Leaf)) + rows_.memory_bytes();
}

}  // namespace varve
