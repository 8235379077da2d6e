// Times and bounds of the replication protocol, in one place; docs/replication.md says why.
//
// Thread rule: constants. Units are in the names.
#pragma once

#include <cstdint>

#include "core/runtime/timer_queue.h"

namespace varve {

// A primary tells every node that shares a group with it that it is alive, and asks for leases.
inline constexpr uint64_t kBeaconPeriodNs = 250 * kMillisecond;
// A grant lasts this long from when the beacon was sent, on the clock of who holds it ...
inline constexpr uint64_t kLeaseNs = 2000 * kMillisecond;
// ... and who granted does not take over before this, from its answer, on its own clock. The
// difference is what clock rates may differ by: 50 %.
inline constexpr uint64_t kGraceNs = 3000 * kMillisecond;
static_assert(kGraceNs > kLeaseNs);

// A primary takes a member out that has not answered anything for this long.
inline constexpr uint64_t kMemberSilenceNs = 1500 * kMillisecond;
// A member that has not heard from the primary for this long prepares to take over.
inline constexpr uint64_t kPrimarySilenceNs = 1000 * kMillisecond;

// Deadline of one request between members; a new attempt follows while it makes sense.
inline constexpr uint64_t kCallDeadlineNs = 1000 * kMillisecond;
// Pause before what failed is tried again.
inline constexpr uint64_t kRetryPauseNs = 50 * kMillisecond;
// How often a group looks at its members, its record and its clock.
inline constexpr uint64_t kTickNs = 100 * kMillisecond;
// A position is made durable at most this often.
inline constexpr uint64_t kPositionPeriodNs = 1000 * kMillisecond;

// Operations of one group between their number and their end.
inline constexpr uint32_t kGroupInFlightMax = 1024;
// Copies to one learner on their way at a time.
inline constexpr uint32_t kCopiesInFlightMax = 16;
// Operations that settlement and catch-up have on their way at a time.
inline constexpr uint32_t kSettlementInFlightMax = 32;

}  // namespace varve
