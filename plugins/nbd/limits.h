// Every bound on what a client can make this plugin hold or wait for, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

// Per context (shard).
inline constexpr size_t kMaxConnections = 1024;
inline constexpr size_t kMaxHandshakes = 256;        // of each kind; the oldest gives way
inline constexpr uint32_t kTlsStepsPerTurn = 8;      // one is up to a millisecond of work
inline constexpr size_t kReceiveBytes = 64 * 1024;   // one receive buffer for all connections
inline constexpr size_t kEventBatch = 64;            // host events and sockets looked at in one go
inline constexpr uint32_t kTurnsWithoutSockets = 8;  // turns before idle sockets get a look

// Per connection.
inline constexpr uint32_t kMaxInFlight = 128;               // requests until their reply is sent
inline constexpr uint64_t kMaxInFlightBytes = 64ull << 20;  // their data; one request may exceed it
inline constexpr uint32_t kMaxOptionBytes = 16 * 1024;      // handshake option data that is read
inline constexpr uint32_t kMaxSkippedOptionBytes = 1 << 20;  // larger: the peer is not a client
inline constexpr uint64_t kMaxListBytes = 1 << 20;           // names sent in answer to a list
inline constexpr uint32_t kMaxExtents = 1024;                // in one block status reply
inline constexpr uint32_t kReceivesPerTurn = 4;              // then others get their turn
inline constexpr size_t kReplyVectors = 128;                 // pieces in one sendmsg
// A write above this is followed by little read-ahead, so that the next goes straight to its
// buffer.
inline constexpr uint32_t kCopiedWriteBytes = 16 * 1024;

// Time. A client that owes us the rest of a request, or has replies to take, keeps its connection
// only while it moves at least kProgressBytes per request timeout.
inline constexpr uint64_t kHandshakeTimeoutMs = 10'000;
inline constexpr uint64_t kRequestTimeoutMs = 30'000;
inline constexpr uint64_t kProgressBytes = 1 << 20;
inline constexpr uint64_t kStopTimeoutMs = 5'000;  // for taking the last replies after stop
inline constexpr uint64_t kRetryMs = 10;           // host refused and nothing of ours is in flight

static_assert(kMaxOptionBytes + 16 <= kReceiveBytes, "an option must fit into the receive buffer");

}  // namespace varve
