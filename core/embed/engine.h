// Engine: a store together with the thread that serves it, for callers on any thread.
//
// The caller starts the thread and calls run() on it; there the loop is made, the store opened, and
// requests served until stop(). Requests of other threads go through the loop's mailbox; at most
// VARVE_REQUESTS_MAX are accepted and not yet answered.
//
// Thread rule: any thread, but run() is what makes one the engine's thread, and call() and
// wait_open() are refused there when they would wait for themselves. Not to be destroyed while
// another thread is inside a call, nor while running().
// Ownership: owns loop, device and store. Work and its answer run on the engine's thread; what they
// refer to must stay until the answer.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/base/error.h"
#include "core/embed/disk.h"
#include "core/runtime/task.h"
#include "core/runtime/uring_loop.h"
#include "core/store/store.h"

namespace varve {

class Engine {
 public:
  using Work = std::function<Task<Status>(Store&)>;
  using Look = std::function<Status(Store&)>;
  using Done = std::function<void(const Status&)>;

  explicit Engine(Disk disk);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Opens, serves until stop(), closes; once. kInvalidArgument when it was called before.
  Status run();
  // What opening came to; kClosed after stop().
  Status wait_open();
  // New requests get kClosed, those under way end, then run() does. Repeating it does nothing.
  void stop();
  bool running();

  // Waits for room and for the answer.
  Status call(Work work);
  // kOk: `done` will be called once, later. kBusy: no room. Neither waits nor calls back at once.
  Status submit(Work work, Done done);
  // Something that needs no waiting: on the engine's thread at once, from others like call().
  Status look(Look look);

 private:
  enum class State : uint8_t { kNew, kOpening, kServing, kStopping, kEnded };
  struct Request;
  struct Serving;

  Status open_and_serve();
  Task<Status> serve(Runtime* runtime, BlockDevice* device);
  bool begin_serving(Serving& serving);
  Task<void> answer(std::shared_ptr<Request> request);

  // With the lock held.
  bool on_engine_thread() const { return std::this_thread::get_id() == thread_; }
  void accept(Work work, Done done);

  const Disk disk_;
  std::mutex mutex_;  // guards everything below, but not what serving_ refers to
  std::condition_variable opened_;
  std::condition_variable room_;
  State state_ = State::kNew;
  bool stop_asked_ = false;
  Status open_status_;  // of the store, or of what it stands on
  std::thread::id thread_;
  UringLoop* loop_ = nullptr;
  Serving* serving_ = nullptr;
  uint32_t request_count_ = 0;  // accepted and not yet answered
};

}  // namespace varve
