#include "transports/rdma/frame.h"

#include "plugins/abi/transport.h"
#include "plugins/sdk/bytes.h"
#include "plugins/sdk/crc32c.h"

namespace varve {
namespace {

constexpr uint32_t kTlsFlag = 1;

bool says_kind(std::span<const uint8_t> from, FrameKind kind) {
  return from.size() >= kFrameBytes && load_be<uint16_t>(&from[4]) == static_cast<uint16_t>(kind);
}

}  // namespace

void encode_greeting(const Greeting& greeting, uint8_t* to) {
  store_be<uint32_t>(to, kGreetingMagic);
  store_be<uint16_t>(to + 4, kGreetingVersion);
  store_be<uint16_t>(to + 6, greeting.slots);
  store_be<uint32_t>(to + 8, greeting.eager_bytes);
  store_be<uint32_t>(to + 12, greeting.tls ? kTlsFlag : 0);
  store_be<uint32_t>(to + 16, crc32c_of({to, 16}));
}

const char* decode_greeting(std::span<const uint8_t> from, Greeting& greeting) {
  // Of another version this may be all that is the same.
  if (from.size() < 6) return "its greeting is too short";
  if (load_be<uint32_t>(from.data()) != kGreetingMagic) return "it is no Varve node";
  if (load_be<uint16_t>(&from[4]) != kGreetingVersion) return "it speaks another version";
  if (from.size() < kGreetingBytes) return "its greeting is too short";
  if (load_be<uint32_t>(&from[16]) != crc32c_of(from.first(16)))
    return "its greeting's checksum is wrong";
  const auto flags = load_be<uint32_t>(&from[12]);
  if ((flags & ~kTlsFlag) != 0) return "it asks for what this version does not know";
  greeting.tls = flags != 0;
  greeting.slots = load_be<uint16_t>(&from[6]);
  greeting.eager_bytes = load_be<uint32_t>(&from[8]);
  return greeting.slots < kFewestSlots ? "it has too few slots" : nullptr;
}

const char* tls_mismatch(bool peer_has, bool we_have) {
  if (peer_has && !we_have) return "it has [tls], and this node has not";
  if (!peer_has && we_have) return "it has no [tls], and this node has";
  return nullptr;
}

void encode_frame(const Frame& frame, uint8_t* to) {
  store_be<uint32_t>(to, kFrameMagic);
  store_be<uint16_t>(to + 4, static_cast<uint16_t>(frame.kind));
  store_be<uint16_t>(to + 6, frame.header_bytes);
  store_be<uint32_t>(to + 8, frame.payload_bytes);
  store_be<uint32_t>(to + 12, frame.freed);
  store_be<uint64_t>(to + 16, frame.address);
  store_be<uint32_t>(to + 24, frame.key);
  store_be<uint32_t>(to + 28, crc32c_of({to, 28}));
}

const char* decode_frame(std::span<const uint8_t> from, Frame& frame) {
  if (from.size() < kFrameBytes) return "a frame is too short";
  if (load_be<uint32_t>(from.data()) != kFrameMagic) return "a frame has the wrong magic";
  if (load_be<uint32_t>(&from[28]) != crc32c_of(from.first(28)))
    return "a frame's checksum is wrong";
  frame.kind = static_cast<FrameKind>(load_be<uint16_t>(&from[4]));
  frame.header_bytes = load_be<uint16_t>(&from[6]);
  frame.payload_bytes = load_be<uint32_t>(&from[8]);
  frame.freed = load_be<uint32_t>(&from[12]);
  frame.address = load_be<uint64_t>(&from[16]);
  frame.key = load_be<uint32_t>(&from[24]);

  const bool news = frame.kind == FrameKind::kNews;
  const bool staged = frame.kind == FrameKind::kStaged;
  const bool handshake = frame.kind == FrameKind::kHandshake;
  if (!news && !staged && !handshake && frame.kind != FrameKind::kEager)
    return "a frame of an unknown kind";
  if (!staged && (frame.address != 0 || frame.key != 0)) return "a frame with an odd address";
  if (frame.payload_bytes > VARVE_PAYLOAD_BYTES_MAX) return "a frame with too long a payload";
  if (news || handshake ? frame.header_bytes != 0
                        : frame.header_bytes == 0 || frame.header_bytes > VARVE_HEADER_BYTES_MAX)
    return "a frame with a header of a wrong length";
  if (news && frame.payload_bytes != 0) return "news with a payload";
  if ((staged || handshake) && frame.payload_bytes == 0)
    return "a frame without the payload that it announces";
  const uint64_t bytes =
      uint64_t{kFrameBytes} + frame.header_bytes + (staged ? 0 : frame.payload_bytes);
  return bytes == from.size() ? nullptr : "a frame of another length than it says";
}

bool is_staged_frame(std::span<const uint8_t> from) {
  return says_kind(from, FrameKind::kStaged);
}

bool is_handshake_frame(std::span<const uint8_t> from) {
  return says_kind(from, FrameKind::kHandshake);
}

}  // namespace varve
