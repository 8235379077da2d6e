#include "core/wire/message_header.h"

#include <bit>
#include <string>

#include "core/base/crc32c.h"

namespace varve {
namespace {

static_assert(std::endian::native == std::endian::little, "the structs are the bytes");

// How a message begins in every version.
struct Beginning {
  uint32_t magic;
  uint16_t version;
  uint16_t type;
};
static_assert(sizeof(Beginning) == 8);
static_assert(offsetof(MessageHeader, version) == offsetof(Beginning, version));

struct TypeInfo {
  const char* name;
  uint32_t request_bytes;
  uint32_t reply_bytes;
};
template <typename Request>
constexpr TypeInfo info(const char* name) {
  return {name, sizeof(Request), sizeof(typename ReplyOf<Request>::Type)};
}
constexpr TypeInfo kTypes[kMessageTypeCount] = {
    info<HelloRequest>("hello"),         info<BeaconRequest>("beacon"),
    info<ReplicateRequest>("replicate"), info<PrepareRequest>("prepare"),
    info<ChangedRequest>("changed"),     info<FetchRequest>("fetch"),
    info<FenceRequest>("fence"),         info<AttachRequest>("attach"),
    info<IoWireRequest>("io"),
};

const TypeInfo* find_type(MessageType type) {
  const size_t index = static_cast<size_t>(type) - 1;
  return index < kMessageTypeCount ? &kTypes[index] : nullptr;
}

uint32_t crc_of(const MessageHeader& header, std::span<const std::byte> body) {
  const auto bytes = std::as_bytes(std::span(&header, 1));
  return crc32c(body, crc32c(bytes.first(offsetof(MessageHeader, crc))));
}

Status damaged(const char* what) {
  return {ErrorCode::kDamaged, what};
}

Status check_header(const MessageHeader& header, uint32_t payload_bytes) {
  const TypeInfo* type = find_type(header.type);
  const bool reply = (header.flags & kMessageReply) != 0;
  if (type == nullptr) return damaged("a message of an unknown type");
  if ((header.flags & ~kMessageReply) != 0 || header.reserved != 0)
    return damaged("a message with unknown flags");
  if (header.body_bytes != (reply ? type->reply_bytes : type->request_bytes))
    return damaged("a message whose body has another size than its type's");
  if (header.status > ErrorCode::kTimedOut) return damaged("a message with an unknown status");
  if (!reply && header.status != ErrorCode::kOk) return damaged("a request with a status");
  if (header.payload_bytes != payload_bytes)
    return damaged("a message whose payload has another size than announced");
  return {};
}

}  // namespace

uint32_t body_bytes_of(MessageType type, bool reply) {
  const TypeInfo* found = find_type(type);
  if (found == nullptr) return 0;
  return reply ? found->reply_bytes : found->request_bytes;
}

const char* message_type_name(MessageType type) {
  const TypeInfo* found = find_type(type);
  return found == nullptr ? "unknown" : found->name;
}

size_t encode_message(const Message& message, MessageBytes& out) {
  VARVE_CHECK(message.body.size() == body_bytes_of(message.type, message.reply));
  VARVE_CHECK(!message.body.empty());
  MessageHeader header;
  header.type = message.type;
  header.request_id = message.request_id;
  header.payload_bytes = message.payload_bytes;
  header.body_bytes = static_cast<uint16_t>(message.body.size());
  header.flags = message.reply ? kMessageReply : 0;
  header.status = message.status;
  header.crc = crc_of(header, message.body);
  std::memcpy(out.data(), &header, sizeof header);
  std::memcpy(out.data() + sizeof header, message.body.data(), message.body.size());
  return sizeof header + message.body.size();
}

Result<Message> decode_message(std::span<const std::byte> bytes, uint32_t payload_bytes) {
  Beginning beginning;
  if (bytes.size() < sizeof beginning) return damaged("a message that is too short");
  std::memcpy(&beginning, bytes.data(), sizeof beginning);
  if (beginning.magic != kWireMagic) return damaged("bytes that are no message of ours");
  if (beginning.version != kProtocolVersion)
    return Status(ErrorCode::kUnsupported, "protocol version " + std::to_string(beginning.version) +
                                               "; this node speaks " +
                                               std::to_string(kProtocolVersion));
  MessageHeader header;
  if (bytes.size() < sizeof header) return damaged("a message that is too short");
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::span<const std::byte> body = bytes.subspan(sizeof header);
  if (header.body_bytes != body.size()) return damaged("a message of another size than announced");
  if (header.crc != crc_of(header, body)) return damaged("a message with a wrong checksum");
  VARVE_TRY(check_header(header, payload_bytes));
  return Message{header.type,          (header.flags & kMessageReply) != 0,
                 header.status,        header.request_id,
                 header.payload_bytes, body};
}

}  // namespace varve
