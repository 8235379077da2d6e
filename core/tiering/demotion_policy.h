// Which slots of the SSD sink to an HDD next, and which slots of HDDs are packed. Pure.
//
// The coldest first: what is hardly read, then what was moved most often without having died, then
// what was written longest ago. Slots that are half dead are left to the cleaner: much of what is
// still live in them will soon be dead, too.
#pragma once

#include <cstdint>
#include <vector>

#include "core/log/slot_table.h"

namespace varve {

struct DemotionQuery {
  uint32_t dense_blocks = 0;   // what a slot of the SSD holds when it is packed
  uint32_t wanted_blocks = 0;  // stop when the slots have as many live blocks
  bool urgent = false;         // a writer waits: half dead ones, too
  bool kept_too = false;       // what is to stay on the SSD, as well
};

// In the order in which they are to go. Empty: not worth it.
std::vector<uint32_t> choose_sinking(const SlotTable& slots, const DemotionQuery& query);

// Slots of HDDs whose live blocks, packed into one, leave the most room behind. Empty: nothing
// would be won.
std::vector<uint32_t> choose_packing(const SlotTable& slots, uint32_t data_blocks);

}  // namespace varve
