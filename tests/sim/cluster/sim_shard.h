// SimShard: the runtime of one simulated node on a shared SimLoop: its own run queue (shuffled),
// its own clock with its own rate and offset, its own timers and randomness.
//
// A paused shard (SIGSTOP) runs nothing: completions, calls and timers pile up until it is resumed,
// while its clock goes on.
//
// Thread rule: the loop's thread. Ownership: the loop is borrowed and outlives the shard, which
// outlives what runs on it. Units: nanoseconds; rates in parts per million of the loop's time.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "core/runtime/runtime.h"
#include "tests/sim/sim_loop.h"

namespace varve {

struct SimShardOptions {
  uint64_t rate_ppm = 1'000'000;
  uint64_t offset_ns = 0;
};

class SimShard final : public SimParticipant, public Clock {
 public:
  SimShard(SimLoop& loop, SimShardOptions options, uint64_t seed);
  SimShard(const SimShard&) = delete;
  SimShard& operator=(const SimShard&) = delete;
  ~SimShard() override;

  SimLoop& loop() { return loop_; }
  Runtime& runtime() { return runtime_; }
  RunQueue& ready() { return ready_; }

  // `call` runs on the shard, soon; calls run in the order in which they were posted.
  void post(std::function<void()> call) { calls_.push_back(std::move(call)); }

  void pause() { paused_ = true; }
  void resume() { paused_ = false; }
  bool paused() const { return paused_; }

  // Clock, as the node sees it.
  uint64_t monotonic_ns() const override { return local_ns(loop_.monotonic_ns()); }
  uint64_t wall_seconds() const override { return 1'600'000'000 + monotonic_ns() / 1'000'000'000; }

  // SimParticipant.
  bool run() override;
  uint64_t next_deadline_ns() const override;
  void fire() override { timers_.fire(); }

  // For a node that is being put down after its death, when nothing that it does matters any more:
  // advances its clock alone to its next timer. False: it has none.
  bool skip_to_next_timer();

 private:
  uint64_t local_ns(uint64_t world_ns) const;
  uint64_t world_ns(uint64_t local_ns) const;  // the first at which the clock shows at least that

  SimLoop& loop_;
  SimShardOptions options_;
  Random random_;
  Random shuffle_;
  RunQueue ready_;
  TimerQueue timers_{ready_, *this};
  Runtime runtime_{ready_, *this, random_, timers_};
  std::deque<std::function<void()>> calls_;
  bool paused_ = false;
};

}  // namespace varve
