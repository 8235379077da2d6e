#include "plugins/nbd/request.h"

#include "plugins/nbd/protocol.h"
#include "plugins/sdk/bytes.h"

namespace varve {
namespace {

uint16_t allowed_flags(const NbdRequest& request, const NbdSession& session) {
  switch (request.type) {
    case kNbdCmdRead:
      return session.structured ? kNbdFlagFua | kNbdFlagDf : kNbdFlagFua;
    case kNbdCmdWriteZeroes:
      return kNbdFlagFua | kNbdFlagNoHole | kNbdFlagFastZero;
    case kNbdCmdBlockStatus:
      return kNbdFlagFua | kNbdFlagReqOne;
    default:
      return kNbdFlagFua;
  }
}

bool changes_data(uint16_t type) {
  return type == kNbdCmdWrite || type == kNbdCmdTrim || type == kNbdCmdWriteZeroes;
}

NbdRefusal check_range(const NbdRequest& request, const NbdExport& volume) {
  if (request.bytes == 0) return {kNbdEinval, "a request for no bytes"};
  const bool outside =
      request.offset > volume.size_bytes || request.bytes > volume.size_bytes - request.offset;
  if (outside && (request.type == kNbdCmdWrite || request.type == kNbdCmdWriteZeroes))
    return {kNbdEnospc, "the range ends beyond the volume"};
  if (outside) return {kNbdEinval, "the range ends beyond the volume"};
  const bool moves_data = request.type == kNbdCmdRead || request.type == kNbdCmdWrite;
  if (moves_data && request.bytes > volume.max_bytes)
    return {kNbdEinval, "the request is larger than the maximum block size"};
  return {};
}

}  // namespace

NbdParse parse_request(std::span<const uint8_t> input, NbdRequest& request) {
  if (input.size() < kNbdRequestBytes) return NbdParse::kMore;
  const uint8_t* from = input.data();
  if (load_be<uint32_t>(from) != kNbdRequestMagic) return NbdParse::kGarbage;
  request.flags = load_be<uint16_t>(from + 4);
  request.type = load_be<uint16_t>(from + 6);
  request.cookie = load_be<uint64_t>(from + 8);
  request.offset = load_be<uint64_t>(from + 16);
  request.bytes = load_be<uint32_t>(from + 24);
  return NbdParse::kRequest;
}

uint32_t payload_bytes(const NbdRequest& request) {
  return request.type == kNbdCmdWrite ? request.bytes : 0;
}

NbdRefusal check_request(const NbdRequest& request, const NbdSession& session) {
  switch (request.type) {
    case kNbdCmdRead:
    case kNbdCmdWrite:
    case kNbdCmdFlush:
    case kNbdCmdTrim:
    case kNbdCmdWriteZeroes:
      break;
    case kNbdCmdBlockStatus:
      if (session.block_status) break;
      return {kNbdEinval, "block status was not negotiated"};
    default:
      return {kNbdEinval, "this server does not know the command"};
  }
  if ((request.flags & ~allowed_flags(request, session)) != 0)
    return {kNbdEinval, "a flag does not fit the command"};
  if (session.volume.read_only && changes_data(request.type))
    return {kNbdEperm, "the volume is read-only"};
  if (request.type == kNbdCmdFlush) {
    if (request.offset != 0 || request.bytes != 0)
      return {kNbdEinval, "a flush takes neither offset nor length"};
    return {};
  }
  return check_range(request, session.volume);
}

}  // namespace varve
