// Every bound on what a peer or the host can make this plugin hold, in one place.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

// Per context (shard).
inline constexpr size_t kMaxConnections = 256;    // on their way included
inline constexpr uint32_t kPollsWithoutLook = 4;  // polls before descriptors get a look
inline constexpr int kNewsBatch = 64;             // CM events, completions of one connection
inline constexpr int kBacklog = 1024;
// Of those who ask for a connection, in one look: each costs the registration of its memory.
inline constexpr uint32_t kAcceptsPerTurn = 4;

// TLS handshakes of peers that have asked for a connection: the oldest makes room for the newest.
// Each has the pinned memory of a connection.
inline constexpr size_t kMaxHandshakes = 64;
inline constexpr uint32_t kHandshakeStepsPerPoll = 8;  // each up to a millisecond of work

// Per connection. Messages that the peer has not made room for again; each has a slot of eager
// bytes on both sides: 0.6 MiB of pinned memory in all.
inline constexpr uint32_t kSlots = 32;
// Of a TLS handshake, from one side. Certificates are 16 KiB of it at most (plugins/tls).
inline constexpr size_t kHandshakeBytesMax = 64 * 1024;
// Each may cost a step.
inline constexpr uint32_t kHandshakeFramesMax = 64;
// Slots for what is no message. A sender of more finds no room for a moment, no worse.
inline constexpr uint32_t kNewsSlots = 8;
// A payload up to this goes with its header; a longer one is staged and read by the peer.
inline constexpr uint32_t kEagerBytes = 8192;
// Pinned when the first payload is staged.
inline constexpr size_t kStagingBytes = 4 << 20;
// Reads that may be on the wire at once; more wait in the queue.
inline constexpr uint8_t kReadDepth = 16;

// Times a lost packet is sent again, each after 4.096 us * 2^exponent: 3.8 s in all, in which a
// peer that is gone is noticed. Adapters may take up to four times as long. Not 7: rxe takes that
// for "for ever".
inline constexpr uint8_t kRetryCount = 6;
inline constexpr uint8_t kAckTimeoutExponent = 17;
// Checks of a silent peer until it counts as gone. The adapter mostly knows before; but how often
// it tries is for the side to say that has asked for the connection.
inline constexpr uint32_t kSilentChecks = 3;
inline constexpr uint8_t kRetryForEver = 7;      // while the peer lives but has no room
inline constexpr uint8_t kNoRoomTimerCode = 12;  // 0.64 ms

// Defaults of the options.
inline constexpr uint32_t kKeepaliveSeconds = 5;
inline constexpr uint32_t kConnectTimeoutMs = 2'000;  // a TLS handshake included

}  // namespace varve
