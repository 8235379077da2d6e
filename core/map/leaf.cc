#include "core/map/leaf.h"

#include "core/base/check.h"

namespace varve {

Leaf::History& Leaf::history() {
  if (history_ == nullptr) {
    history_ = std::make_unique<History>();
    history_->newest.fill(generation_);
  }
  return *history_;
}

std::pair<size_t, size_t> Leaf::older_of(uint32_t index) const {
  if (history_ == nullptr) return {0, 0};
  const auto& older = history_->older;
  const auto by_index = [](const Older& version, uint32_t wanted) {
    return version.index < wanted;
  };
  const auto first = std::lower_bound(older.begin(), older.end(), index, by_index);
  auto end = first;
  while (end != older.end() && end->index == index) ++end;
  return {static_cast<size_t>(first - older.begin()), static_cast<size_t>(end - older.begin())};
}

BlockState Leaf::at(uint32_t index, VersionPlace place) const {
  if (place == kNoVersion) return {};
  if (place == kNewest) return newest(index);
  return history_->older[static_cast<size_t>(place)].state();
}

Generation Leaf::generation_at(uint32_t index, VersionPlace place) const {
  if (place == kNewest) return newest_generation(index);
  return history_->older[static_cast<size_t>(place)].generation;
}

void Leaf::set_newest(uint32_t index, const BlockState& state) {
  kind_[index] = state.kind;
  position_[index] = state.position;
  slot_[index] = state.slot;
  crc_[index] = state.crc;
  sequence_[index] = state.sequence;
}

void Leaf::set(uint32_t index, VersionPlace place, const BlockState& state) {
  sequence_max_ = std::max(sequence_max_, state.sequence);
  if (place == kNewest) {
    set_newest(index, state);
    return;
  }
  Older& version = history_->older[static_cast<size_t>(place)];
  version = make_older(index, version.generation, state);
}

void Leaf::set_only(uint32_t index, Generation generation, const BlockState& state) {
  VARVE_CHECK(history_ == nullptr);
  generation_ = std::max(generation_, generation);
  sequence_max_ = std::max(sequence_max_, state.sequence);
  set_newest(index, state);
}

void Leaf::insert(uint32_t index, Generation generation, const BlockState& state) {
  sequence_max_ = std::max(sequence_max_, state.sequence);
  const bool first = kind_[index] == BlockKind::kNone;
  if (history_ == nullptr && generation == generation_ && first) {
    set_newest(index, state);
    return;
  }
  History& all = history();
  if (first || generation > all.newest[index]) {
    if (!first) {
      const size_t end = older_of(index).second;
      all.older.insert(all.older.begin() + static_cast<ptrdiff_t>(end),
                       make_older(index, all.newest[index], newest(index)));
    }
    all.newest[index] = generation;
    set_newest(index, state);
    return;
  }
  auto [at, end] = older_of(index);
  while (at < end && all.older[at].generation < generation) ++at;
  all.older.insert(all.older.begin() + static_cast<ptrdiff_t>(at),
                   make_older(index, generation, state));
}

void Leaf::erase(uint32_t index, VersionPlace place) {
  if (place != kNewest) {
    history_->older.erase(history_->older.begin() + place);
    return;
  }
  const auto [first, end] = older_of(index);
  if (first == end) {
    set_newest(index, BlockState{});
    return;
  }
  const Older& next = history_->older[end - 1];
  history_->newest[index] = next.generation;
  set_newest(index, next.state());
  history_->older.erase(history_->older.begin() + static_cast<ptrdiff_t>(end) - 1);
}

void Leaf::generations(uint32_t index, std::vector<Generation>& out) const {
  out.clear();
  const auto [first, end] = older_of(index);
  for (size_t i = first; i < end; ++i) out.push_back(history_->older[i].generation);
  if (kind_[index] != BlockKind::kNone) out.push_back(newest_generation(index));
}

VersionPlace Leaf::place_of(uint32_t index, size_t ordinal) const {
  const auto [first, end] = older_of(index);
  return ordinal == end - first ? kNewest : static_cast<VersionPlace>(first + ordinal);
}

VersionPlace Leaf::find(uint32_t index, Sequence sequence, uint32_t slot) const {
  if (kind_[index] != BlockKind::kNone && sequence_[index] == sequence && slot_[index] == slot)
    return kNewest;
  const auto [first, end] = older_of(index);
  for (size_t i = first; i < end; ++i) {
    const Older& version = history_->older[i];
    if (version.sequence == sequence && version.slot == slot) return static_cast<VersionPlace>(i);
  }
  return kNoVersion;
}

bool Leaf::has_older(uint32_t index) const {
  const auto [first, end] = older_of(index);
  return first < end;
}

BlockState Leaf::of_generation(uint32_t index, Generation generation) const {
  if (kind_[index] != BlockKind::kNone && newest_generation(index) == generation)
    return newest(index);
  const auto [first, end] = older_of(index);
  for (size_t i = first; i < end; ++i)
    if (history_->older[i].generation == generation) return history_->older[i].state();
  return {};
}

bool Leaf::is_of_one_generation() const {
  if (history_ == nullptr) return true;
  if (!history_->older.empty()) return false;
  bool any = false;
  Generation seen = 0;
  for (uint32_t i = 0; i < kLeafBlocks; ++i) {
    if (kind_[i] == BlockKind::kNone) continue;
    if (any && history_->newest[i] != seen) return false;
    any = true;
    seen = history_->newest[i];
  }
  return any;
}

void Leaf::forget_history() {
  if (history_ == nullptr) return;
  VARVE_CHECK(history_->older.empty());
  Generation generation = 0;
  for (uint32_t i = 0; i < kLeafBlocks; ++i)
    if (kind_[i] != BlockKind::kNone) generation = std::max(generation, history_->newest[i]);
  generation_ = generation;
  history_.reset();
}

uint64_t Leaf::memory_bytes() const {
  uint64_t bytes = sizeof(Leaf);
  if (history_ != nullptr) bytes += sizeof(History) + history_->older.capacity() * sizeof(Older);
  return bytes;
}

}  // namespace varve
