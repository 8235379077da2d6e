// Clock: the only source of time in core; injected, so that a simulator can own it.
#pragma once

#include <cstdint>

namespace varve {

class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back; no relation to the calendar.
  virtual uint64_t monotonic_ns() const = 0;
  // For labels and logs only: no decision may rest on it.
  virtual uint64_t wall_seconds() const = 0;
};

}  // namespace varve
