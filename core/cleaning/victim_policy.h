// Which segment to clean next. Pure.
//
// Cost-benefit after Rosenblum and Ousterhout (LFS, 1992): the space won, times the age of what
// stays, over the cost of reading and moving it; of the age the root, which spares skewed loads the
// moving of old segments that hardly anything died in: (1 - u) * sqrt(age) / (1 + u).
#pragma once

#include <cstdint>
#include <optional>

#include "core/log/slot_table.h"

namespace varve {

struct VictimQuery {
  uint32_t dense_blocks = 0;  // what a slot holds when it is packed
  uint32_t now = 0;           // the next opening's number
  bool urgent = false;        // a writer waits for a slot: take what frees space, however little
  // Less is free than what only cleaning may take, as after crashes: take what frees most.
  bool short_of_reserve = false;
};

// A slot is worth cleaning when its moved_blocks() are below this.
uint32_t victim_limit_blocks(const VictimQuery& query);

std::optional<uint32_t> choose_victim(const SlotTable& slots, const VictimQuery& query);

}  // namespace varve
