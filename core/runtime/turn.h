// Turn: one coroutine at a time, in the order in which they came.
//
//   co_await turn.take();  ...  turn.end();
//
// Thread rule: one shard's thread.
#pragma once

#include "core/runtime/task.h"
#include "core/runtime/wait_list.h"

namespace varve {

class Turn {
 public:
  explicit Turn(RunQueue& ready) : waiting_(ready) {}

  // Ends when it is the caller's turn.
  Task<void> take() {
    while (taken_) co_await waiting_.wait();
    taken_ = true;
  }
  void end() {
    taken_ = false;
    waiting_.wake_one();
  }

 private:
  bool taken_ = false;
  WaitList waiting_;
};

}  // namespace varve
