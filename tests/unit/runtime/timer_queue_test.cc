#include "core/runtime/timer_queue.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <string>

#include "core/runtime/task_group.h"
#include "core/runtime/uring_loop.h"
#include "core/runtime/wait_list.h"

namespace varve {
namespace {

struct HandClock final : Clock {
  uint64_t now_ns = 0;
  uint64_t monotonic_ns() const override { return now_ns; }
  uint64_t wall_seconds() const override { return 0; }
};

struct Bench {
  void run_at(uint64_t now_ns) {
    clock.now_ns = now_ns;
    timers.fire();
    while (!ready.empty()) ready.run_ready();
  }
  HandClock clock;
  RunQueue ready;
  TimerQueue timers{ready, clock};
  WaitList list{ready};
  TaskGroup group{ready};
};

Task<void> until(Bench* bench, uint64_t deadline_ns, std::string* log) {
  co_await bench->timers.until(deadline_ns);
  *log += std::to_string(deadline_ns) + " ";
}

Task<void> woken_or(Bench* bench, uint64_t deadline_ns, std::string* log) {
  const bool woken = co_await bench->list.wait_until(bench->timers, deadline_ns);
  *log += woken ? "woken " : "late ";
}

Task<void> nap(UringLoop* loop) {
  co_await loop->runtime().timers.until(loop->runtime().clock.monotonic_ns() + 2 * kMillisecond);
}

}  // namespace

TEST_CASE("waits for a time end in the order of their times, not before") {
  Bench bench;
  std::string log;
  bench.group.start(until(&bench, 30, &log));
  bench.group.start(until(&bench, 10, &log));
  bench.group.start(until(&bench, 20, &log));
  CHECK(bench.timers.next_deadline_ns() == 10);
  bench.run_at(9);
  CHECK(log.empty());
  bench.run_at(20);
  CHECK(log == "10 20 ");
  bench.run_at(1000);
  CHECK(log == "10 20 30 ");
  CHECK(bench.timers.next_deadline_ns() == kNever);
}

TEST_CASE("a wait with a deadline ends once: by the event or by the time") {
  Bench bench;
  std::string log;
  bench.group.start(woken_or(&bench, 10, &log));
  bench.group.start(woken_or(&bench, 20, &log));
  bench.run_at(10);
  CHECK(log == "late ");
  bench.list.wake_all();
  bench.run_at(11);
  CHECK(log == "late woken ");
  bench.run_at(1000);
  CHECK(log == "late woken ");
}

TEST_CASE("the loop sleeps until the next time that somebody waits for") {
  auto loop = UringLoop::create();
  REQUIRE(loop.ok());
  const uint64_t begin_ns = (*loop)->runtime().clock.monotonic_ns();
  const uint64_t enters = (*loop)->counters().enter_count;
  (*loop)->run(nap(loop->get()));
  CHECK((*loop)->runtime().clock.monotonic_ns() - begin_ns >= 2 * kMillisecond);
  CHECK((*loop)->counters().enter_count - enters <= 4);
}

}  // namespace varve
