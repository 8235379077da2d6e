// SimLoop: a shard in virtual time: a shuffled run queue, a clock that jumps from event to event,
// and seeded randomness. The same seed gives the same run, event by event.
//
// What is ready runs first and takes no time; when nothing is, time advances to the next event.
// Several shards, each with its own queue and clock, can share one loop as participants.
//
// Thread rule: one thread. Ownership: owns its queue, clock and random; must outlive what runs on
// it. Units: virtual nanoseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/runtime/task_group.h"

namespace varve {

// What shares a loop: a shard of a simulated node.
class SimParticipant {
 public:
  virtual ~SimParticipant() = default;
  // Runs something that is ready; false: nothing was.
  virtual bool run() = 0;
  // The loop's time at which fire() is wanted; kNever: not at all.
  virtual uint64_t next_deadline_ns() const = 0;
  virtual void fire() = 0;
};

class SimLoop final : public Clock {
 public:
  explicit SimLoop(uint64_t seed);

  Runtime& runtime() { return runtime_; }
  RunQueue& ready() { return ready_; }
  uint64_t monotonic_ns() const override { return now_ns_; }
  uint64_t wall_seconds() const override { return 1'700'000'000 + now_ns_ / 1'000'000'000; }

  // `action` runs once, `delay_ns` from now. Events of one instant run in order of scheduling.
  void schedule(uint64_t delay_ns, std::function<void()> action);
  // Not from inside run() or fire() of a participant.
  void add(SimParticipant& participant) { participants_.push_back(&participant); }
  void remove(SimParticipant& participant) { std::erase(participants_, &participant); }
  // Runs what is ready, or else the next event. False: nothing is left to do.
  bool step();
  // Until nothing is left, at most `step_limit` steps. False: it did not come to rest.
  bool drain(uint64_t step_limit = kStepLimit);
  // The task's result; nothing when it can no longer end (a lost wake-up) or does not come to an
  // end. The task is then leaked: the run has failed.
  template <typename T>
  std::optional<T> run(Task<T> task, uint64_t step_limit = kStepLimit);

  // Folds what happened into the run's fingerprint.
  void note(uint64_t word) {
    hash_ = (hash_ ^ word) * 0x9e3779b97f4a7c15;
    hash_ ^= hash_ >> 29;
  }
  uint64_t hash() const { return hash_; }

  static constexpr uint64_t kStepLimit = 5'000'000;

 private:
  struct Event {
    uint64_t time_ns;
    uint64_t number;
    std::function<void()> action;
  };
  static bool later(const Event& a, const Event& b) {
    return a.time_ns != b.time_ns ? a.time_ns > b.time_ns : a.number > b.number;
  }
  bool run_participant();
  // The one with the earliest deadline; null when none has any.
  SimParticipant* next_participant() const;
  template <typename T>
  static Task<void> keep(Task<T> task, std::optional<T>* result) {
    result->emplace(co_await task);
  }

  Random random_;
  Random shuffle_;
  RunQueue ready_;
  TimerQueue timers_{ready_, *this};
  Runtime runtime_{ready_, *this, random_, timers_};
  uint64_t now_ns_ = 1;
  uint64_t event_count_ = 0;
  uint64_t hash_ = 0;
  std::vector<Event> events_;  // a heap, earliest first
  std::vector<SimParticipant*> participants_;
};

template <typename T>
std::optional<T> SimLoop::run(Task<T> task, uint64_t step_limit) {
  std::optional<T> result;
  auto* group =
      new TaskGroup(ready_);  // leaked when the task cannot end: its destructor would abort
  group->start(keep(std::move(task), &result));
  for (uint64_t steps = 0; !result; ++steps) {
    if (steps == step_limit || !step()) return std::nullopt;
  }
  delete group;
  return result;
}

}  // namespace varve
