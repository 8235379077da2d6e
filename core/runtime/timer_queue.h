// TimerQueue: coroutines that wait for a time, alone or together with an event.
//
//     co_await timers.until(deadline_ns);
//     const bool woken = co_await list.wait_until(timers, deadline_ns);   // wait_list.h
//
// Times are the clock's monotonic nanoseconds. Who owns the loop asks for next_deadline_ns() before
// it sleeps and calls fire() after.
//
// Thread rule: one shard's thread. The destructor requires that nobody waits.
#pragma once

#include <boost/intrusive/set.hpp>
#include <coroutine>
#include <cstdint>
#include <limits>

#include "core/base/check.h"
#include "core/runtime/clock.h"
#include "core/runtime/run_queue.h"

namespace varve {

inline constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();
inline constexpr uint64_t kMillisecond = 1'000'000;  // in nanoseconds

class TimerQueue {
 public:
  // One wait; lives in the frame of the coroutine that waits.
  class Timer : public boost::intrusive::set_base_hook<> {
   public:
    explicit Timer(uint64_t deadline_ns) : deadline_ns_(deadline_ns) {}
    virtual ~Timer() = default;
    bool operator<(const Timer& other) const { return deadline_ns_ < other.deadline_ns_; }

   protected:
    // The time has come; the timer is out of the queue.
    virtual void due() = 0;

   private:
    friend class TimerQueue;
    const uint64_t deadline_ns_;
  };

  TimerQueue(RunQueue& ready, const Clock& clock) : ready_(ready), clock_(clock) {}
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  ~TimerQueue() { VARVE_CHECK(timers_.empty()); }

  void add(Timer& timer) { timers_.insert(timer); }
  void remove(Timer& timer) { timers_.erase(timers_.iterator_to(timer)); }

  auto until(uint64_t deadline_ns) {
    struct Awaiter final : Timer {
      Awaiter(TimerQueue& queue_in, uint64_t deadline_ns) : Timer(deadline_ns), queue(queue_in) {}
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> self) {
        waiter = self;
        queue.add(*this);
      }
      void await_resume() noexcept {}
      void due() override { queue.ready_.push(waiter); }
      TimerQueue& queue;
      std::coroutine_handle<> waiter;
    };
    return Awaiter(*this, deadline_ns);
  }

  // kNever when nobody waits.
  uint64_t next_deadline_ns() const {
    return timers_.empty() ? kNever : timers_.begin()->deadline_ns_;
  }
  // Queues everyone whose time has come.
  void fire() {
    while (!timers_.empty() && timers_.begin()->deadline_ns_ <= clock_.monotonic_ns()) {
      Timer& timer = *timers_.begin();
      timers_.erase(timers_.begin());
      timer.due();
    }
  }

 private:
  RunQueue& ready_;
  const Clock& clock_;
  boost::intrusive::multiset<Timer, boost::intrusive::constant_time_size<false>> timers_;
};

}  // namespace varve
