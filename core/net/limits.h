// Every bound of the traffic between nodes, in one place.
//
// Thread rule: constants. Units are in the names.
#pragma once

#include <cstdint>

#include "core/base/units.h"
#include "core/net/transport.h"
#include "core/runtime/timer_queue.h"
#include "core/wire/message_payload.h"

namespace varve {

// Requests of one type on one connection that have no reply yet: a sender keeps more back, and a
// receiver closes a connection that brings more. By type, so that requests which wait for something
// at the other side never hold back those that it waits for.
inline constexpr uint32_t kRequestsOfTypeMax = 256;

// A payload goes into the smallest class that holds it. Small: 16 KiB of data with its checksums.
inline constexpr uint32_t kSmallBufferBytes = 20 * kKiB;
inline constexpr uint32_t kLargeBufferBytes = round_up(kPayloadBytesMax, kBlockBytes);
static_assert(blocks_payload_bytes(4) <= kSmallBufferBytes);
static_assert(blocks_payload_bytes(kMessageBlocksMax) <= kPayloadBytesMax);

// From connect() to the answer to Hello.
inline constexpr uint64_t kConnectNs = 2000 * kMillisecond;
// A connection is given up when a call times out and no reply has come for so long, and for so many
// times what that call was given, while some were due.
inline constexpr uint64_t kSilentNs = 3000 * kMillisecond;
inline constexpr uint64_t kSilentCalls = 3;
// After a connection that failed: at first, then doubled up to the largest.
inline constexpr uint64_t kReconnectPauseMinNs = 50 * kMillisecond;
inline constexpr uint64_t kReconnectPauseMaxNs = 1000 * kMillisecond;

// While a connection is not on the most wanted transport, that is tried again: after the first
// pause, then doubled up to the largest.
inline constexpr uint64_t kBetterPauseMinNs = 2000 * kMillisecond;
inline constexpr uint64_t kBetterPauseMaxNs = 60'000 * kMillisecond;
// A connection that lasted for so long makes that pause short again.
inline constexpr uint64_t kSteadyNs = 10'000 * kMillisecond;
// How long new requests may wait while those on the old connection are answered; then they go on
// where they were. Short against a lease.
inline constexpr uint64_t kMoveNs = 500 * kMillisecond;

// A message of so many bytes is a single packet on every network. Of what is longer a network may
// lose all, and carry what is short.
inline constexpr uint32_t kShortBytes = 1024;
// After so many connections on one way, one after the other, that ended with a longer message on
// its way than any that they had carried, the way is left alone for a time, if there is another.
inline constexpr uint32_t kLostLongMax = 3;
inline constexpr uint64_t kLeftAloneNs = 600'000 * kMillisecond;

// Who has connected says Hello within this time, and so many may be about to.
inline constexpr uint64_t kHelloNs = 5000 * kMillisecond;
inline constexpr uint32_t kStrangersMax = 64;
// Connections of one node: the one that carries requests, and one to which they may move. More are
// such whose end was not heard of.
inline constexpr size_t kConnectionsOfNodeMax = 4;
// Connections that others have made, altogether.
inline constexpr uint32_t kAcceptedMax = 1024;

// How long after a call's deadline the transport may keep its payload, and how long a reply may be
// on its way: then the connection does not move, and is closed.
inline constexpr uint64_t kSendGraceNs = 1000 * kMillisecond;
inline constexpr uint64_t kReplySendNs = 10'000 * kMillisecond;

}  // namespace varve
