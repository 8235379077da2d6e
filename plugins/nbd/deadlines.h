// The one timer of a context: a descriptor that becomes readable at the earliest time asked for.
//
// Costs a system call only when an earlier time is asked for than before. Times that have become
// pointless are not taken back: the timer then fires once for nothing.
// Thread rule: one owner. Units: milliseconds of the monotonic clock.
#pragma once

#include <cstdint>

#include "plugins/sdk/unique_fd.h"

namespace varve {

uint64_t now_ms();

class Deadlines {
 public:
  Deadlines();

  bool valid() const { return fd_.valid(); }
  int fd() const { return fd_.get(); }
  // Fire at `at_ms` or earlier.
  void want(uint64_t at_ms);
  // The descriptor was readable: nothing is wanted any more until want is called.
  void fired();

 private:
  UniqueFd fd_;
  uint64_t armed_ms_ = 0;  // 0: not armed
};

}  // namespace varve
