// SystemClock: the kernel's clocks.
#pragma once

#include "core/runtime/clock.h"

namespace varve {

class SystemClock final : public Clock {
 public:
  uint64_t monotonic_ns() const override;
  uint64_t wall_seconds() const override;
};

}  // namespace varve
