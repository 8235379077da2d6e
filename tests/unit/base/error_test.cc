#include "core/base/error.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <set>

namespace varve {
namespace {

Status pass_on(Status status, int* went_on) {
  VARVE_TRY(status);
  ++*went_on;
  return {};
}

}  // namespace

TEST_CASE("a status is ok unless told otherwise, and says what went wrong") {
  CHECK(Status().ok());
  CHECK(Status().message() == "ok");
  const Status bare = ErrorCode::kNoSpace;
  CHECK(!bare.ok());
  CHECK(bare.message() == "no space");
  const Status told(ErrorCode::kBusy, "disk group ssd0 is held by process 7");
  CHECK(told.code() == ErrorCode::kBusy);
  CHECK(told.message() == "disk group ssd0 is held by process 7");
  const Status copy = told;
  CHECK(copy.message() == told.message());
}

TEST_CASE("every error code has a name of its own") {
  std::set<std::string_view> names;
  const int count = static_cast<int>(ErrorCode::kClosed) + 1;
  for (int code = 0; code < count; ++code) names.insert(error_name(static_cast<ErrorCode>(code)));
  CHECK(names.size() == static_cast<size_t>(count));
  CHECK(!names.contains("unknown error"));
}

TEST_CASE("a result holds a value or an error") {
  Result<int> value = 7;
  CHECK(value.ok());
  CHECK(*value == 7);
  CHECK(value.status().ok());
  *value = 8;
  CHECK(*value == 8);

  const Result<int> error = ErrorCode::kNotFound;
  CHECK(!error.ok());
  CHECK(error.code() == ErrorCode::kNotFound);
}

TEST_CASE("a result moves what cannot be copied") {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(7);
  REQUIRE(made.ok());
  const std::unique_ptr<int> taken = std::move(*made);
  CHECK(*taken == 7);
}

TEST_CASE("VARVE_TRY returns errors and goes on after success") {
  int went_on = 0;
  CHECK(pass_on({}, &went_on).ok());
  CHECK(went_on == 1);
  CHECK(pass_on({ErrorCode::kIoError, "slot 3"}, &went_on).message() == "slot 3");
  CHECK(went_on == 1);
}

}  // namespace varve
