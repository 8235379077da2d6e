// FakeStore: a store in memory behind the real class's interface, linked in its place, so that
// tests decide when and how every call ends.
//
// Each call takes effect block by block, at moments that the seed picks, somewhere between its
// begin and its end: whatever the store's contract lets happen, happens here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/units.h"

#include "core/runtime/clock.h"
#include "core/runtime/random.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task_group.h"
#include "core/runtime/wait_list.h"
#include "core/store/store.h"

namespace varve {

class StoppedClock : public Clock {
 public:
  uint64_t monotonic_ns() const override { return 0; }
  uint64_t wall_seconds() const override { return 0; }
};

// What the fake store holds; the test reaches in here.
class StoreCore {
 public:
  StoreCore(Random& random_in, RunQueue& ready, uint64_t block_count)
      : random(random_in),
        steps(ready),
        space(ready),
        bytes(block_count * kBlockBytes),
        mapped(block_count) {}

  // Ends at a moment that the seed picks.
  Task<void> pause();

  Random& random;
  WaitList steps;  // calls that pause
  WaitList space;  // calls of space_freed
  std::vector<std::byte> bytes;
  std::vector<bool> mapped;
  ErrorCode write_answer = ErrorCode::kOk;
  ErrorCode read_answer = ErrorCode::kOk;
  uint64_t max_pauses = 3;  // 0: calls end at once
  uint64_t crc_errors = 0;
  uint64_t write_count = 0;
  uint64_t unaligned_read_count = 0;
  uint64_t largest_write_blocks = 0;
  bool space_closed = false;
};

// Tells the fake Store::open how large to be, and gets its inside.
class FakeDevice : public BlockDevice {
 public:
  explicit FakeDevice(uint64_t block_count) : block_count_(block_count) {}
  uint64_t size_bytes() const override { return block_count_ * kBlockBytes; }
  void submit(IoRequest&) override { VARVE_CHECK(false); }

  StoreCore* core = nullptr;

 private:
  const uint64_t block_count_;
};

// A shard with a fake store of one volume, id 1.
struct FakeShard {
  FakeShard(uint64_t seed, uint64_t block_count);
  ~FakeShard();

  // Runs until nothing moves any more.
  void run();
  template <typename T>
  T await(Task<T> task) {
    std::optional<T> result;
    group.start(keep(std::move(task), &result));
    run();
    VARVE_CHECK(result.has_value());
    return std::move(*result);
  }
  void await(Task<void> task) {
    group.start(std::move(task));
    run();
  }
  void free_space() {
    core->write_answer = ErrorCode::kOk;
    core->space.wake_all();
  }
  void close_store() {
    core->space_closed = true;
    core->space.wake_all();
    run();
  }

  Random random;
  RunQueue ready{&random};
  StoppedClock clock;
  TimerQueue timers{ready, clock};
  Runtime runtime{ready, clock, random, timers};
  TaskGroup group{ready};
  std::unique_ptr<Store> store;
  StoreCore* core = nullptr;  // the store's

 private:
  template <typename T>
  static Task<void> keep(Task<T> task, std::optional<T>* result) {
    result->emplace(co_await task);
  }
};

inline constexpr VolumeId kFakeVolume{1};

}  // namespace varve
