// A message of arbitrary bytes, as it is and with a right checksum, as a request and as the reply
// to one. What is accepted encodes to the same bytes, and its payload fits a transport.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/base/crc32c.h"
#include "core/wire/message_header.h"
#include "core/wire/message_payload.h"

namespace varve {
namespace {

constexpr uint32_t kPayloadMax = 1024 * 1024 + 16384;

void check(std::span<const std::byte> bytes) {
  uint32_t payload_bytes = 0;
  if (bytes.size() >= sizeof(MessageHeader))
    std::memcpy(&payload_bytes, bytes.data() + offsetof(MessageHeader, payload_bytes),
                sizeof payload_bytes);
  const Result<Message> message = decode_message(bytes, payload_bytes);
  if (!message.ok()) return;
  MessageBytes again;
  const size_t size = encode_message(*message, again);
  if (size != bytes.size() || std::memcmp(again.data(), bytes.data(), size) != 0) std::abort();
  if (!message->reply) {
    const Result<uint32_t> expected = request_payload_bytes(message->type, message->body);
    if (expected.ok() && *expected > kPayloadMax) std::abort();
    return;
  }
  // To a request that has the same bytes, as far as they go, and passes.
  std::vector<std::byte> request(body_bytes_of(message->type, false));
  std::memcpy(request.data(), message->body.data(), std::min(request.size(), message->body.size()));
  if (!request_payload_bytes(message->type, request).ok()) return;
  const Result<uint32_t> expected = reply_payload_bytes(message->type, request, message->body);
  if (expected.ok() && *expected > kPayloadMax) std::abort();
}

// So that more than the checksum is looked at.
void repair(std::span<std::byte> bytes) {
  if (bytes.size() < sizeof(MessageHeader)) return;
  MessageHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.magic = kWireMagic;
  header.version = kProtocolVersion;
  header.body_bytes = static_cast<uint16_t>(bytes.size() - sizeof header);
  const auto head = std::as_bytes(std::span(&header, 1)).first(offsetof(MessageHeader, crc));
  header.crc = crc32c(bytes.subspan(sizeof header), crc32c(head));
  std::memcpy(bytes.data(), &header, sizeof header);
}

}  // namespace
}  // namespace varve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 256) return 0;
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  varve::check(bytes);
  varve::repair(bytes);
  varve::check(bytes);
  return 0;
}
