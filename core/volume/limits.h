// Every bound of the way from a client to the store, in one place.
//
// Thread rule: constants. Units are in the names.
#pragma once

#include <cstdint>

#include "core/base/units.h"

namespace varve {

// Largest read or write that a service may submit.
inline constexpr uint32_t kOperationBytesMax = 32 * kMiB;

// Operations of one service context between submit and the pull of their event; beyond it submit
// answers "again". Bounds the event queue, too.
inline constexpr uint32_t kServiceInFlightMax = 4096;

// Volumes that one service context may hold open at a time.
inline constexpr uint32_t kServiceVolumesMax = 4096;

// Buffers handed out to one service context. What volumes copy for partial blocks and unaligned
// memory is at most as much again, plus two blocks an operation.
inline constexpr uint64_t kServiceBufferBytesMax = 256 * kMiB;
// Of these, how much may lie unused in the pool.
inline constexpr uint64_t kServiceBufferCacheBytesMax = 64 * kMiB;

// Ciphertext of writes in flight is as much as their data; how much of its memory may lie unused.
inline constexpr uint64_t kCiphertextCacheBytesMax = 16 * kMiB;

// A larger request goes to the store in pieces of this size, so many at a time.
inline constexpr uint64_t kPieceBytesMax = 1 * kMiB;
inline constexpr uint32_t kPiecesInFlightMax = 8;

}  // namespace varve
