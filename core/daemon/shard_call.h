// call_shard: a request of another thread, run on the shard, its answer awaited with a deadline.
//
// Thread rule: any thread but the loop's. Ownership: the loop and `requests` must outlive the
// request, also after the deadline has passed; whatever `work` refers to, too.
// Errors: those of `work`; kBusy when there was no answer in time (it may still take effect).
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <memory>

#include "core/base/error.h"
#include "core/runtime/task.h"
#include "core/runtime/task_group.h"
#include "core/runtime/uring_loop.h"

namespace varve {

template <typename T>
using ShardWork = std::function<Task<Result<T>>()>;

template <typename T>
Task<void> answer_shard_call(ShardWork<T> work, std::shared_ptr<std::promise<Result<T>>> answer) {
  answer->set_value(co_await work());
}

template <typename T>
Result<T> call_shard(UringLoop& loop, TaskGroup& requests, std::chrono::milliseconds deadline,
                     ShardWork<T> work) {
  auto answer = std::make_shared<std::promise<Result<T>>>();
  std::future<Result<T>> answered = answer->get_future();
  loop.post([&requests, work = std::move(work), answer] {
    requests.start(answer_shard_call<T>(work, answer));
  });
  if (answered.wait_for(deadline) != std::future_status::ready) {
    return Status(ErrorCode::kBusy,
                  "no answer in time: the devices are slow or stuck; the request may still take "
                  "effect");
  }
  return answered.get();
}

}  // namespace varve
