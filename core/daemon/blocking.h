// run_blocking: a call that blocks, on a thread of its own, awaited on the loop.
//
// Thread rule: awaited on the loop's thread; `call` runs on another one and must not touch the
// shard. For rare things (making a file, looking at a device): each call costs a thread.
#pragma once

#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "core/runtime/task.h"
#include "core/runtime/uring_loop.h"
#include "core/runtime/wait_list.h"

namespace varve {

template <typename T>
Task<T> run_blocking(UringLoop& loop, std::function<T()> call) {
  std::optional<T> result;
  bool ended = false;
  WaitList waiter(loop.runtime().ready);
  std::thread thread([&] {
    result.emplace(call());
    loop.post([&] {
      ended = true;
      waiter.wake_all();
    });
  });
  while (!ended) co_await waiter.wait();  // NOLINT(bugprone-infinite-loop): the call above ends it
  thread.join();
  co_return std::move(*result);
}

}  // namespace varve
