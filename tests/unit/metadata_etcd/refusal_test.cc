#include "plugins/metadata_etcd/refusal.h"

#include <grpcpp/support/status_code_enum.h>

#include <catch2/catch_test_macros.hpp>

namespace varve {

TEST_CASE("whatever the transport says about a commit, it may have been applied") {
  for (const int code : {grpc::UNAVAILABLE, grpc::DEADLINE_EXCEEDED, grpc::CANCELLED, grpc::UNKNOWN,
                         grpc::INTERNAL, grpc::RESOURCE_EXHAUSTED, grpc::INVALID_ARGUMENT,
                         grpc::UNIMPLEMENTED, grpc::UNAUTHENTICATED}) {
    CHECK(judge({code, "Socket closed"}) == Verdict::kDoubt);
  }
  // The answer was too large, not the request.
  CHECK(judge({grpc::RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 8)"}) ==
        Verdict::kDoubt);
}

TEST_CASE("what etcd gave up amid its work may have been applied") {
  for (const char* words : {"etcdserver: request timed out",
                            "etcdserver: request timed out, possibly due to "
                            "previous leader failure",
                            "etcdserver: leader changed", "etcdserver: server stopped"}) {
    CHECK(judge({grpc::UNAVAILABLE, words}) == Verdict::kDoubt);
  }
}

TEST_CASE("what etcd refuses was not applied") {
  CHECK(judge({grpc::OK, ""}) == Verdict::kDone);
  CHECK(judge({grpc::INVALID_ARGUMENT, "etcdserver: request is too large"}) == Verdict::kRefused);
  CHECK(judge({grpc::RESOURCE_EXHAUSTED, "etcdserver: mvcc: database space exceeded"}) ==
        Verdict::kRefused);
  CHECK(judge({grpc::RESOURCE_EXHAUSTED, "grpc: received message larger than max (9 vs. 8)"}) ==
        Verdict::kRefused);
  CHECK(judge({grpc::PERMISSION_DENIED, "etcdserver: permission denied"}) == Verdict::kRefused);
  CHECK(judge({grpc::RESOURCE_EXHAUSTED, "etcdserver: too many requests"}) == Verdict::kRetry);
  CHECK(judge({grpc::UNAVAILABLE, "etcdserver: no leader"}) == Verdict::kElsewhere);
  CHECK(judge({grpc::UNAUTHENTICATED, "etcdserver: invalid auth token"}) == Verdict::kLogin);
  CHECK(judge({grpc::INVALID_ARGUMENT, "etcdserver: user name is empty"}) == Verdict::kLogin);
  CHECK(judge({grpc::INVALID_ARGUMENT, "etcdserver: revision of auth store is old"}) ==
        Verdict::kLogin);
}

}  // namespace varve
