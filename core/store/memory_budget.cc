// How the store keeps to its memory budget.
#include "core/store/memory_budget.h"

#include <algorithm>
#include <utility>

#include "core/base/log.h"
#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/store/store_core.h"

namespace varve {
namespace {

// Said once when writes begin to wait, and again only after that much was free meanwhile.
constexpr uint64_t kSaidAgainBelowPercent = 80;

}  // namespace

uint64_t StoreCore::memory_needed() const {
  const uint64_t hot = uint64_t{geometry_.slot_count} * geometry_.slot_blocks();
  const uint64_t cold = uint64_t{geometry_.cold_slot_count()} * geometry_.cold_slot_blocks();
  return memory_for(hot + cold) + slot_table_bytes();
}

uint64_t StoreCore::memory_max() const {
  return memory_max_bytes_ != 0 ? memory_max_bytes_ : memory_needed();
}

uint64_t StoreCore::memory_max_blocks() const {
  const uint64_t limit = memory_write_limit(memory_max());
  const uint64_t fixed = slot_table_bytes() + cache_.memory_bytes_min();
  return std::min(capacity_blocks(), (limit - std::min(limit, fixed)) / kMapBlockBytesMax);
}

uint64_t StoreCore::slot_table_bytes() const {
  return uint64_t{slots_.count()} * sizeof(Slot);
}

uint64_t StoreCore::fixed_and_map_bytes() const {
  return slot_table_bytes() + cache_.memory_bytes_min() + map_.memory_bytes() + pending_memory_;
}

uint64_t StoreCore::cache_memory_room() const {
  const uint64_t limit = memory_write_limit(memory_max());
  return cache_.memory_bytes_min() + limit - std::min(limit, fixed_and_map_bytes());
}

bool StoreCore::take_memory(BlockRange range, bool may_wait) {
  const uint64_t used = fixed_and_map_bytes();
  const uint64_t growth = memory_growth(range);
  if (used * 100 < memory_max() * kSaidAgainBelowPercent) memory_full_said_ = false;
  const bool fits = used + growth <= memory_write_limit(memory_max());
  const bool goes_on = fits || !may_wait || memory_max_bytes_ == 0;
  if (goes_on) {
    pending_memory_ += growth;
    // What writers take, the read cache gives.
    cache_.shrink(cache_memory_room());
  }
  if (fits || memory_max_bytes_ == 0 || std::exchange(memory_full_said_, true)) return goes_on;
  log_warn("store", text("the map takes ", size_text(used), " of the ", size_text(memory_max()),
                         " that memory_max allows: ",
                         may_wait ? "writes wait until a volume or a snapshot is deleted, or whole "
                                    "MiB of one are trimmed"
                                  : "it grows on, because other nodes hold the same",
                         "; ", size_text(memory_needed()),
                         " would be enough for every block of the disk group, unless they are far "
                         "apart"));
  return goes_on;
}

}  // namespace varve
