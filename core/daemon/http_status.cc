#include "core/daemon/http_status.h"

namespace varve {

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return 200;
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kBusy:
    case ErrorCode::kNotFormatted:
    case ErrorCode::kNewerFormat:
    case ErrorCode::kStale:
      return 409;
    case ErrorCode::kUnsupported:
      return 501;
    case ErrorCode::kClosed:
    case ErrorCode::kUnknown:
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimedOut:
      return 503;
    case ErrorCode::kNoSpace:
      return 507;
    case ErrorCode::kDamaged:
    case ErrorCode::kIoError:
      return 500;
  }
  return 500;
}

}  // namespace varve
