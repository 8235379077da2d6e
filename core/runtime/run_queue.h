// RunQueue: coroutines that are ready to go on, in order of arrival.
//
// Everything that wakes a coroutine (an I/O completion, a wait list) goes through here, so nothing
// runs inside somebody else's call. With a Random the order is shuffled: simulation and debug
// builds use that to break code that relies on order.
//
// Thread rule: one shard's thread.
#pragma once

#include <coroutine>
#include <cstddef>
#include <vector>

namespace varve {

class Random;

class RunQueue {
 public:
  // `shuffle` may be null (first in, first out); it must outlive the queue.
  explicit RunQueue(Random* shuffle = nullptr) : shuffle_(shuffle) {}
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;

  void push(std::coroutine_handle<> ready) { ready_.push_back(ready); }
  // Lets whoever is ready go first.
  auto yield() {
    struct Awaiter {
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> self) { queue.push(self); }
      void await_resume() noexcept {}
      RunQueue& queue;
    };
    return Awaiter{*this};
  }
  bool empty() const { return ready_.empty(); }
  // Resumes what is ready now (not what becomes ready meanwhile). Returns how many were resumed.
  size_t run_ready();

 private:
  Random* shuffle_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> running_;
};

}  // namespace varve
