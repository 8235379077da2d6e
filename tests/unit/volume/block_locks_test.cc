#include "core/volume/block_locks.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "core/runtime/random.h"
#include "core/runtime/task_group.h"
#include "core/runtime/wait_list.h"

namespace varve {
namespace {

using Mode = BlockLocks::Mode;

// Holds that end when the test says so.
struct Scene {
  RunQueue ready;
  BlockLocks locks{ready};
  TaskGroup group{ready};
  std::string granted;
  WaitList ended{ready};
  std::string to_end;

  static Task<void> hold(Scene* scene, char name, BlockRange range, Mode mode) {
    BlockLocks::Hold hold(scene->locks, range, mode);
    co_await hold;
    scene->granted += name;
    while (scene->to_end.find(name) == std::string::npos) co_await scene->ended.wait();
  }
  void start(char name, BlockRange range, Mode mode) { group.start(hold(this, name, range, mode)); }
  void end(char name) {
    to_end += name;
    ended.wake_all();
    while (ready.run_ready() > 0) {
    }
  }
};

// A block as the random test sees it: who is inside now.
struct Inside {
  int shared = 0;
  int exclusive = 0;
};

struct RandomScene {
  explicit RandomScene(uint64_t seed) : random(seed) {}

  Random random;
  RunQueue ready{&random};
  BlockLocks locks{ready};
  std::vector<Inside> blocks{16};
  WaitList steps{ready};
  uint64_t done = 0;
};

bool apart(const RandomScene& scene) {
  return std::ranges::all_of(scene.blocks, [](const Inside& block) {
    return block.exclusive == 0 || (block.exclusive == 1 && block.shared == 0);
  });
}

Task<void> random_worker(RandomScene* scene, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const uint64_t first = scene->random.below(16);
    const BlockRange range{first, 1 + scene->random.below(16 - first)};
    const bool exclusive = scene->random.chance(1, 2);
    {
      BlockLocks::Hold hold(scene->locks, range, exclusive ? Mode::kExclusive : Mode::kShared);
      co_await hold;
      for (uint64_t b = range.first; b < range.end(); ++b)
        ++(exclusive ? scene->blocks[b].exclusive : scene->blocks[b].shared);
      REQUIRE(apart(*scene));
      for (uint64_t pause = scene->random.below(4); pause > 0; --pause)
        co_await scene->steps.wait();
      for (uint64_t b = range.first; b < range.end(); ++b)
        --(exclusive ? scene->blocks[b].exclusive : scene->blocks[b].shared);
    }
    ++scene->done;
  }
}

}  // namespace

TEST_CASE("shared holds of one block are granted side by side") {
  Scene scene;
  scene.start('a', {0, 4}, Mode::kShared);
  scene.start('b', {2, 4}, Mode::kShared);
  CHECK(scene.granted == "ab");
  scene.end('a');
  scene.end('b');
  CHECK(scene.locks.empty());
}

TEST_CASE("an exclusive hold waits for every earlier overlapping one and only for those") {
  Scene scene;
  scene.start('a', {0, 4}, Mode::kShared);
  scene.start('b', {3, 4}, Mode::kShared);
  scene.start('x', {3, 1}, Mode::kExclusive);
  scene.start('y', {9, 1}, Mode::kExclusive);
  CHECK(scene.granted == "aby");
  scene.end('a');
  CHECK(scene.granted == "aby");
  scene.end('b');
  CHECK(scene.granted == "abyx");
  scene.end('x');
  scene.end('y');
}

TEST_CASE("who comes after a waiting exclusive hold does not pass it") {
  Scene scene;
  scene.start('a', {0, 1}, Mode::kShared);
  scene.start('x', {0, 1}, Mode::kExclusive);
  scene.start('b', {0, 1}, Mode::kShared);
  scene.start('c', {1, 1}, Mode::kShared);
  scene.start('y', {0, 1}, Mode::kExclusive);
  CHECK(scene.granted == "ac");
  scene.end('a');
  CHECK(scene.granted == "acx");
  scene.end('x');
  CHECK(scene.granted == "acxb");
  scene.end('b');
  CHECK(scene.granted == "acxby");
  scene.end('y');
  scene.end('c');
  CHECK(scene.locks.empty());
}

TEST_CASE("random holds exclude each other, all are granted, and none is left") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    RandomScene scene(seed);
    TaskGroup group(scene.ready);
    for (int worker = 0; worker < 20; ++worker) group.start(random_worker(&scene, 50));
    while (group.running() > 0) {
      scene.steps.wake_one();
      REQUIRE((scene.ready.run_ready() > 0 || !scene.steps.empty()));
    }
    CHECK(scene.done == 20 * 50);
    CHECK(scene.locks.empty());
  }
}

}  // namespace varve
