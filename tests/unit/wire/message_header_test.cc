#include "core/wire/message_header.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "core/base/crc32c.h"

namespace varve {
namespace {

constexpr MessageType kLast = MessageType::kIo;
static_assert(static_cast<size_t>(kLast) == kMessageTypeCount);

std::vector<std::byte> encoded(MessageType type, bool reply, uint64_t request_id = 5,
                               uint32_t payload_bytes = 0) {
  const std::vector<std::byte> body(body_bytes_of(type, reply), std::byte{0x11});
  MessageBytes bytes;
  const size_t size = encode_message({.type = type,
                                      .reply = reply,
                                      .request_id = request_id,
                                      .payload_bytes = payload_bytes,
                                      .body = body},
                                     bytes);
  return {bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)};
}

// With a header field changed and the checksum right again.
template <typename Change>
ErrorCode decode_changed(Change change, bool reply = false) {
  const std::vector<std::byte> good = encoded(MessageType::kPrepare, reply);
  MessageHeader header;
  std::memcpy(&header, good.data(), sizeof header);
  change(header);
  std::vector<std::byte> bytes = good;
  const auto body = std::span(good).subspan(sizeof header);
  const auto head = std::as_bytes(std::span(&header, 1)).first(offsetof(MessageHeader, crc));
  header.crc = crc32c(body, crc32c(head));
  std::memcpy(bytes.data(), &header, sizeof header);
  return decode_message(bytes, 0).code();
}

TEST_CASE("a message of every type comes back as it was") {
  for (uint16_t number = 1; number <= kMessageTypeCount; ++number) {
    const auto type = static_cast<MessageType>(number);
    for (const bool reply : {false, true}) {
      const std::vector<std::byte> bytes = encoded(type, reply, 77, 4100);
      const Result<Message> message = decode_message(bytes, 4100);
      REQUIRE(message.ok());
      CHECK(message->type == type);
      CHECK(message->reply == reply);
      CHECK(message->status == ErrorCode::kOk);
      CHECK(message->request_id == 77);
      CHECK(message->payload_bytes == 4100);
      CHECK(message->body.size() == body_bytes_of(type, reply));
      CHECK(std::string(message_type_name(type)) != "unknown");
    }
  }
}

TEST_CASE("no bit of a message can change unnoticed") {
  const std::vector<std::byte> good = encoded(MessageType::kHello, false);
  REQUIRE(decode_message(good, 0).ok());
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::vector<std::byte> bad = good;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    CHECK(!decode_message(bad, 0).ok());
  }
  for (size_t size = 0; size < good.size(); ++size)
    CHECK(decode_message(std::span(good).first(size), 0).code() == ErrorCode::kDamaged);
  std::vector<std::byte> longer = good;
  longer.push_back({});
  CHECK(decode_message(longer, 0).code() == ErrorCode::kDamaged);
  CHECK(decode_message(good, 8).code() == ErrorCode::kDamaged);
}

TEST_CASE("a header that contradicts itself is refused, checksum or not") {
  CHECK(decode_changed([](MessageHeader&) {}) == ErrorCode::kOk);
  CHECK(decode_changed([](MessageHeader& h) { ++h.magic; }) == ErrorCode::kDamaged);
  CHECK(decode_changed([](MessageHeader& h) { h.type = MessageType{0}; }) == ErrorCode::kDamaged);
  CHECK(decode_changed([](MessageHeader& h) { h.type = MessageType{10}; }) == ErrorCode::kDamaged);
  CHECK(decode_changed([](MessageHeader& h) { h.type = kLast; }) == ErrorCode::kDamaged);
  CHECK(decode_changed([](MessageHeader& h) { ++h.body_bytes; }) == ErrorCode::kDamaged);
  CHECK(decode_changed([](MessageHeader& h) { h.flags = 2; }) == ErrorCode::kDamaged);
  CHECK(decode_changed([](MessageHeader& h) { h.reserved = 1; }) == ErrorCode::kDamaged);
  CHECK(decode_changed([](MessageHeader& h) { h.status = ErrorCode::kBusy; }) ==
        ErrorCode::kDamaged);
  CHECK(decode_changed([](MessageHeader& h) { h.status = ErrorCode::kTimedOut; }, true) ==
        ErrorCode::kOk);
  CHECK(decode_changed([](MessageHeader& h) { h.status = ErrorCode{200}; }, true) ==
        ErrorCode::kDamaged);
}

TEST_CASE("another version is refused by name, whatever follows it") {
  std::vector<std::byte> bytes = encoded(MessageType::kHello, false);
  bytes[4] = std::byte{9};
  const Result<Message> message = decode_message(bytes, 0);
  CHECK(message.code() == ErrorCode::kUnsupported);
  CHECK(message.status().message() == "protocol version 9; this node speaks 2");
  bytes.resize(8);
  CHECK(decode_message(bytes, 0).code() == ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace varve
