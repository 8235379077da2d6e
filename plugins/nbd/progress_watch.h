// Whether a client that owes us bytes, or has to take some, moves on.
//
// Thread rule: one owner. Units: milliseconds of the monotonic clock.
#pragma once

#include <cstdint>

#include "plugins/nbd/limits.h"

namespace varve {

class ProgressWatch {
 public:
  // Begins to wait, unless it has begun already; `moved_bytes` counts what has moved so far.
  void begin(uint64_t now_ms, uint64_t timeout_ms, uint64_t moved_bytes) {
    if (deadline_ms_ != 0) return;
    deadline_ms_ = now_ms + timeout_ms;
    moved_at_start_ = moved_bytes;
  }
  void end() { deadline_ms_ = 0; }
  uint64_t deadline_ms() const { return deadline_ms_; }  // 0: not waiting

  // True when time is up. A client that has moved enough meanwhile is given the same time again.
  bool expired(uint64_t now_ms, uint64_t timeout_ms, uint64_t moved_bytes) {
    if (deadline_ms_ == 0 || now_ms < deadline_ms_) return false;
    if (moved_bytes - moved_at_start_ < kProgressBytes) return true;
    end();
    begin(now_ms, timeout_ms, moved_bytes);
    return false;
  }

 private:
  uint64_t deadline_ms_ = 0;
  uint64_t moved_at_start_ = 0;
};

}  // namespace varve
