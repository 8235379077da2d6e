// WaitList: coroutines that wait for a condition. Woken ones go through the run queue and must test
// their condition again:   while (!condition) co_await list.wait();
//
// Thread rule: one shard's thread. The destructor requires that nobody waits.
#pragma once

#include <coroutine>
#include <deque>

#include "core/base/check.h"
#include "core/runtime/run_queue.h"

namespace varve {

class WaitList {
 public:
  explicit WaitList(RunQueue& ready) : ready_(ready) {}
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;
  ~WaitList() { VARVE_CHECK(waiters_.empty()); }

  auto wait() {
    struct Awaiter {
      WaitList& list;
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> waiter) { list.waiters_.push_back(waiter); }
      void await_resume() noexcept {}
    };
    return Awaiter{*this};
  }
  void wake_one() {
    if (waiters_.empty()) return;
    ready_.push(waiters_.front());
    waiters_.pop_front();
  }
  void wake_all() {
    while (!waiters_.empty()) wake_one();
  }
  bool empty() const { return waiters_.empty(); }

 private:
  RunQueue& ready_;
  std::deque<std::coroutine_handle<>> waiters_;
};

}  // namespace varve
