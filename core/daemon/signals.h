// SignalThread: SIGTERM and SIGINT as calls on the loop, so that nothing runs inside a handler.
//
// Thread rule: made before any other thread, so that all inherit the blocked signals.
// Ownership: borrows the loop and what the calls refer to; both must outlive it.
#pragma once

#include <functional>
#include <thread>

#include "core/runtime/uring_loop.h"

namespace varve {

class SignalThread {
 public:
  // On the loop's thread: `stop` for each signal; `deadline` when after the first one
  // kStopSecondsMax have passed and this still exists.
  SignalThread(UringLoop& loop, std::function<void()> stop, std::function<void()> deadline);
  ~SignalThread();
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  void run();

  UringLoop& loop_;
  const std::function<void()> stop_;
  const std::function<void()> deadline_;
  std::thread thread_;
};

}  // namespace varve
