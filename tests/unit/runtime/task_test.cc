#include "core/runtime/task.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "core/runtime/random.h"
#include "core/runtime/run_queue.h"
#include "core/runtime/task_group.h"
#include "core/runtime/wait_list.h"

namespace varve {
namespace {

Task<int> at_once(int value) {
  co_return value;
}

Task<int> sum_of_many(int count) {
  int sum = 0;
  for (int i = 0; i < count; ++i) sum += co_await at_once(1);
  co_return sum;
}

Task<void> store_sum(int count, int* into) {
  *into = co_await sum_of_many(count);
}

Task<void> wait_then_append(WaitList* list, std::vector<int>* order, int value) {
  co_await list->wait();
  order->push_back(value);
}

Task<void> nested_wait(WaitList* list, std::vector<int>* order, int value) {
  co_await wait_then_append(list, order, value);
  order->push_back(value + 100);
}

}  // namespace

TEST_CASE("awaits that finish at once do not deepen the stack") {
  RunQueue ready;
  TaskGroup group(ready);
  int sum = 0;
  group.start(store_sum(3'000'000, &sum));
  CHECK(sum == 3'000'000);
  CHECK(group.running() == 0);
}

TEST_CASE("a woken task resumes its parent, in order of waking") {
  RunQueue ready;
  TaskGroup group(ready);
  WaitList list(ready);
  std::vector<int> order;
  group.start(nested_wait(&list, &order, 1));
  group.start(nested_wait(&list, &order, 2));
  CHECK(order.empty());
  list.wake_all();
  CHECK(order.empty());  // nothing runs inside wake_all
  ready.run_ready();
  CHECK(order == std::vector<int>{1, 101, 2, 102});
  CHECK(group.running() == 0);
}

TEST_CASE("a shuffled queue runs everything once and repeats with its seed") {
  const auto run = [](uint64_t seed) {
    Random random(seed);
    RunQueue ready(&random);
    TaskGroup group(ready);
    WaitList list(ready);
    std::vector<int> order;
    for (int i = 0; i < 16; ++i) group.start(wait_then_append(&list, &order, i));
    list.wake_all();
    while (ready.run_ready() > 0) {
    }
    CHECK(order.size() == 16);
    return order;
  };
  CHECK(run(7) == run(7));
  CHECK(run(7) != run(8));
}

}  // namespace varve
