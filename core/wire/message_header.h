// What stands in front of every message between nodes, and the way of a message into bytes and
// back.
//
//     MessageHeader (32 bytes) | body: the type's request or reply struct | payload (apart from it)
//
// The first eight bytes have this form in every version of the protocol, so that each side can say
// which version it refuses. Apart from that a version is all or nothing: docs/wire.md.
//
// Thread rule: plain values. Errors: decoding never aborts, whatever the bytes are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/base/error.h"
#include "core/wire/messages.h"

namespace varve {

inline constexpr uint32_t kWireMagic = 0x57565256;  // "VRVW"
inline constexpr uint16_t kProtocolVersion = 2;
inline constexpr size_t kMessageTypeCount = 9;  // numbered from 1 without a gap

inline constexpr uint8_t kMessageReply = 1;  // a flag

struct MessageHeader {
  uint32_t magic = kWireMagic;
  uint16_t version = kProtocolVersion;
  MessageType type{};
  uint64_t request_id = 0;  // the sender of the request chooses; a reply repeats it
  uint32_t payload_bytes = 0;
  uint16_t body_bytes = 0;
  uint8_t flags = 0;
  ErrorCode status = ErrorCode::kOk;  // of a reply; a request has kOk
  uint32_t reserved = 0;
  uint32_t crc = 0;  // CRC-32C of all before it, then of the body
};
static_assert(sizeof(MessageHeader) == 32);

inline constexpr size_t kMessageBytesMax = sizeof(MessageHeader) + kBodyBytesMax;
static_assert(kMessageBytesMax <= 256);  // what a transport carries in front of a payload
using MessageBytes = std::array<std::byte, kMessageBytesMax>;

// The reply that belongs to a request.
template <typename Request>
struct ReplyOf {
  using Type = EmptyReply;
};
template <>
struct ReplyOf<HelloRequest> {
  using Type = HelloReply;
};
template <>
struct ReplyOf<BeaconRequest> {
  using Type = BeaconReply;
};
template <>
struct ReplyOf<PrepareRequest> {
  using Type = PrepareReply;
};
template <>
struct ReplyOf<ChangedRequest> {
  using Type = ChangedReply;
};
template <>
struct ReplyOf<IoWireRequest> {
  using Type = IoWireReply;
};

// Of the type's request or reply struct; 0 for an unknown type.
uint32_t body_bytes_of(MessageType type, bool reply);
// Lower-case name for the log; "unknown" for one that is not.
const char* message_type_name(MessageType type);

// One message without its payload. `body` is borrowed.
struct Message {
  MessageType type{};
  bool reply = false;
  ErrorCode status = ErrorCode::kOk;
  uint64_t request_id = 0;
  uint32_t payload_bytes = 0;
  std::span<const std::byte> body;
};

// Returns how many bytes of `out` the message takes. REQUIRES the body to be that of the type.
size_t encode_message(const Message& message, MessageBytes& out);

// `bytes` is all that came before a payload of `payload_bytes`; the result's body lies in it.
// kUnsupported: another version. kDamaged: anything else that is wrong; the sentence says what.
// What the body's fields say about the payload is message_payload.h's to check.
Result<Message> decode_message(std::span<const std::byte> bytes, uint32_t payload_bytes);

template <typename Body>
std::span<const std::byte> body_bytes(const Body& body) {
  return std::as_bytes(std::span(&body, 1));
}
// REQUIRES the bytes to be a Body's.
template <typename Body>
Body load_body(std::span<const std::byte> bytes) {
  VARVE_CHECK(bytes.size() == sizeof(Body));
  Body body;
  std::memcpy(&body, bytes.data(), sizeof body);
  return body;
}

}  // namespace varve
