#include "core/daemon/signals.h"

#include <pthread.h>

#include <csignal>
#include <ctime>

#include "core/base/log.h"
#include "core/base/text.h"

namespace varve {
namespace {

// A service that has not stopped by then is given up.
constexpr time_t kStopSecondsMax = 60;
constexpr int kEndOfThread = SIGUSR1;  // from the destructor

sigset_t signals_of_ours() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, kEndOfThread}) sigaddset(&set, number);
  return set;
}

}  // namespace

SignalThread::SignalThread(UringLoop& loop, std::function<void()> stop,
                           std::function<void()> deadline)
    : loop_(loop), stop_(std::move(stop)), deadline_(std::move(deadline)) {
  const sigset_t set = signals_of_ours();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A client that hangs up is an error of its write, not the end of the daemon.
  signal(SIGPIPE, SIG_IGN);
  thread_ = std::thread([this] { run(); });
}

SignalThread::~SignalThread() {
  pthread_kill(thread_.native_handle(), kEndOfThread);
  thread_.join();
}

void SignalThread::run() {
  const sigset_t set = signals_of_ours();
  const timespec limit{.tv_sec = kStopSecondsMax, .tv_nsec = 0};
  bool stopping = false;
  for (;;) {
    const int number = stopping ? sigtimedwait(&set, nullptr, &limit) : sigwaitinfo(&set, nullptr);
    if (number == kEndOfThread) return;
    if (number == SIGTERM || number == SIGINT) {
      log_info("node", stopping ? "stopping already; kill -9 is safe but the next start recovers"
                                : text("got signal ", number, ": stopping"));
      stopping = true;
      loop_.post(stop_);
    } else if (stopping && errno == EAGAIN) {
      loop_.post(deadline_);
    }
  }
}

}  // namespace varve
