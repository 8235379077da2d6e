#include "plugins/metadata_etcd/refusal.h"

#include <grpcpp/support/status_code_enum.h>

#include <initializer_list>
#include <string_view>

namespace varve {
namespace {

bool says_one_of(const std::string& words, std::initializer_list<std::string_view> phrases) {
  for (const std::string_view phrase : phrases) {
    if (words.find(phrase) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

Verdict judge(const Failure& failure) {
  if (failure.code == grpc::OK) return Verdict::kDone;
  // gRPC of the server, before etcd has seen the request.
  if (failure.code == grpc::RESOURCE_EXHAUSTED &&
      failure.words.starts_with("grpc: received message larger than max")) {
    return Verdict::kRefused;
  }
  if (!failure.words.starts_with("etcdserver: ")) return Verdict::kDoubt;
  if (says_one_of(failure.words,
                  {"user name is empty", "revision of auth store is old", "invalid auth token"})) {
    return Verdict::kLogin;
  }
  if (says_one_of(failure.words, {"etcdserver: no leader"})) return Verdict::kElsewhere;
  if (says_one_of(failure.words, {"too many requests"})) return Verdict::kRetry;
  switch (failure.code) {
    case grpc::UNAUTHENTICATED:
      return Verdict::kLogin;
    case grpc::OUT_OF_RANGE:  // a page of a range of a revision that is gone
      return Verdict::kRetry;
    case grpc::INVALID_ARGUMENT:
    case grpc::PERMISSION_DENIED:
    case grpc::RESOURCE_EXHAUSTED:
    case grpc::FAILED_PRECONDITION:
      return Verdict::kRefused;
    default:
      return Verdict::kDoubt;
  }
}

}  // namespace varve
