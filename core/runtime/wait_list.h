// WaitList: coroutines that wait for a condition. Woken ones go through the run queue and must test
// their condition again:   while (!condition) co_await list.wait();
//
// Thread rule: one shard's thread. The destructor requires that nobody waits.
#pragma once

#include <boost/intrusive/list.hpp>
#include <coroutine>
#include <cstdint>

#include "core/base/check.h"
#include "core/runtime/run_queue.h"
#include "core/runtime/timer_queue.h"

namespace varve {

class WaitList {
 public:
  explicit WaitList(RunQueue& ready) : ready_(ready) {}
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;
  ~WaitList() { VARVE_CHECK(waiters_.empty()); }

  // Ends when woken.
  auto wait() {
    struct Awaiter final : Waiter {
      explicit Awaiter(WaitList& list_in) : list(list_in) {}
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> self) {
        waiter = self;
        list.waiters_.push_back(*this);
      }
      void await_resume() noexcept {}
      void woken() override {}
      WaitList& list;
    };
    return Awaiter(*this);
  }

  // Ends when woken (true) or at `deadline_ns` (false), whatever comes first.
  auto wait_until(TimerQueue& timers, uint64_t deadline_ns) {
    struct Awaiter final : Waiter, TimerQueue::Timer {
      Awaiter(WaitList& list_in, TimerQueue& timers_in, uint64_t deadline_ns)
          : Timer(deadline_ns), list(list_in), timers(timers_in) {}
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> self) {
        waiter = self;
        list.waiters_.push_back(*this);
        timers.add(*this);
      }
      bool await_resume() noexcept { return !timed_out; }
      void woken() override { timers.remove(*this); }
      void due() override {
        timed_out = true;
        list.waiters_.erase(list.waiters_.iterator_to(*this));
        list.ready_.push(waiter);
      }
      WaitList& list;
      TimerQueue& timers;
      bool timed_out = false;
    };
    return Awaiter(*this, timers, deadline_ns);
  }

  void wake_one() {
    if (waiters_.empty()) return;
    Waiter& first = waiters_.front();
    waiters_.pop_front();
    first.woken();
    ready_.push(first.waiter);
  }
  void wake_all() {
    while (!waiters_.empty()) wake_one();
  }
  bool empty() const { return waiters_.empty(); }

 private:
  // Lives in the frame of the coroutine that waits.
  struct Waiter : boost::intrusive::list_base_hook<> {
    virtual ~Waiter() = default;
    virtual void woken() = 0;  // it is out of the list
    std::coroutine_handle<> waiter;
  };

  RunQueue& ready_;
  boost::intrusive::list<Waiter, boost::intrusive::constant_time_size<false>> waiters_;
};

}  // namespace varve
