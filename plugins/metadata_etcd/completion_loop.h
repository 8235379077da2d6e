// CompletionLoop: gRPC's queue of what has ended, and whatever is under way.
//
// Thread rule: the plugin's thread; only wake() may come from any.
// Ownership: owns every Completion from add() on. After end() no handler is called any more.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <set>

namespace grpc {
class Alarm;
class CompletionQueue;
}  // namespace grpc

namespace varve {

using Time = std::chrono::steady_clock::time_point;

// A call or stream: gRPC knows it by its address, and tells it when a step has ended.
class Completion {
 public:
  virtual ~Completion() = default;
  // A step has ended. False: it was the last one.
  virtual bool advance(bool ok) = 0;
  // Ends it soon; it tells nobody any more.
  virtual void cancel() = 0;
};

class CompletionLoop {
 public:
  CompletionLoop();
  ~CompletionLoop();
  CompletionLoop(const CompletionLoop&) = delete;
  CompletionLoop& operator=(const CompletionLoop&) = delete;

  grpc::CompletionQueue& queue() { return *queue_; }
  // The first step must have been started.
  void add(std::unique_ptr<Completion> completion);
  // Waits until something has ended, wake() was called or the time has come, and lets what has
  // ended advance.
  void wait(Time until);
  void wake();
  // Cancels all that is under way and waits until it has ended.
  void end();

 private:
  void advance(void* tag, bool ok);

  std::unique_ptr<grpc::CompletionQueue> queue_;
  std::set<Completion*> under_way_;
  std::unique_ptr<grpc::Alarm> alarm_;
  std::mutex mutex_;    // guards what follows
  bool woken_ = false;  // the alarm is set, or in the queue
  bool ended_ = false;
};

}  // namespace varve
