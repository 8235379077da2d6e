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
                             .group_count = 0x25,
                             .snapshot_count = 1,
                             .branch_count = 2,
                             .newest_generation = 0x26,
                             .base = VolumeId{0x20},
                             .base_generation = 0x27};

TEST_CASE("the bytes of requests are what they were") {
  CHECK(request(HelloRequest{.cluster = uuid(), .node = NodeId{0x11}, .boot = 0x12}) ==
        "56525657020001000807060504030201000000002000000000000000276026e9"
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf11000000000000001200000000000000");
  CHECK(request(BeaconRequest{.sent_ns = 0x11, .count = 0x12}, 0x90) ==
        "5652565702000200080706050403020190000000100000000000000094d594a1"
        "11000000000000001200000000000000");
  CHECK(request(ReplicateRequest{.group = GroupId{0x11},
                                 .epoch = 0x12,
                                 .sequence = kSequence,
                                 .position = 0x13,
                                 .everyone = 0x14,
                                 .volume = VolumeId{0x15},
                                 .block_count = 1,
                                 .first_block = 0x16,
                                 .op = ReplicateOp::kData,
                                 .generation = 0x17},
                4100) ==
        "565256570200030008070605040302010410000038000000000000001aff1a8b"
        "1100000012000000770000000005000013000000000000001400000000000000"
        "150000000100000016000000000000000100000017000000");
  CHECK(request(PrepareRequest{.group = GroupId{0x11},
                               .epoch = 0x12,
                               .office = 0x13,
                               .primary = DiskGroupId{0x14},
                               .in_sync = 1}) ==
        "565256570200040008070605040302010000000018000000000000000b6f265e"
        "110000001200000013000000140000000100000000000000");
  CHECK(request(ChangedRequest{.group = GroupId{0x11},
                               .epoch = 0x12,
                               .after = kSequence,
                               .volume = VolumeId{0x13},
                               .run_count_max = 0x14,
                               .block = 0x15}) ==
        "56525657020005000807060504030201000000002000000000000000ca6dec19"
        "1100000012000000770000000005000013000000140000001500000000000000");
  CHECK(request(FetchRequest{.group = GroupId{0x11},
                             .epoch = 0x12,
                             .volume = VolumeId{0x13},
                             .generation = 0x15,
                             .block = 0x14,
                             .sequence = kSequence}) ==
        "56525657020006000807060504030201000000002000000000000000bbae4f86"
        "1100000012000000130000001500000014000000000000007700000000050000");
  CHECK(request(FenceRequest{.group = GroupId{0x11}, .epoch = 0x12, .fence = kFence, .exact = 1},
                0xde) ==
        "56525657020007000807060504030201de000000400000000000000032b4b586"
        "1100000012000000210000002200000023000000000000002400000000000000"
        "2500000001000000020000002600000020000000270000000100000000000000");
  CHECK(request(AttachRequest{.group = GroupId{0x11}, .office = 0x12, .fence = kFence}, 0xde) ==
        "56525657020008000807060504030201de0000003800000000000000b19faccf"
        "1100000012000000210000002200000023000000000000002400000000000000"
        "250000000100000002000000260000002000000027000000");
  CHECK(request(IoWireRequest{.group = GroupId{0x11},
                              .office = 0x12,
                              .volume = VolumeId{0x13},
                              .block_count = 0x14,
                              .first_block = 0x15,
                              .attach_generation = 0x16,
                              .connection = 0x17,
                              .kind = IoKind::kTrim,
                              .generation = 0x18}) ==
        "565256570200090008070605040302010000000030000000000000000577dd46"
        "1100000012000000130000001400000015000000000000001600000000000000"
        "17000000000000000300000018000000");
}

TEST_CASE("the bytes of replies are what they were") {
  constexpr ErrorCode kOk = ErrorCode::kOk;
  CHECK(reply(MessageType::kHello, HelloReply{.node = NodeId{0x11}, .boot = 0x12}, kOk, 0) ==
        "565256570200010008070605040302010000000010000100000000003a7bed13"
        "11000000000000001200000000000000");
  CHECK(reply(MessageType::kBeacon, BeaconReply{.sent_ns = 0x11, .count = 1}, kOk, 8) ==
        "5652565702000200080706050403020108000000100001000000000012e1be8a"
        "11000000000000000100000000000000");
  CHECK(reply(MessageType::kReplicate, EmptyReply{}, ErrorCode::kStale, 0) ==
        "56525657020003000807060504030201000000000800010e000000007a9ce0e9"
        "0000000000000000");
  CHECK(reply(MessageType::kPrepare,
              PrepareReply{.epoch = 0x11, .position = kSequence, .log_end = 0x12}, kOk, 0) ==
        "56525657020004000807060504030201000000001800010000000000fbbd73af"
        "110000000000000077000000000500001200000000000000");
  CHECK(reply(MessageType::kChanged,
              ChangedReply{.volume = VolumeId{0x11}, .run_count = 1, .block = 0x12}, kOk, 24) ==
        "56525657020005000807060504030201180000001000010000000000c4445c2e"
        "11000000010000001200000000000000");
  CHECK(reply(MessageType::kFetch, EmptyReply{}, kOk, 4100) ==
        "56525657020006000807060504030201041000000800010000000000cfc1cbe4"
        "0000000000000000");
  CHECK(reply(MessageType::kFence, EmptyReply{}, kOk, 0) ==
        "56525657020007000807060504030201000000000800010000000000d9bc9c9e"
        "0000000000000000");
  CHECK(reply(MessageType::kAttach, EmptyReply{}, ErrorCode::kTimedOut, 0) ==
        "56525657020008000807060504030201000000000800010f000000004c6f254a"
        "0000000000000000");
  CHECK(reply(MessageType::kIo, IoWireReply{.office = 0x11, .run_count = 2}, kOk, 32) ==
        "5652565702000900080706050403020120000000080001000000000033a4e7c8"
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
                                  .sequence = kSequence,
                                  .generation = 0x14})) ==
        "1100000012000000130000000000000077000000000500001400000000000000");
  CHECK(hex(body_bytes(
            FenceSnapshot{.block_count = 0x11, .created_seconds = 0x12, .generation = 0x13})) ==
        "110000000000000012000000000000001300000000000000");
  CHECK(hex(body_bytes(FenceBranch{.first = 0x11, .fork = 0x12})) == "1100000012000000");
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
