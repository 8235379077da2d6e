#include "plugins/nbd/reply.h"

#include <algorithm>
#include <string_view>

#include "plugins/sdk/bytes.h"

namespace varve {
namespace {

void encode_simple(const NbdRequest& request, uint32_t error, ReplyHead& head) {
  store_be(&head.bytes[0], kNbdSimpleReplyMagic);
  store_be(&head.bytes[4], error);
  store_be(&head.bytes[8], request.cookie);
  head.length = kNbdSimpleReplyBytes;
}

void encode_chunk(const NbdRequest& request, uint16_t type, uint32_t bytes, ReplyHead& head) {
  store_be(&head.bytes[0], kNbdChunkMagic);
  store_be(&head.bytes[4], kNbdChunkDone);
  store_be(&head.bytes[6], type);
  store_be(&head.bytes[8], request.cookie);
  store_be(&head.bytes[16], bytes);
  head.length = kNbdChunkBytes;
}

static_assert((VARVE_EXTENT_HOLE == kNbdStateHole) && (VARVE_EXTENT_ZERO == kNbdStateZero));

}  // namespace

NbdRefusal refusal_for(int32_t result) {
  switch (result) {
    case VARVE_E_INVALID:
      return {kNbdEinval, "the server finds the request invalid"};
    case VARVE_E_NO_SPACE:
      return {kNbdEnospc, "the store is full"};
    case VARVE_E_DAMAGED:
      return {kNbdEio, "a block is damaged: its checksum does not hold"};
    case VARVE_E_BUSY:
      return {kNbdEperm, "the volume is attached elsewhere now"};
    case VARVE_E_UNSUPPORTED:
      return {kNbdEnotsup, "the server does not support this"};
    case VARVE_E_CLOSED:
    case VARVE_E_NOT_FOUND:
      return {kNbdEshutdown, "the volume is closing"};
    case VARVE_E_NO_MEMORY:
      return {kNbdEnomem, "the server is out of memory"};
    default:
      return {kNbdEio, "a disk failed; see the server's log"};
  }
}

void encode_done(const NbdRequest& request, ReplyHead& head) {
  encode_simple(request, 0, head);
}

void encode_data(const NbdRequest& request, bool structured, ReplyHead& head) {
  if (!structured) return encode_simple(request, 0, head);
  encode_chunk(request, kNbdChunkOffsetData, 8 + request.bytes, head);
  store_be(&head.bytes[head.length], request.offset);
  head.length += 8;
}

void encode_refusal(const NbdRequest& request, bool structured, const NbdRefusal& refusal,
                    ReplyHead& head, std::string& body) {
  body.clear();
  if (!structured) return encode_simple(request, refusal.error, head);
  const std::string_view why = refusal.why;
  append_be(body, refusal.error);
  append_be(body, static_cast<uint16_t>(why.size()));
  body += why;
  encode_chunk(request, kNbdChunkError, static_cast<uint32_t>(body.size()), head);
}

bool encode_extents(const NbdRequest& request, std::span<const varve_extent> extents,
                    ReplyHead& head, std::string& body) {
  body.clear();
  append_be(body, kNbdAllocationId);
  uint64_t left = request.bytes;
  for (const varve_extent& extent : extents) {
    const uint64_t bytes = std::min(left, extent.bytes);
    if (bytes == 0) break;
    append_be(body, static_cast<uint32_t>(bytes));
    append_be(body, extent.flags & (kNbdStateHole | kNbdStateZero));
    left -= bytes;
    if ((request.flags & kNbdFlagReqOne) != 0) break;
  }
  if (left == request.bytes) return false;
  encode_chunk(request, kNbdChunkBlockStatus, static_cast<uint32_t>(body.size()), head);
  return true;
}

}  // namespace varve
