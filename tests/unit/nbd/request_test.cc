// Which requests are served, and how replies look on the wire.
#include "plugins/nbd/request.h"

#include <catch2/catch_test_macros.hpp>

#include "plugins/nbd/protocol.h"
#include "plugins/nbd/reply.h"
#include "plugins/sdk/bytes.h"

namespace varve {
namespace {

NbdSession session() {
  return {{1 << 20, 4096, 64 << 10, false}, true, true};
}

uint32_t judged(uint16_t type, uint64_t offset, uint32_t bytes, uint16_t flags = 0,
                const NbdSession& with = session()) {
  return check_request({flags, type, 1, offset, bytes}, with).error;
}

TEST_CASE("a request header is read field by field") {
  std::string bytes;
  append_be(bytes, kNbdRequestMagic);
  append_be(bytes, uint16_t{kNbdFlagFua});
  append_be(bytes, uint16_t{kNbdCmdWrite});
  append_be(bytes, uint64_t{0x1122334455667788});
  append_be(bytes, uint64_t{0x99});
  append_be(bytes, uint32_t{0x200});
  const std::span input(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  NbdRequest request;
  CHECK(parse_request(input.first(27), request) == NbdParse::kMore);
  REQUIRE(parse_request(input, request) == NbdParse::kRequest);
  CHECK(request.flags == kNbdFlagFua);
  CHECK(request.type == kNbdCmdWrite);
  CHECK(request.cookie == 0x1122334455667788);
  CHECK(request.offset == 0x99);
  CHECK(payload_bytes(request) == 0x200);
  bytes[0] = 'x';
  CHECK(parse_request(input, request) == NbdParse::kGarbage);
}

TEST_CASE("ranges end at the volume's end") {
  const uint64_t size = 1 << 20;
  CHECK(judged(kNbdCmdRead, size - 1, 1) == 0);
  CHECK(judged(kNbdCmdRead, size - 1, 2) == kNbdEinval);
  CHECK(judged(kNbdCmdRead, ~0ull, 2) == kNbdEinval);  // the sum would wrap
  CHECK(judged(kNbdCmdTrim, size, 1) == kNbdEinval);
  CHECK(judged(kNbdCmdWrite, size - 1, 2) == kNbdEnospc);
  CHECK(judged(kNbdCmdWriteZeroes, size - 1, 2) == kNbdEnospc);
}

TEST_CASE("reads and writes have a largest size, other commands have none") {
  CHECK(judged(kNbdCmdRead, 0, 64 << 10) == 0);
  CHECK(judged(kNbdCmdRead, 0, (64 << 10) + 1) == kNbdEinval);
  CHECK(judged(kNbdCmdWrite, 0, (64 << 10) + 1) == kNbdEinval);
  CHECK(judged(kNbdCmdTrim, 0, 1 << 20) == 0);
  CHECK(judged(kNbdCmdBlockStatus, 0, 1 << 20) == 0);
}

TEST_CASE("a request for no bytes is invalid, but for a flush") {
  for (const uint16_t type : {kNbdCmdRead, kNbdCmdWrite, kNbdCmdTrim, kNbdCmdWriteZeroes})
    CHECK(judged(type, 0, 0) == kNbdEinval);
  CHECK(judged(kNbdCmdFlush, 0, 0) == 0);
  CHECK(judged(kNbdCmdFlush, 0, 1) == kNbdEinval);
}

TEST_CASE("flags must fit their command") {
  CHECK(judged(kNbdCmdRead, 0, 1, kNbdFlagDf) == 0);
  CHECK(judged(kNbdCmdWrite, 0, 1, kNbdFlagDf) == kNbdEinval);
  CHECK(judged(kNbdCmdWrite, 0, 1, kNbdFlagFua) == 0);
  CHECK(judged(kNbdCmdWriteZeroes, 0, 1, kNbdFlagNoHole | kNbdFlagFastZero | kNbdFlagFua) == 0);
  CHECK(judged(kNbdCmdTrim, 0, 1, kNbdFlagNoHole) == kNbdEinval);
  CHECK(judged(kNbdCmdBlockStatus, 0, 1, kNbdFlagReqOne) == 0);
  NbdSession simple = session();
  simple.structured = false;
  CHECK(judged(kNbdCmdRead, 0, 1, kNbdFlagDf, simple) == kNbdEinval);
}

TEST_CASE("what was not negotiated or not built is invalid; writing read-only is not permitted") {
  NbdSession plain = session();
  plain.block_status = false;
  CHECK(judged(kNbdCmdBlockStatus, 0, 1, 0, plain) == kNbdEinval);
  CHECK(judged(5, 0, 1) == kNbdEinval);
  CHECK(judged(999, 0, 1) == kNbdEinval);
  NbdSession read_only = session();
  read_only.volume.read_only = true;
  for (const uint16_t type : {kNbdCmdWrite, kNbdCmdTrim, kNbdCmdWriteZeroes})
    CHECK(judged(type, 0, 1, 0, read_only) == kNbdEperm);
  CHECK(judged(kNbdCmdFlush, 0, 0, 0, read_only) == 0);
}

TEST_CASE("extents are cut to the request, and to one when asked") {
  const varve_extent extents[] = {{4096, 0, 0}, {8192, 3, 0}};
  NbdRequest request{0, kNbdCmdBlockStatus, 7, 0, 6000};
  ReplyHead head;
  std::string body;
  REQUIRE(encode_extents(request, extents, head, body));
  REQUIRE(body.size() == 4 + 2 * 8);
  const auto* at = reinterpret_cast<const uint8_t*>(body.data());
  CHECK(load_be<uint32_t>(at + 4) == 4096);
  CHECK(load_be<uint32_t>(at + 12) == 6000 - 4096);
  CHECK(load_be<uint32_t>(at + 16) == 3);
  request.flags = kNbdFlagReqOne;
  REQUIRE(encode_extents(request, extents, head, body));
  CHECK(body.size() == 4 + 8);
  CHECK_FALSE(encode_extents(request, {}, head, body));
}

TEST_CASE("a failed request carries its reason where replies are structured") {
  const NbdRequest request{0, kNbdCmdRead, 7, 0, 1};
  ReplyHead head;
  std::string body;
  encode_refusal(request, true, refusal_for(VARVE_E_DAMAGED), head, body);
  CHECK(load_be<uint16_t>(&head.bytes[6]) == kNbdChunkError);
  CHECK(load_be<uint32_t>(reinterpret_cast<const uint8_t*>(body.data())) == kNbdEio);
  CHECK(body.find("checksum") != std::string::npos);
  encode_refusal(request, false, refusal_for(VARVE_E_NO_SPACE), head, body);
  CHECK(head.length == kNbdSimpleReplyBytes);
  CHECK(load_be<uint32_t>(&head.bytes[4]) == kNbdEnospc);
  CHECK(body.empty());
}

TEST_CASE("each of the host's errors has its NBD error") {
  CHECK(refusal_for(VARVE_E_IO).error == kNbdEio);
  CHECK(refusal_for(VARVE_E_CLOSED).error == kNbdEshutdown);
  CHECK(refusal_for(VARVE_E_BUSY).error == kNbdEperm);
  CHECK(refusal_for(VARVE_E_INVALID).error == kNbdEinval);
  CHECK(refusal_for(-4711).error == kNbdEio);
}

}  // namespace
}  // namespace varve
