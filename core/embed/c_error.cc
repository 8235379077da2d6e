// The errors of varve.h: codes, names, and each thread's last sentence.
#include <algorithm>
#include <array>

#include "core/base/log.h"
#include "core/embed/c_api.h"

namespace varve {
namespace {

constexpr size_t kSentenceBytesMax = 512;

// The only thing that belongs to a thread: C has no other place for a sentence.
thread_local std::array<char, kSentenceBytesMax> last_error{};

void keep_sentence(std::string_view sentence) {
  const size_t bytes = std::min(sentence.size(), kSentenceBytesMax - 1);
  std::copy_n(sentence.begin(), bytes, last_error.begin());
  last_error[bytes] = '\0';
}

}  // namespace

int c_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return VARVE_OK;
    case ErrorCode::kInvalidArgument:
      return VARVE_E_INVALID;
    case ErrorCode::kNotFound:
      return VARVE_E_NOT_FOUND;
    case ErrorCode::kAlreadyExists:
      return VARVE_E_EXISTS;
    case ErrorCode::kNoSpace:
      return VARVE_E_NO_SPACE;
    case ErrorCode::kDamaged:
      return VARVE_E_DAMAGED;
    case ErrorCode::kIoError:
      return VARVE_E_IO;
    case ErrorCode::kBusy:
      return VARVE_E_BUSY;
    case ErrorCode::kUnsupported:
      return VARVE_E_UNSUPPORTED;
    case ErrorCode::kNotFormatted:
      return VARVE_E_NOT_FORMATTED;
    case ErrorCode::kNewerFormat:
      return VARVE_E_NEWER_FORMAT;
    case ErrorCode::kClosed:
      return VARVE_E_CLOSED;
    case ErrorCode::kUnknown:
    case ErrorCode::kUnavailable:
    case ErrorCode::kStale:
    case ErrorCode::kTimedOut:
      return VARVE_E_UNKNOWN;
  }
  return VARVE_E_UNKNOWN;
}

int c_result(const Status& status) {
  if (!status.ok()) keep_sentence(status.message());
  return c_code(status.code());
}

int c_invalid(std::string message) {
  return c_result(Status(ErrorCode::kInvalidArgument, std::move(message)));
}

}  // namespace varve

const char* varve_last_error() {
  return varve::last_error.data();
}

const char* varve_error_name(int error) {
  switch (error) {
    case VARVE_OK:
      return "ok";
    case VARVE_E_AGAIN:
      return "too many requests under way";
    case VARVE_E_INVALID:
      return "invalid argument";
    case VARVE_E_NOT_FOUND:
      return "not found";
    case VARVE_E_EXISTS:
      return "already exists";
    case VARVE_E_NO_SPACE:
      return "no space";
    case VARVE_E_DAMAGED:
      return "damaged";
    case VARVE_E_IO:
      return "device error";
    case VARVE_E_BUSY:
      return "busy";
    case VARVE_E_UNSUPPORTED:
      return "not supported";
    case VARVE_E_CLOSED:
      return "closed";
    case VARVE_E_NOT_FORMATTED:
      return "not formatted";
    case VARVE_E_NEWER_FORMAT:
      return "newer format";
    default:
      return "unknown error";
  }
}

void varve_set_log_level(unsigned level) {
  static_assert(static_cast<unsigned>(varve::LogLevel::kDebug) == VARVE_LOG_DEBUG);
  static_assert(static_cast<unsigned>(varve::LogLevel::kNone) == VARVE_LOG_NONE);
  varve::log_set_level(static_cast<varve::LogLevel>(std::min(level, VARVE_LOG_NONE)));
}
