#include "core/log/slot_table.h"

#include <algorithm>

#include "core/base/mutant.h"

namespace varve {

bool Slot::copied_from(const Slot& other) const {
  if (stream != other.stream) return stream == StreamKind::kRelocated;
  if (moves != other.moves && !VARVE_MUTANT(kTakeLaterCopy)) return moves > other.moves;
  return generation > other.generation;
}

std::optional<uint32_t> SlotTable::acquire(StreamKind stream, uint8_t moves) {
  const auto unread = std::find_if(free_.begin(), free_.end(),
                                   [this](uint32_t slot) { return slots_[slot].pins == 0; });
  if (unread == free_.end()) return {};
  const uint32_t index = *unread;
  free_.erase(unread);
  Slot& slot = slots_[index];
  VARVE_CHECK(slot.state == SlotState::kFree);
  slot.state = SlotState::kOpen;
  slot.uncleanable = false;
  slot.stream = stream;
  slot.moves = moves;
  slot.generation = next_generation_++;
  changed_.wake_all();
  return index;
}

void SlotTable::release(uint32_t index) {
  Slot& slot = slots_[index];
  VARVE_CHECK(slot.live_blocks == 0);
  VARVE_CHECK(slot.live_marks == 0);
  slot.state = SlotState::kFree;
  free_.push_back(index);
  freed_.wake_all();
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
}

void SlotTable::drop_live(uint32_t index, uint32_t blocks, uint32_t marks) {
  Slot& slot = slots_[index];
  VARVE_CHECK(slot.live_blocks >= blocks);
  VARVE_CHECK(slot.live_marks >= marks);
  slot.live_blocks -= blocks;
  slot.live_marks -= marks;
  if (slot.state != SlotState::kSealed) return;
  if (slot.moved_blocks() < wanted_below_blocks_ && !slot.uncleanable) changed_.wake_all();
  if (slot.live_blocks == 0 && slot.live_marks == 0) release(index);
}

void SlotTable::unpin(uint32_t index) {
  Slot& slot = slots_[index];
  VARVE_CHECK(slot.pins > 0);
  if (--slot.pins == 0 && slot.state == SlotState::kFree) freed_.wake_all();
}

bool SlotTable::any_sealing() const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [](const Slot& slot) { return slot.state == SlotState::kSealing; });
}

Sequence SlotTable::data_sequence_min(uint32_t except) const {
  Sequence lowest = kNoSequence;
  for (uint32_t i = 0; i < count(); ++i)
    if (i != except) lowest = std::min(lowest, slots_[i].data_sequence_min);
  return lowest;
}

}  // namespace varve
