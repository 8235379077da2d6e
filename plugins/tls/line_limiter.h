// LineLimiter: log lines that strangers cannot make many of. At most kLinesMax in kWindowMs; how
// many were left out is said later.
//
// Thread rule: one thread. Units: milliseconds of any clock that only goes forward.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace varve {

class LineLimiter {
 public:
  // What to log of `text`, if anything.
  std::optional<std::string> line(uint64_t now_ms, const std::string& text) {
    if (now_ms >= window_end_ms_) {
      window_end_ms_ = now_ms + kWindowMs;
      lines_ = 0;
    }
    if (lines_ >= kLinesMax) {
      ++left_out_;
      return std::nullopt;
    }
    ++lines_;
    const uint64_t more = std::exchange(left_out_, 0);
    return more == 0 ? text : text + " (" + std::to_string(more) + " lines were left out)";
  }

 private:
  static constexpr uint64_t kWindowMs = 10'000;
  static constexpr uint32_t kLinesMax = 50;

  uint64_t window_end_ms_ = 0;
  uint32_t lines_ = 0;
  uint64_t left_out_ = 0;
};

}  // namespace varve
