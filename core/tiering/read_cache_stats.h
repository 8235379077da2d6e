// What the read cache did.
#pragma once

#include <cstdint>

namespace varve {

// Blocks on HDDs that were read, since open, and what the cache holds of them now.
struct ReadCacheStats {
  uint64_t hit_blocks = 0;       // came from the cache
  uint64_t missed_blocks = 0;    // came from an HDD
  uint64_t filled_blocks = 0;    // of these, went into the cache
  uint64_t bypassed_blocks = 0;  // of these, were not to go there: of sequential reads, or tier hdd
  uint64_t bad_blocks = 0;       // failed their checksum in the cache, and came from an HDD then
  uint64_t held_blocks = 0;      // now
  uint64_t room_blocks = 0;      // now, of the slots that it has
  uint64_t memory_bytes = 0;     // now, of its index
};

}  // namespace varve
