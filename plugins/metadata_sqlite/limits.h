// Sizes and times of the plugin, all in one place.
#pragma once

#include <cstdint>

namespace varve {

// A call that finds the store locked for this long is given up.
inline constexpr uint64_t kLockPatienceMs = 2000;
// How soon a call that found the store locked tries again.
inline constexpr uint64_t kLockRetryMs = 2;
// After so many commits in a row the lock is left free for so long, for others to get their turn.
inline constexpr uint32_t kCommitsInRow = 8;
inline constexpr uint64_t kCommitPauseMs = 5;
// While somebody watches, how often we look for what other processes have committed.
inline constexpr uint64_t kLookMs = 40;
// Calls of one context that are under way.
inline constexpr uint32_t kCallsMax = 256;
// Deleted keys that are remembered, so that watches see them.
inline constexpr uint64_t kDeletesMax = 4096;
// Changes in one event, give or take those of one revision.
inline constexpr uint32_t kChangesMax = 512;

}  // namespace varve
