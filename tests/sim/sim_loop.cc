#include "tests/sim/sim_loop.h"

#include <algorithm>

namespace varve {

SimLoop::SimLoop(uint64_t seed)
    : random_(seed), shuffle_(seed ^ 0x51ed270b7f4a7c15), ready_(&shuffle_) {}

void SimLoop::schedule(uint64_t delay_ns, std::function<void()> action) {
  events_.push_back({now_ns_ + delay_ns, event_count_++, std::move(action)});
  std::push_heap(events_.begin(), events_.end(), later);
}

bool SimLoop::run_participant() {
  if (participants_.empty()) return false;
  const size_t first = shuffle_.below(participants_.size());
  for (size_t i = 0; i < participants_.size(); ++i) {
    if (participants_[(first + i) % participants_.size()]->run()) return true;
  }
  return false;
}

SimParticipant* SimLoop::next_participant() const {
  SimParticipant* next = nullptr;
  uint64_t next_ns = kNever;
  for (SimParticipant* participant : participants_) {
    const uint64_t deadline_ns = participant->next_deadline_ns();
    if (deadline_ns >= next_ns) continue;
    next = participant;
    next_ns = deadline_ns;
  }
  return next;
}

bool SimLoop::step() {
  if (!ready_.empty()) {
    ready_.run_ready();
    return true;
  }
  if (run_participant()) return true;
  const uint64_t deadline_ns = timers_.next_deadline_ns();
  if (SimParticipant* participant = next_participant()) {
    const uint64_t wanted_ns = participant->next_deadline_ns();
    if (wanted_ns <= deadline_ns && (events_.empty() || wanted_ns <= events_.front().time_ns)) {
      now_ns_ = std::max(now_ns_, wanted_ns);
      participant->fire();
      return true;
    }
  }
  if (deadline_ns != kNever && (events_.empty() || deadline_ns <= events_.front().time_ns)) {
    now_ns_ = std::max(now_ns_, deadline_ns);
    timers_.fire();
    return true;
  }
  if (events_.empty()) return false;
  std::pop_heap(events_.begin(), events_.end(), later);
  Event event = std::move(events_.back());
  events_.pop_back();
  now_ns_ = event.time_ns;
  event.action();
  return true;
}

bool SimLoop::drain(uint64_t step_limit) {
  for (uint64_t steps = 0; step(); ++steps) {
    if (steps == step_limit) return false;
  }
  return true;
}

}  // namespace varve
