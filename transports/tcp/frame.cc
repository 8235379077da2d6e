#include "transports/tcp/frame.h"

#include "plugins/abi/transport.h"
#include "plugins/sdk/bytes.h"
#include "plugins/sdk/crc32c.h"

namespace varve {

void encode_frame(const Frame& frame, uint8_t* to) {
  store_be(to, kFrameMagic);
  store_be(to + 4, kFrameVersion);
  store_be(to + 6, frame.header_bytes);
  store_be(to + 8, frame.payload_bytes);
  store_be(to + 12, crc32c_of({to, 12}));
}

const char* decode_frame(const uint8_t* from, Frame& frame) {
  if (load_be<uint32_t>(from) != kFrameMagic) return "sent bytes that are no Varve message";
  if (load_be<uint32_t>(from + 12) != crc32c_of({from, 12}))
    return "sent a frame with a wrong checksum";
  if (load_be<uint16_t>(from + 4) != kFrameVersion) return "speaks another version of the framing";
  frame.header_bytes = load_be<uint16_t>(from + 6);
  frame.payload_bytes = load_be<uint32_t>(from + 8);
  if (frame.header_bytes < 1 || frame.header_bytes > VARVE_HEADER_BYTES_MAX)
    return "sent a header that is too long or empty";
  if (frame.payload_bytes > VARVE_PAYLOAD_BYTES_MAX) return "sent a payload that is too long";
  return nullptr;
}

}  // namespace varve
