// SpaceGate: where the writes of all volumes of one store wait while it is full.
//
// A full store makes its clients wait, it does not fail them. One task listens to the store for all
// of them, so that a wait can also end because its client goes away or the daemon shuts down.
//
// Thread rule: one shard's thread. Ownership: runtime and store are borrowed. Before the gate is
// destroyed: close(), then Store::close(), then await drained().
#pragma once

#include <cstdint>

#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/runtime/task_group.h"
#include "core/runtime/wait_list.h"

namespace varve {

class Store;

class SpaceGate {
 public:
  SpaceGate(Runtime& runtime, Store& store);

  // Ends when it is worth to try again, or when somebody called wake_all() or close().
  // Call it as soon as the store has answered kNoSpace.
  Task<void> wait();
  // Lets every waiter look again at why it waits.
  void wake_all() { waiters_.wake_all(); }
  // Ends all waits for good.
  void close();
  bool closed() const { return closed_; }
  // Writes that wait now, for `varve status`.
  uint64_t waiting_count() const { return waiting_count_; }
  // Ends when the store is not listened to any more: after close() and Store::close().
  Task<void> drained();

 private:
  Task<void> listen();

  Store& store_;
  WaitList waiters_;
  TaskGroup listener_;
  uint64_t waiting_count_ = 0;
  bool closed_ = false;
};

}  // namespace varve
