#include "core/wire/message_payload.h"

#include <catch2/catch_test_macros.hpp>
#include <optional>

#include "core/wire/message_header.h"

namespace varve {
namespace {

// Nothing: refused.
template <typename Request>
std::optional<uint32_t> request_bytes(const Request& request) {
  const Result<uint32_t> bytes = request_payload_bytes(Request::kType, body_bytes(request));
  if (bytes.ok()) return *bytes;
  CHECK(bytes.code() == ErrorCode::kDamaged);
  return {};
}
template <typename Request>
std::optional<uint32_t> reply_bytes(const Request& request,
                                    const typename ReplyOf<Request>::Type& reply) {
  const Result<uint32_t> bytes =
      reply_payload_bytes(Request::kType, body_bytes(request), body_bytes(reply));
  if (bytes.ok()) return *bytes;
  CHECK(bytes.code() == ErrorCode::kDamaged);
  return {};
}

TEST_CASE("a request's counts say how long its payload is") {
  CHECK(request_bytes(HelloRequest{}) == 0);
  CHECK(request_bytes(PrepareRequest{}) == 0);
  CHECK(request_bytes(FetchRequest{}) == 0);
  CHECK(request_bytes(BeaconRequest{.count = 0}) == 0);
  CHECK(request_bytes(BeaconRequest{.count = 3}) == 72);
  CHECK(request_bytes(ReplicateRequest{.block_count = 2}) == 8200);
  CHECK(request_bytes(ReplicateRequest{.block_count = 256}) == 256 * 4100);
  CHECK(request_bytes(ReplicateRequest{.block_count = 99'999, .op = ReplicateOp::kZero}) == 0);
  CHECK(request_bytes(ChangedRequest{.run_count_max = 4096}) == 0);
  CHECK(request_bytes(FenceRequest{.fence = {.name_bytes = 5, .group_count = 2}}) == 13);
  CHECK(request_bytes(FenceRequest{.fence = {.snapshot_count = 2, .branch_count = 3}}) == 72);
  CHECK(request_bytes(AttachRequest{.fence = {.name_bytes = 255, .group_count = 16384}}) ==
        65536 + 255);
  CHECK(request_bytes(IoWireRequest{.block_count = 256, .kind = IoKind::kRead}) == 0);
  CHECK(request_bytes(IoWireRequest{.block_count = 1, .kind = IoKind::kWrite}) == 4100);
  CHECK(request_bytes(IoWireRequest{.block_count = 1u << 31, .kind = IoKind::kTrim}) == 0);
  CHECK(request_bytes(IoWireRequest{.block_count = 1u << 31, .kind = IoKind::kStatus}) == 0);
}

TEST_CASE("a request's counts have limits, and its kinds are known") {
  CHECK(!request_bytes(BeaconRequest{.count = kMessageGroupsMax + 1}));
  CHECK(!request_bytes(ReplicateRequest{.block_count = 0}));
  CHECK(!request_bytes(ReplicateRequest{.block_count = 257}));
  CHECK(!request_bytes(ReplicateRequest{.block_count = 0, .op = ReplicateOp::kZero}));
  CHECK(!request_bytes(ReplicateRequest{.block_count = 1, .op = ReplicateOp{3}}));
  CHECK(!request_bytes(ChangedRequest{.run_count_max = 0}));
  CHECK(!request_bytes(ChangedRequest{.run_count_max = 4097}));
  CHECK(!request_bytes(FenceRequest{.fence = {.name_bytes = 256}}));
  CHECK(!request_bytes(FenceRequest{.fence = {.snapshot_count = kFenceSnapshotsMax + 1}}));
  CHECK(!request_bytes(FenceRequest{.fence = {.branch_count = kFenceBranchesMax + 1}}));
  CHECK(!request_bytes(FenceRequest{.exact = 2}));
  CHECK(!request_bytes(AttachRequest{.fence = {.group_count = 0xffffffff}}));
  CHECK(!request_bytes(IoWireRequest{.block_count = 0, .kind = IoKind::kRead}));
  CHECK(!request_bytes(IoWireRequest{.block_count = 257, .kind = IoKind::kRead}));
  CHECK(!request_bytes(IoWireRequest{.block_count = 257, .kind = IoKind::kWrite}));
  CHECK(!request_bytes(IoWireRequest{.block_count = 1, .kind = IoKind{0}}));
  CHECK(!request_bytes(IoWireRequest{.block_count = 1, .kind = IoKind{5}}));
}

TEST_CASE("a reply's payload is what the request asked for") {
  CHECK(reply_bytes(HelloRequest{}, {}) == 0);
  CHECK(reply_bytes(ReplicateRequest{}, {}) == 0);
  CHECK(reply_bytes(PrepareRequest{}, {}) == 0);
  CHECK(reply_bytes(FenceRequest{}, {}) == 0);
  CHECK(reply_bytes(AttachRequest{}, {}) == 0);
  CHECK(reply_bytes(FetchRequest{}, {}) == 4100);
  CHECK(reply_bytes(BeaconRequest{.count = 3}, {.count = 2}) == 16);
  CHECK(!reply_bytes(BeaconRequest{.count = 3}, {.count = 4}));
  CHECK(reply_bytes(ChangedRequest{.run_count_max = 9}, {.run_count = 9}) == 288);
  CHECK(!reply_bytes(ChangedRequest{.run_count_max = 9}, {.run_count = 10}));
  const IoWireRequest read{.block_count = 8, .kind = IoKind::kRead};
  CHECK(reply_bytes(read, {}) == 8 * 4100);
  CHECK(!reply_bytes(read, {.run_count = 1}));
  CHECK(reply_bytes(IoWireRequest{.block_count = 8, .kind = IoKind::kWrite}, {}) == 0);
  const IoWireRequest status{.block_count = 8, .kind = IoKind::kStatus};
  CHECK(reply_bytes(status, {.run_count = 4096}) == 65536);
  CHECK(!reply_bytes(status, {.run_count = 4097}));
}

}  // namespace
}  // namespace varve
