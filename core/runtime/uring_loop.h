// UringLoop: one thread that runs coroutines, polls services and talks to the kernel through one
// io_uring. The real counterpart of the simulator's runtime.
//
// A turn runs what is ready, polls the pollers, submits what was collected and reaps completions.
// Nothing is resumed inside the reap: completions queue their waiters. A turn that had nothing to
// do sleeps inside the same system call that submits, so an idle loop costs nothing and a busy one
// about one system call per turn.
//
// Thread rule: made, used and destroyed on one thread; only post() may come from others.
// Ownership: pollers and operations are borrowed. Before the destructor every poller must be
// removed and every operation complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/runtime/random.h"
#include "core/runtime/runtime.h"
#include "core/runtime/system_clock.h"
#include "core/runtime/task.h"
#include "core/runtime/task_group.h"

struct io_uring;
struct io_uring_sqe;

namespace varve {

// One request to the kernel. Must not move or go away between submit() and complete().
class UringOperation {
 public:
  virtual ~UringOperation() = default;
  // Fills the entry in; called once per submit(), just before the system call. The loop sets
  // user_data.
  virtual void prepare(io_uring_sqe& entry) = 0;
  // The kernel's result: bytes, or a negative errno. Called inside the reap: resumes nothing, but
  // may submit() again or destroy the operation.
  virtual void complete(int32_t result) = 0;

 private:
  friend class UringLoop;
  UringOperation* next_ = nullptr;
};

// Work that the loop asks for: service plugins and the like. On every turn until arm() has returned
// false and the loop has slept; then again when its descriptor is readable or arm() returns true.
class Poller {
 public:
  virtual ~Poller() = default;
  // Does what can be done without blocking; returns how much was done.
  virtual size_t poll() = 0;
  // True when something is pending though poll() has returned 0. Asked before the loop sleeps, and
  // then on every turn until poll(): cheap, and true after a call from outside that poll() must
  // finish.
  virtual bool arm() = 0;
  // Becomes readable when poll() has something to do; negative for none.
  virtual int wait_fd() = 0;
};

struct UringCounters {
  uint64_t enter_count = 0;       // io_uring_enter system calls
  uint64_t submission_count = 0;  // entries given to the kernel
  uint64_t completion_count = 0;  // entries taken back
};

class UringLoop {
 public:
  // kUnsupported: this kernel, or the sandbox around us, has no io_uring.
  static Result<std::unique_ptr<UringLoop>> create();
  UringLoop(const UringLoop&) = delete;
  UringLoop& operator=(const UringLoop&) = delete;
  ~UringLoop();

  Runtime& runtime() { return runtime_; }

  // Runs the loop until `task` has ended and returns its value. Not from inside a coroutine.
  template <typename T>
  T run(Task<T> task) {
    TaskGroup group(ready_);
    if constexpr (std::is_void_v<T>) {
      group.start(std::move(task));
      run_until([&group] { return group.running() == 0; });
    } else {
      std::optional<T> value;
      group.start(keep(std::move(task), &value));
      run_until([&group] { return group.running() == 0; });
      return std::move(*value);
    }
  }
  // Takes turns until `ended` returns true; it is asked between turns.
  void run_until(const std::function<bool()>& ended);

  // Runs `call` on the loop's thread, soon. From any thread.
  void post(std::function<void()> call);

  void add_poller(Poller& poller);
  // Not from inside poll() of a poller (posted calls may). Its descriptor may be closed afterwards.
  void remove_poller(Poller& poller);

  // Hands `operation` to the kernel by the end of the next turn, a few together. Never fails: what
  // does not fit into the ring waits in a list.
  void submit(UringOperation& operation);

  const UringCounters& counters() const { return counters_; }

 private:
  class Mailbox;
  class Watch;

  UringLoop(std::unique_ptr<io_uring> ring, std::unique_ptr<Mailbox> mailbox, uint64_t seed);
  // Behind the others, for the next system call that is made anyway.
  void queue(UringOperation& operation);
  void turn();
  bool run_and_poll();
  bool arm_to_sleep();
  void fill_ring();
  // One system call: hands over what is queued; unless kNoEvents, lets completions arrive.
  enum class Wait { kNoEvents, kNone, kSleep };
  void enter(Wait wait);
  void reap();
  int wait_for_events();
  bool kernel_wants_enter() const;

  template <typename T>
  static Task<void> keep(Task<T> task, std::optional<T>* into) {
    into->emplace(co_await task);
  }

  std::unique_ptr<io_uring> ring_;
  RunQueue ready_;
  SystemClock clock_;
  Random random_;
  TimerQueue timers_{ready_, clock_};
  Runtime runtime_;
  UringCounters counters_;

  UringOperation* queue_head_ = nullptr;  // submitted, not yet in the ring
  UringOperation* queue_tail_ = nullptr;
  bool device_started_ = false;  // this turn has handed requests over already
  size_t queued_count_ = 0;
  size_t in_ring_count_ = 0;    // in the ring or in the kernel
  size_t completion_room_ = 0;  // more than this many at once could overflow
  bool held_back_ = false;      // the last turn left its submissions to this one

  std::unique_ptr<Mailbox> mailbox_;
  std::vector<std::unique_ptr<Watch>> watches_;  // the mailbox's first
  std::vector<std::unique_ptr<Watch>> retired_;  // removed; the kernel still knows them
};

}  // namespace varve
