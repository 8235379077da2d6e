// TaskGroup: tasks that run on their own until the group is waited for.
//
// start() runs the task at once up to its first suspension. The owner must co_await done() before
// the group is destroyed; the destructor checks that nothing is still running.
//
// Thread rule: one shard's thread.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>

#include "core/base/check.h"
#include "core/runtime/task.h"
#include "core/runtime/wait_list.h"

namespace varve {

class TaskGroup {
 public:
  explicit TaskGroup(RunQueue& ready) : ended_(ready) {}
  ~TaskGroup() { VARVE_CHECK(running_ == 0); }

  void start(Task<void> task) {
    ++running_;
    run(this, std::move(task));
  }
  size_t running() const { return running_; }
  // True when it ends: no task of the group is running.
  Task<void> done() {
    while (running_ > 0) co_await ended_.wait();
  }
  // True when it ends: fewer than `limit` tasks of the group are running.
  Task<void> below(size_t limit) {
    while (running_ >= limit) co_await ended_.wait();
  }

 private:
  struct Detached {
    struct promise_type {
      Detached get_return_object() noexcept { return {}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_never final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      void unhandled_exception() noexcept { std::terminate(); }
    };
  };
  static Detached run(TaskGroup* group, Task<void> task) {
    co_await task;
    if (--group->running_ == 0 || !group->ended_.empty()) group->ended_.wake_all();
  }

  size_t running_ = 0;
  WaitList ended_;
};

}  // namespace varve
