#include "core/base/error.h"

namespace varve {

std::string_view error_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return "ok";
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kAlreadyExists:
      return "already exists";
    case ErrorCode::kNoSpace:
      return "no space";
    case ErrorCode::kDamaged:
      return "damaged";
    case ErrorCode::kIoError:
      return "device error";
    case ErrorCode::kBusy:
      return "busy";
    case ErrorCode::kUnsupported:
      return "not built yet";
    case ErrorCode::kNotFormatted:
      return "not formatted";
    case ErrorCode::kNewerFormat:
      return "newer format";
    case ErrorCode::kClosed:
      return "closed";
    case ErrorCode::kUnknown:
      return "result not known";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kStale:
      return "out of date";
    case ErrorCode::kTimedOut:
      return "no answer in time";
  }
  return "unknown error";
}

}  // namespace varve
