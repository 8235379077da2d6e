// Task<T>: a lazy coroutine with one awaiter, the unit of asynchronous work.
//
// A task starts when it is awaited, on the awaiter's thread, and belongs to one shard for life. No
// symmetric transfer: g++ 12 overflows the stack on long runs of awaits that finish at once. The
// child is resumed inside await_suspend; when it finishes without suspending, the parent simply
// goes on; otherwise the child's last act is to resume the parent.
//
// Rules: parameters by value, or references to what outlives the task; no lambda with captures as a
// coroutine; a task that has started must be awaited to its end before it is destroyed; no braced
// temporary in the arguments of an awaited call, and no `?:` between tasks (g++ 12 destroys them
// twice): name it first, or use `if`; no co_await in the condition of an `if` or a loop (g++ 12
// loses the task when it is in a `while` that runs no round): name the result first.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "core/base/check.h"

namespace varve {

template <typename T = void>
class Task;

namespace detail {

struct TaskPromiseBase {
  std::coroutine_handle<> parent;
  bool parent_suspended = false;

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct FinalAwaiter {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> self) noexcept {
      TaskPromiseBase& promise = self.promise();
      // The parent may destroy this frame while it runs: nothing here is touched afterwards.
      if (promise.parent_suspended) promise.parent.resume();
    }
    void await_resume() noexcept {}
  };
  FinalAwaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }
};

template <typename T>
struct TaskPromise : TaskPromiseBase {
  std::optional<T> value;
  Task<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  T take() { return std::move(*value); }
};

template <>
struct TaskPromise<void> : TaskPromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace detail

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::TaskPromise<T>;

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> parent) {
    auto& promise = handle_.promise();
    promise.parent = parent;
    handle_.resume();
    if (handle_.done()) return false;
    promise.parent_suspended = true;
    return true;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <typename T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}
}  // namespace detail

}  // namespace varve
