#include "plugins/nbd/deadlines.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <ctime>

namespace varve {

uint64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

Deadlines::Deadlines() : fd_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {}

void Deadlines::want(uint64_t at_ms) {
  if (armed_ms_ != 0 && armed_ms_ <= at_ms) return;
  armed_ms_ = at_ms;
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(at_ms / 1000);
  when.it_value.tv_nsec = static_cast<long>(at_ms % 1000) * 1'000'000;
  ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Deadlines::fired() {
  uint64_t count = 0;
  if (::read(fd_.get(), &count, sizeof(count)) == static_cast<ssize_t>(sizeof(count)))
    armed_ms_ = 0;
}

}  // namespace varve
