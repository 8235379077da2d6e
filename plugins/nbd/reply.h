// Replies of the transmission phase: their heads and small bodies as bytes. Pure functions.
//
// A reply is a head followed by a body that the caller sends (data read, text, extents). Where
// structured replies were agreed on, each is one chunk with the "done" flag.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "plugins/abi/service.h"
#include "plugins/nbd/protocol.h"
#include "plugins/nbd/request.h"

namespace varve {

// Room for the longest head: that of a chunk with data (its offset included).
struct ReplyHead {
  std::array<uint8_t, kNbdChunkBytes + 8> bytes;
  uint32_t length = 0;
};

// The NBD error for a VARVE_E_... result, and a sentence for the client.
NbdRefusal refusal_for(int32_t result);

// Success without data, also for clients with structured replies.
void encode_done(const NbdRequest& request, ReplyHead& head);
// Success of a read; request.bytes of data follow.
void encode_data(const NbdRequest& request, bool structured, ReplyHead& head);
// Failure; `body` receives what follows (the sentence, for structured replies).
void encode_refusal(const NbdRequest& request, bool structured, const NbdRefusal& refusal,
                    ReplyHead& head, std::string& body);
// Success of a block status request; `body` receives the extents, cut to the request's range.
// Returns false when `extents` describe nothing, which no reply can express.
bool encode_extents(const NbdRequest& request, std::span<const varve_extent> extents,
                    ReplyHead& head, std::string& body);

}  // namespace varve
