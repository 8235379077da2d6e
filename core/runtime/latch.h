// Latch: one coroutine waits until a number of things have happened.
//
// Thread rule: one shard's thread. At most one waiter; it is resumed through the run queue.
#pragma once

#include <coroutine>
#include <cstddef>

#include "core/base/check.h"
#include "core/runtime/run_queue.h"

namespace varve {

class Latch {
 public:
  Latch(RunQueue& ready, size_t count) : ready_(ready), count_(count) {}
  Latch(const Latch&) = delete;
  Latch& operator=(const Latch&) = delete;
  ~Latch() { VARVE_CHECK(count_ == 0); }

  void count_down() {
    VARVE_CHECK(count_ > 0);
    if (--count_ == 0 && waiter_) ready_.push(waiter_);
  }
  bool await_ready() const noexcept { return count_ == 0; }
  void await_suspend(std::coroutine_handle<> waiter) { waiter_ = waiter; }
  void await_resume() noexcept {}

 private:
  RunQueue& ready_;
  size_t count_;
  std::coroutine_handle<> waiter_;
};

}  // namespace varve
