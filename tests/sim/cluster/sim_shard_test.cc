// Shards on one loop: clocks of different rates, pausing, and one seed, one run.
#include "tests/sim/cluster/sim_shard.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/units.h"
#include "core/runtime/task_group.h"
#include "tests/sim/sim_device.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1000 * kMillisecond;

Task<void> sleep_and_tell(SimShard* shard, uint64_t duration_ns, uint64_t* world_ns,
                          uint64_t* local_ns) {
  co_await shard->runtime().timers.until(shard->monotonic_ns() + duration_ns);
  *world_ns = shard->loop().monotonic_ns();
  *local_ns = shard->monotonic_ns();
}

TEST_CASE("a timer is due when the node's own clock says so") {
  SimLoop loop(1);
  SimShard slow(loop, {.rate_ppm = 980'000, .offset_ns = 77 * kSecond}, 1);
  SimShard fast(loop, {.rate_ppm = 1'020'000, .offset_ns = 5}, 2);
  uint64_t slow_world = 0;
  uint64_t slow_local = 0;
  uint64_t fast_world = 0;
  uint64_t fast_local = 0;
  TaskGroup slow_tasks(slow.ready());
  TaskGroup fast_tasks(fast.ready());
  slow_tasks.start(sleep_and_tell(&slow, kSecond, &slow_world, &slow_local));
  fast_tasks.start(sleep_and_tell(&fast, kSecond, &fast_world, &fast_local));
  REQUIRE(loop.drain());
  CHECK(slow_world - kSecond * 100 / 98 < 10);
  CHECK(fast_world - kSecond * 100 / 102 < 10);
  CHECK(slow_local == 78 * kSecond);
  CHECK(fast_local - kSecond < 10);
}

TEST_CASE("a paused node runs nothing until it is resumed") {
  SimLoop loop(1);
  SimShard shard(loop, {}, 1);
  uint64_t world = 0;
  uint64_t local = 0;
  bool called = false;
  TaskGroup tasks(shard.ready());
  tasks.start(sleep_and_tell(&shard, kSecond, &world, &local));
  shard.pause();
  shard.post([&called] { called = true; });
  loop.schedule(5 * kSecond, [&] {
    CHECK_FALSE(called);
    CHECK(world == 0);
    shard.resume();
  });
  REQUIRE(loop.drain());
  CHECK(called);
  CHECK(world == 5 * kSecond + 1);
}

Task<void> write_and_tell(SimDevice* device, std::span<const std::byte> data, Status* status,
                          bool* ended) {
  *status = co_await device->write(0, data, true);
  *ended = true;
}

TEST_CASE("a device completes into the queue of its node") {
  SimLoop loop(1);
  SimShard shard(loop, {}, 1);
  SimDevice device(loop, {DiskImage(16 * kBlockBytes), {}}, {}, 3);
  device.set_run_queue(shard.ready());
  AlignedBuffer memory{kBlockBytes};
  Status status;
  bool ended = false;
  TaskGroup tasks(shard.ready());
  tasks.start(write_and_tell(&device, {memory.data(), kBlockBytes}, &status, &ended));
  shard.pause();
  REQUIRE(loop.drain());
  CHECK_FALSE(ended);
  shard.resume();
  REQUIRE(loop.drain());
  CHECK(ended);
  CHECK(status.ok());
}

TEST_CASE(
    "a device without power ends what is in flight at once, and its late completions are void") {
  SimLoop loop(1);
  SimShard shard(loop, {}, 1);
  SimDevice device(loop, {DiskImage(16 * kBlockBytes), {}}, {}, 3);
  device.set_run_queue(shard.ready());
  AlignedBuffer memory{kBlockBytes};
  Status status;
  bool ended = false;
  TaskGroup tasks(shard.ready());
  tasks.start(write_and_tell(&device, {memory.data(), kBlockBytes}, &status, &ended));
  device.set_power(false);
  device.fail_in_flight();
  while (shard.run()) {
  }
  CHECK(ended);
  CHECK(status.code() == ErrorCode::kIoError);
  device.insert({DiskImage(16 * kBlockBytes), {}});
  device.set_power(true);
  REQUIRE(loop.drain());
  CHECK(device.image()[0] == std::byte{0});
}

TEST_CASE("a dead node's clock can skip to its next timer") {
  SimLoop loop(1);
  SimShard shard(loop, {.rate_ppm = 990'000, .offset_ns = 0}, 1);
  uint64_t world = 0;
  uint64_t local = 0;
  TaskGroup tasks(shard.ready());
  tasks.start(sleep_and_tell(&shard, kSecond, &world, &local));
  REQUIRE(shard.skip_to_next_timer());
  while (shard.run()) {
  }
  CHECK(world == loop.monotonic_ns());
  CHECK(local == kSecond);
  CHECK_FALSE(shard.skip_to_next_timer());
}

Task<void> chatter(SimShard* shard, SimShard* other, uint32_t left) {
  while (left-- > 0) {
    co_await shard->runtime().timers.until(shard->monotonic_ns() +
                                           shard->runtime().random.below(kMillisecond));
    shard->loop().note(shard->monotonic_ns());
    other->post([other] { other->loop().note(other->monotonic_ns()); });
  }
}

TEST_CASE("one seed is one run") {
  const auto run = [](uint64_t seed) {
    SimLoop loop(seed);
    SimShard a(loop, {.rate_ppm = 985'000, .offset_ns = 3}, seed + 1);
    SimShard b(loop, {.rate_ppm = 1'015'000, .offset_ns = 9}, seed + 2);
    TaskGroup a_tasks(a.ready());
    TaskGroup b_tasks(b.ready());
    for (int i = 0; i < 4; ++i) {
      a_tasks.start(chatter(&a, &b, 20));
      b_tasks.start(chatter(&b, &a, 20));
    }
    CHECK(loop.drain());
    return loop.hash();
  };
  CHECK(run(11) == run(11));
  CHECK(run(11) != run(12));
}

}  // namespace
}  // namespace varve
