// Every bound on what a peer or the host can make this plugin hold, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

// Per context (shard).
inline constexpr size_t kMaxConnections = 1024;      // on their way included
inline constexpr size_t kReceiveBytes = 64 * 1024;   // one read-ahead buffer for all connections
inline constexpr int kEpollBatch = 64;               // sockets looked at in one go
inline constexpr uint32_t kPollsWithoutSockets = 4;  // polls before idle sockets get a look
inline constexpr int kAcceptsPerTurn = 64;
inline constexpr int kBacklog = 1024;
// TLS handshakes of peers that have connected to us: the oldest makes room for the newest.
inline constexpr size_t kMaxHandshakes = 256;
inline constexpr size_t kHandshakesPerPoll = 8;  // a step of one is up to a millisecond of work

// Per connection.
inline constexpr size_t kMaxQueuedSends = 256;           // messages until the kernel has taken them
inline constexpr uint64_t kMaxQueuedBytes = 8ull << 20;  // theirs; one message may exceed it
inline constexpr uint32_t kReceivesPerTurn = 4;          // then others get their turn
inline constexpr size_t kSendVectors = 256;              // pieces in one sendmsg
// Payloads that are received into buffers that were taken before anything was seen of them, in one
// recvmsg. If they are not there, what came instead waits for its turn in memory of this size.
inline constexpr uint64_t kMaxLandedBytes = 256 * 1024;
inline constexpr size_t kMaxLandings = 16;
// A payload above this is followed by little read-ahead, so that the next goes straight to its
// buffer.
inline constexpr uint32_t kCopiedPayloadBytes = 16 * 1024;

// Defaults of the options.
inline constexpr uint32_t kKeepaliveSeconds = 5;
inline constexpr uint32_t kUserTimeoutMs = 5'000;
inline constexpr uint32_t kConnectTimeoutMs = 2'000;  // a TLS handshake included

}  // namespace varve
