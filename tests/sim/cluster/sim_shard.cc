#include "tests/sim/cluster/sim_shard.h"

#include <utility>

namespace varve {

namespace {
constexpr uint64_t kMillion = 1'000'000;
}

SimShard::SimShard(SimLoop& loop, SimShardOptions options, uint64_t seed)
    : loop_(loop),
      options_(options),
      random_(seed),
      shuffle_(seed ^ 0x7c3a1e5b90d2f486),
      ready_(&shuffle_) {
  loop_.add(*this);
}

SimShard::~SimShard() {
  loop_.remove(*this);
}

// Exactly floor(world * rate / million) without leaving 64 bits.
uint64_t SimShard::local_ns(uint64_t world_ns) const {
  return options_.offset_ns + world_ns / kMillion * options_.rate_ppm +
         world_ns % kMillion * options_.rate_ppm / kMillion;
}

uint64_t SimShard::world_ns(uint64_t local_ns) const {
  if (local_ns <= options_.offset_ns) return 0;
  const uint64_t elapsed_ns = local_ns - options_.offset_ns;
  const uint64_t rest = elapsed_ns % options_.rate_ppm;
  return elapsed_ns / options_.rate_ppm * kMillion +
         (rest * kMillion + options_.rate_ppm - 1) / options_.rate_ppm;
}

bool SimShard::run() {
  if (paused_) return false;
  if (!calls_.empty() && (ready_.empty() || shuffle_.chance(1, 2))) {
    const std::function<void()> call = std::move(calls_.front());
    calls_.pop_front();
    call();
    return true;
  }
  if (ready_.empty()) return false;
  ready_.run_ready();
  return true;
}

uint64_t SimShard::next_deadline_ns() const {
  if (paused_) return kNever;
  const uint64_t deadline_ns = timers_.next_deadline_ns();
  // Farther away than any run lasts.
  if (deadline_ns >= kNever / 2) return kNever;
  return world_ns(deadline_ns);
}

bool SimShard::skip_to_next_timer() {
  const uint64_t deadline_ns = timers_.next_deadline_ns();
  if (deadline_ns == kNever) return false;
  const uint64_t now_ns = monotonic_ns();
  if (deadline_ns > now_ns) options_.offset_ns += deadline_ns - now_ns;
  timers_.fire();
  return true;
}

}  // namespace varve
