// Runtime: what a shard hands to everything that runs on it. All parts outlive what uses them.
#pragma once

#include "core/runtime/clock.h"
#include "core/runtime/random.h"
#include "core/runtime/run_queue.h"
#include "core/runtime/timer_queue.h"

namespace varve {

struct Runtime {
  RunQueue& ready;
  Clock& clock;
  Random& random;
  TimerQueue& timers;
};

}  // namespace varve
