// What the counts in a body say about the payload, and how large they may be.
//
// Thread rule: plain functions. Errors: kDamaged, with a sentence, for counts that no sender of
// ours would send.
#pragma once

#include <cstdint>
#include <span>

#include "core/base/error.h"
#include "core/wire/messages.h"

namespace varve {

// Groups in a beacon, and of one volume in Fence and Attach.
inline constexpr uint32_t kMessageGroupsMax = 16384;
inline constexpr uint32_t kMessageNameBytesMax = 255;
inline constexpr uint32_t kStatusRunsMax = 4096;

constexpr uint32_t blocks_payload_bytes(uint32_t block_count) {
  return block_count * (kBlockBytes + static_cast<uint32_t>(sizeof(uint32_t)));
}

// How long the payload of this request has to be. REQUIRES the body to have its type's size.
Result<uint32_t> request_payload_bytes(MessageType type, std::span<const std::byte> body);

// The same for the reply to `request`, with the status kOk; any other has no payload.
Result<uint32_t> reply_payload_bytes(MessageType type, std::span<const std::byte> request,
                                     std::span<const std::byte> reply);

}  // namespace varve
