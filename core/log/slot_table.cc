#include "core/log/slot_table.h"

#include <algorithm>

#include "core/base/mutant.h"

namespace varve {

bool Slot::copied_from(const Slot& other) const {
  if (stream != other.stream) {
    // While an index is in force its slot is not written again.
    if (stream == StreamKind::kCold || other.stream == StreamKind::kCold)
      return stream == StreamKind::kCold;
    return stream == StreamKind::kRelocated;
  }
  if (moves != other.moves && !VARVE_MUTANT(kTakeLaterCopy)) return moves > other.moves;
  return generation > other.generation;
}

std::optional<uint32_t> SlotTable::acquire(StreamKind stream, uint8_t moves) {
  auto unread = std::find_if(free_.begin(), free_.end(), [this](uint32_t slot) {
    return slots_[slot].pins == 0 && !slots_[slot].lent;
  });
  if (unread == free_.end())
    unread = std::find_if(free_.begin(), free_.end(),
                          [this](uint32_t slot) { return slots_[slot].pins == 0; });
  if (unread == free_.end()) {
    // Readers of the read cache may never leave a slot alone: none comes to this one any more.
    const auto lent =
        std::find_if(free_.begin(), free_.end(), [this](uint32_t slot) { return at(slot).lent; });
    if (lent == free_.end()) return {};
    const uint32_t wanted = *lent;
    take_back(wanted);
    lent_taken_(wanted);
    return {};
  }
  const uint32_t index = *unread;
  free_.erase(unread);
  Slot& slot = slots_[index];
  if (slot.lent) {
    take_back(index);
    lent_taken_(index);
  }
  VARVE_CHECK(slot.state == SlotState::kFree);
  slot.state = SlotState::kOpen;
  slot.uncleanable = false;
  slot.barren = false;
  slot.kept = false;
  slot.heat = 0;
  slot.stream = stream;
  slot.moves = moves;
  slot.generation = next_generation_++;
  changed_.wake_all();
  return index;
}

std::optional<uint32_t> SlotTable::lend(uint32_t end) {
  const auto found = std::find_if(free_.begin(), free_.end(), [&](uint32_t slot) {
    return slot < end && slots_[slot].pins == 0 && !slots_[slot].lent;
  });
  if (found == free_.end()) return {};
  const uint32_t index = *found;
  // Behind the others: of those that are lent a stream takes the one that was lent first.
  free_.erase(found);
  free_.push_back(index);
  Slot& slot = slots_[index];
  slot.lent = true;
  slot.stream = StreamKind::kFree;
  slot.moves = 0;
  slot.generation = next_generation_++;
  ++lent_count_;
  return index;
}

void SlotTable::take_back(uint32_t index) {
  VARVE_CHECK(slots_[index].lent);
  slots_[index].lent = false;
  --lent_count_;
}

void SlotTable::set_reclaimed(uint32_t index, uint32_t blocks) {
  Slot& slot = slots_[index];
  if (slot.state != SlotState::kSealed) blocks = 0;  // it is free by now
  reclaimed_blocks_ += blocks;
  reclaimed_blocks_ -= std::exchange(slot.reclaimed_blocks, blocks);
}

void SlotTable::release(uint32_t index) {
  Slot& slot = slots_[index];
  reclaimed_blocks_ -= std::exchange(slot.reclaimed_blocks, 0);
  VARVE_CHECK(slot.live_blocks == 0);
  VARVE_CHECK(slot.live_marks == 0);
  slot.state = SlotState::kFree;
  if (index >= hot_count_) {
    empty_cold_.push_back(index);
    changed_.wake_all();
    return;
  }
  free_.push_back(index);
  freed_.wake_all();
}

void SlotTable::open_cold(uint32_t index) {
  Slot& slot = slots_[index];
  VARVE_CHECK(index >= hot_count_ && slot.state == SlotState::kFree && slot.pins == 0);
  slot.state = SlotState::kOpen;
  slot.uncleanable = false;
  slot.stream = StreamKind::kCold;
  slot.generation = next_generation_++;
}

void SlotTable::set_sealed(uint32_t index) {
  Slot& slot = slots_[index];
  slot.state = SlotState::kSealed;
  if (slot.live_blocks == 0 && slot.live_marks == 0) release(index);
  changed_.wake_all();
}

void SlotTable::add_live(uint32_t index, uint32_t blocks, uint32_t marks) {
  slots_[index].live_blocks += blocks;
  slots_[index].live_marks += marks;
  if (index < hot_count_) hot_live_blocks_ += blocks;
}

void SlotTable::drop_live(uint32_t index, uint32_t blocks, uint32_t marks) {
  Slot& slot = slots_[index];
  VARVE_CHECK(slot.live_blocks >= blocks);
  VARVE_CHECK(slot.live_marks >= marks);
  slot.live_blocks -= blocks;
  slot.live_marks -= marks;
  if (index < hot_count_) hot_live_blocks_ -= blocks;
  if (slot.state != SlotState::kSealed) return;
  if (slot.moved_blocks() < wanted_below_blocks_ && !slot.uncleanable) changed_.wake_all();
  if (slot.live_blocks == 0 && slot.live_marks == 0) release(index);
}

void SlotTable::unpin(uint32_t index) {
  Slot& slot = slots_[index];
  VARVE_CHECK(slot.pins > 0);
  if (--slot.pins > 0 || slot.state != SlotState::kFree) return;
  WaitList& waiting = index < hot_count_ ? freed_ : changed_;
  waiting.wake_all();
}

bool SlotTable::any_sealing() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const Slot& slot) { return slot.state == SlotState::kSealing; });
}

DataSequences SlotTable::data_sequences(uint32_t except) const {
  DataSequences lowest;
  const uint32_t end = VARVE_MUTANT(kDropMarkAtDemotion) ? hot_count_ : count();
  for (uint32_t i = 0; i < end; ++i)
    if (i != except) lowest.add(slots_[i].data_sequences);
  return lowest;
}

std::vector<DataSequences> SlotTable::data_sequences_of_others() const {
  // Those before a slot, then those behind it.
  std::vector<DataSequences> others(count());
  DataSequences lowest;
  for (uint32_t i = 0; i < count(); ++i) {
    others[i] = lowest;
    lowest.add(at(i).data_sequences);
  }
  lowest = {};
  for (uint32_t i = count(); i-- > 0;) {
    others[i].add(lowest);
    lowest.add(at(i).data_sequences);
  }
  return others;
}

}  // namespace varve
