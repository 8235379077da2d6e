// ClusterBench: a metadata store, a clock that jumps to whoever waits for it, and what tests of the
// cluster's operations need besides.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "core/cluster/cas_loop.h"
#include "core/cluster/planner_task.h"
#include "core/runtime/task_group.h"
#include "tests/unit/cluster/fake_metadata.h"

namespace varve {

struct ClusterBench : NodeSilence {
  struct HandClock final : Clock {
    uint64_t now_ns = 1000 * kMillisecond;
    uint64_t monotonic_ns() const override { return now_ns; }
    uint64_t wall_seconds() const override { return 0; }
  };

  // Ten seconds for each operation.
  ClusterContext context() {
    return {
        .store = &store, .runtime = &runtime, .deadline_ns = clock.now_ns + 10'000 * kMillisecond};
  }

  // Until nothing is left to do but to wait for the test.
  void settle() {
    for (;;) {
      while (!ready.empty()) ready.run_ready();
      if (timers.next_deadline_ns() == kNever) return;
      clock.now_ns = std::max(clock.now_ns, timers.next_deadline_ns());
      timers.fire();
    }
  }

  template <typename T>
  T run(Task<T> task) {
    std::optional<T> result;
    TaskGroup group(ready);
    group.start(keep(std::move(task), &result));
    settle();
    return std::move(*result);
  }
  template <typename T>
  static Task<void> keep(Task<T> task, std::optional<T>* into) {
    into->emplace(co_await task);
  }

  bool is_silent(NodeId node) const override { return silent.contains(node); }

  HandClock clock;
  Random random{1};
  RunQueue ready;
  TimerQueue timers{ready, clock};
  Runtime runtime{ready, clock, random, timers};
  FakeMetadata store{ready};
  std::set<NodeId> silent;
};

// Id number `byte`.
inline Uuid test_uuid(uint8_t byte) {
  Uuid uuid;
  uuid.fill(std::byte{byte});
  return uuid;
}

}  // namespace varve
