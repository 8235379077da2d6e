// One message of each type with its bytes, so that the format cannot drift unnoticed. A change here
// is another protocol version (docs/wire.md).
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "core/wire/message_header.h"

namespace varve {
namespace {

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    text += "0123456789abcdef"[static_cast<uint8_t>(byte) >> 4];
    text += "0123456789abcdef"[static_cast<uint8_t>(byte) & 15];
  }
  return text;
}

template <typename Body>
std::string request(const Body& body, uint32_t payload_bytes = 0) {
  MessageBytes bytes;
  const size_t size = encode_message({.type = Body::kType,
                                      .request_id = 0x0102030405060708,
                                      .payload_bytes = payload_bytes,
                                      .body = body_bytes(body)},
                                     bytes);
  return hex(std::span(bytes).first(size));
}
template <typename Body>
std::string reply(MessageType type, const Body& body, ErrorCode status, uint32_t payload_bytes) {
  MessageBytes bytes;
  const size_t size = encode_message({.type = type,
                                      .reply = true,
                                      .status = status,
                                      .request_id = 0x0102030405060708,
                                      .payload_bytes = payload_bytes,
                                      .body = body_bytes(body)},
                                     bytes);
  return hex(std::span(bytes).first(size));
}

Uuid uuid() {
  Uuid value{};
  for (size_t i = 0; i < value.size(); ++i) value[i] = std::byte{static_cast<uint8_t>(0xa0 + i)};
  return value;
}

constexpr Sequence kSequence = make_sequence(0x5, 0x77);
constexpr VolumeFence kFence{.volume = VolumeId{0x21},
                             .name_bytes = 0x22,
                             .block_count = 0x23,
                             .attach_generation = 0x24,
                             .group_count = 0x25};

TEST_CASE("the bytes of requests are what they were") {
  CHECK(request(HelloRequest{.cluster = uuid(), .node = NodeId{0x11}, .boot = 0x12}) ==
        "56525657010001000807060504030201000000002000000000000000de70154e"
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf11000000000000001200000000000000");
  CHECK(request(BeaconRequest{.sent_ns = 0x11, .count = 0x12}, 0x90) ==
        "56525657010002000807060504030201900000001000000000000000189c38c2"
        "11000000000000001200000000000000");
  CHECK(request(ReplicateRequest{.group = GroupId{0x11},
                                 .epoch = 0x12,
                                 .sequence = kSequence,
                                 .position = 0x13,
                                 .everyone = 0x14,
                                 .volume = VolumeId{0x15},
                                 .block_count = 1,
                                 .first_block = 0x16,
                                 .op = ReplicateOp::kData},
                4100) ==
        "56525657010003000807060504030201041000003800000000000000d9453063"
        "1100000012000000770000000005000013000000000000001400000000000000"
        "150000000100000016000000000000000100000000000000");
  CHECK(request(PrepareRequest{.group = GroupId{0x11},
                               .epoch = 0x12,
                               .office = 0x13,
                               .primary = DiskGroupId{0x14},
                               .in_sync = 1}) ==
        "5652565701000400080706050403020100000000180000000000000007485d7a"
        "110000001200000013000000140000000100000000000000");
  CHECK(request(ChangedRequest{.group = GroupId{0x11},
                               .epoch = 0x12,
                               .after = kSequence,
                               .volume = VolumeId{0x13},
                               .run_count_max = 0x14,
                               .block = 0x15}) ==
        "56525657010005000807060504030201000000002000000000000000337ddfbe"
        "1100000012000000770000000005000013000000140000001500000000000000");
  CHECK(request(FetchRequest{.group = GroupId{0x11},
                             .epoch = 0x12,
                             .volume = VolumeId{0x13},
                             .block = 0x14,
                             .sequence = kSequence}) ==
        "56525657010006000807060504030201000000002000000000000000c8773bb1"
        "1100000012000000130000000000000014000000000000007700000000050000");
  CHECK(request(FenceRequest{.group = GroupId{0x11}, .epoch = 0x12, .fence = kFence}, 0xb6) ==
        "56525657010007000807060504030201b6000000280000000000000056153166"
        "1100000012000000210000002200000023000000000000002400000000000000"
        "2500000000000000");
  CHECK(request(AttachRequest{.group = GroupId{0x11}, .office = 0x12, .fence = kFence}, 0xb6) ==
        "56525657010008000807060504030201b60000002800000000000000147a6127"
        "1100000012000000210000002200000023000000000000002400000000000000"
        "2500000000000000");
  CHECK(request(IoWireRequest{.group = GroupId{0x11},
                              .office = 0x12,
                              .volume = VolumeId{0x13},
                              .block_count = 0x14,
                              .first_block = 0x15,
                              .attach_generation = 0x16,
                              .connection = 0x17,
                              .kind = IoKind::kTrim}) ==
        "5652565701000900080706050403020100000000300000000000000064728913"
        "1100000012000000130000001400000015000000000000001600000000000000"
        "17000000000000000300000000000000");
}

TEST_CASE("the bytes of replies are what they were") {
  constexpr ErrorCode kOk = ErrorCode::kOk;
  CHECK(reply(MessageType::kHello, HelloReply{.node = NodeId{0x11}, .boot = 0x12}, kOk, 0) ==
        "56525657010001000807060504030201000000001000010000000000b6324170"
        "11000000000000001200000000000000");
  CHECK(reply(MessageType::kBeacon, BeaconReply{.sent_ns = 0x11, .count = 1}, kOk, 8) ==
        "565256570100020008070605040302010800000010000100000000009ea812e9"
        "11000000000000000100000000000000");
  CHECK(reply(MessageType::kReplicate, EmptyReply{}, ErrorCode::kStale, 0) ==
        "56525657010003000807060504030201000000000800010e0000000027ed0baf"
        "0000000000000000");
  CHECK(reply(MessageType::kPrepare,
              PrepareReply{.epoch = 0x11, .position = kSequence, .log_end = 0x12}, kOk, 0) ==
        "56525657010004000807060504030201000000001800010000000000f79a088b"
        "110000000000000077000000000500001200000000000000");
  CHECK(reply(MessageType::kChanged,
              ChangedReply{.volume = VolumeId{0x11}, .run_count = 1, .block = 0x12}, kOk, 24) ==
        "56525657010005000807060504030201180000001000010000000000480df04d"
        "11000000010000001200000000000000");
  CHECK(reply(MessageType::kFetch, EmptyReply{}, kOk, 4100) ==
        "5652565701000600080706050403020104100000080001000000000092b020a2"
        "0000000000000000");
  CHECK(reply(MessageType::kFence, EmptyReply{}, kOk, 0) ==
        "5652565701000700080706050403020100000000080001000000000084cd77d8"
        "0000000000000000");
  CHECK(reply(MessageType::kAttach, EmptyReply{}, ErrorCode::kTimedOut, 0) ==
        "56525657010008000807060504030201000000000800010f00000000111ece0c"
        "0000000000000000");
  CHECK(reply(MessageType::kIo, IoWireReply{.office = 0x11, .run_count = 2}, kOk, 32) ==
        "565256570100090008070605040302012000000008000100000000006ed50c8e"
        "1100000002000000");
}

TEST_CASE("the bytes in payloads are what they were") {
  CHECK(hex(body_bytes(GroupClaim{
            .group = GroupId{0x11}, .epoch = 0x12, .position = kSequence, .everyone = 0x13})) ==
        "110000001200000077000000000500001300000000000000");
  CHECK(hex(body_bytes(GroupEpoch{.group = GroupId{0x11}, .epoch = 0x12})) == "1100000012000000");
  CHECK(hex(body_bytes(ChangedRun{.volume = VolumeId{0x11},
                                  .block_count = 0x12,
                                  .first_block = 0x13,
                                  .sequence = kSequence})) ==
        "110000001200000013000000000000007700000000050000");
  CHECK(hex(body_bytes(StatusRun{.block_count = 0x11, .data = 1})) ==
        "11000000000000000100000000000000");
}

TEST_CASE("the numbers of statuses are what they were") {
  CHECK(static_cast<int>(ErrorCode::kInvalidArgument) == 1);
  CHECK(static_cast<int>(ErrorCode::kNotFound) == 2);
  CHECK(static_cast<int>(ErrorCode::kAlreadyExists) == 3);
  CHECK(static_cast<int>(ErrorCode::kNoSpace) == 4);
  CHECK(static_cast<int>(ErrorCode::kDamaged) == 5);
  CHECK(static_cast<int>(ErrorCode::kIoError) == 6);
  CHECK(static_cast<int>(ErrorCode::kBusy) == 7);
  CHECK(static_cast<int>(ErrorCode::kUnsupported) == 8);
  CHECK(static_cast<int>(ErrorCode::kNotFormatted) == 9);
  CHECK(static_cast<int>(ErrorCode::kNewerFormat) == 10);
  CHECK(static_cast<int>(ErrorCode::kClosed) == 11);
  CHECK(static_cast<int>(ErrorCode::kUnknown) == 12);
  CHECK(static_cast<int>(ErrorCode::kUnavailable) == 13);
  CHECK(static_cast<int>(ErrorCode::kStale) == 14);
  CHECK(static_cast<int>(ErrorCode::kTimedOut) == 15);
}

}  // namespace
}  // namespace varve
