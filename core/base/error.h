// Errors as values.
//
// Status says whether an operation worked; Result<T> carries a value or a Status. Neither throws.
// The data path returns bare codes (no heap); set-up paths add one sentence for the operator that
// says what was wrong and what is allowed.
//
// Thread rule: plain values; no sharing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/check.h"

namespace varve {

enum class ErrorCode : uint8_t {
  kOk = 0,
  kInvalidArgument,  // the caller's fault: range, name, size
  kNotFound,
  kAlreadyExists,
  kNoSpace,       // a write would pass the fill limit; trim, delete and reads still work
  kDamaged,       // bytes on the device fail their checksum; no older value is ever returned
  kIoError,       // the device refused; after a write error the store accepts no more writes
  kBusy,          // somebody else holds it
  kUnsupported,   // known but not built
  kNotFormatted,  // no superblock of ours
  kNewerFormat,   // written by a newer release
  kClosed,        // shutting down, or the peer is gone
  kUnknown,       // it may have been done, or may still be
  kUnavailable,   // cannot be reached; nothing was done
  kStale,         // an epoch, office, attach generation or connection that is over
  kTimedOut,      // no answer in time; like kUnknown for what was asked
};

// Stable lower-case name, e.g. "no space".
std::string_view error_name(ErrorCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(ErrorCode code) : code_(code) {}  // NOLINT: a code is a status
  Status(ErrorCode code, std::string message)
      : code_(code), message_(std::make_shared<const std::string>(std::move(message))) {}

  bool ok() const { return code_ == ErrorCode::kOk; }
  ErrorCode code() const { return code_; }
  // The sentence for the operator, or the code's name where none was given.
  std::string_view message() const { return message_ ? *message_ : error_name(code_); }

 private:
  ErrorCode code_ = ErrorCode::kOk;
  std::shared_ptr<const std::string> message_;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT: a value is a result
  Result(Status status) : status_(std::move(status)) { VARVE_CHECK(!status_.ok()); }  // NOLINT
  Result(ErrorCode code) : Result(Status(code)) {}                                    // NOLINT

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  ErrorCode code() const { return status_.code(); }
  T& operator*() {
    VARVE_CHECK(ok());
    return *value_;
  }
  const T& operator*() const {
    VARVE_CHECK(ok());
    return *value_;
  }
  T* operator->() { return &**this; }
  const T* operator->() const { return &**this; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace varve

// Return, or co_return, the status of `expression` when it is an error.
#define VARVE_TRY(expression)                                                           \
  do {                                                                                  \
    if (::varve::Status varve_try_ = (expression); !varve_try_.ok()) return varve_try_; \
  } while (false)
#define VARVE_CO_TRY(expression)                                                           \
  do {                                                                                     \
    if (::varve::Status varve_try_ = (expression); !varve_try_.ok()) co_return varve_try_; \
  } while (false)
