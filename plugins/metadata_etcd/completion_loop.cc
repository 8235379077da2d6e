#include "plugins/metadata_etcd/completion_loop.h"

#include <grpc/support/log.h>
#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <algorithm>
#include <cstdlib>

namespace varve {
namespace {

// How many ends are handled before the caller has its turn.
constexpr int kEndsInRow = 64;

gpr_timespec after_ms(int64_t time_ms) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(time_ms, GPR_TIMESPAN));
}

// What it would print is in the words of the calls that fail.
void keep_grpc_quiet() {
  if (getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace

CompletionLoop::CompletionLoop()
    : queue_(std::make_unique<grpc::CompletionQueue>()), alarm_(std::make_unique<grpc::Alarm>()) {
  keep_grpc_quiet();
}

CompletionLoop::~CompletionLoop() {
  end();
}

void CompletionLoop::add(std::unique_ptr<Completion> completion) {
  under_way_.insert(completion.release());
}

void CompletionLoop::advance(void* tag, bool ok) {
  if (tag == this) {
    const std::lock_guard lock(mutex_);
    woken_ = false;
    return;
  }
  auto* completion = static_cast<Completion*>(tag);
  if (completion->advance(ok)) return;
  under_way_.erase(completion);
  delete completion;
}

void CompletionLoop::wait(Time until) {
  constexpr int64_t kLongestMs = 3'600'000;
  int64_t wait_ms = kLongestMs;
  if (until != Time::max()) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    wait_ms = std::clamp<int64_t>(left.count(), 0, kLongestMs);
  }
  for (int i = 0; i < kEndsInRow; ++i) {
    void* tag = nullptr;
    bool ok = false;
    const auto next = queue_->AsyncNext(&tag, &ok, after_ms(i == 0 ? wait_ms : 0));
    if (next != grpc::CompletionQueue::GOT_EVENT) return;
    advance(tag, ok);
  }
}

void CompletionLoop::wake() {
  const std::lock_guard lock(mutex_);
  if (woken_ || ended_) return;
  woken_ = true;
  alarm_->Set(queue_.get(), gpr_now(GPR_CLOCK_MONOTONIC), this);
}

void CompletionLoop::end() {
  bool alarm_pending = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return;
    ended_ = true;
    alarm_pending = woken_;
  }
  for (Completion* completion : under_way_) completion->cancel();
  void* tag = nullptr;
  bool ok = false;
  // What ends begins its last step, for which the queue must be open. And an alarm that is
  // destroyed before its end was taken leaves gRPC with a pointer to it.
  while ((alarm_pending || !under_way_.empty()) && queue_->Next(&tag, &ok)) {
    if (tag == this) alarm_pending = false;
    advance(tag, ok);
  }
  queue_->Shutdown();
  while (queue_->Next(&tag, &ok)) advance(tag, ok);
}

}  // namespace varve
