#include "core/runtime/uring_loop.h"

#include <liburing.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/runtime/wait_list.h"

namespace varve {
namespace {

std::unique_ptr<UringLoop> make_loop() {
  auto loop = UringLoop::create();
  INFO(loop.status().message());
  REQUIRE(loop.ok());
  return std::move(*loop);
}

// A request that does nothing, and the coroutine that waits for it.
class Nop final : public UringOperation {
 public:
  explicit Nop(UringLoop& loop) : loop_(loop) {}
  void prepare(io_uring_sqe& entry) override { io_uring_prep_nop(&entry); }
  void complete(int32_t result) override {
    result_ = result;
    loop_.runtime().ready.push(waiter_);
  }
  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    loop_.submit(*this);
  }
  int32_t await_resume() { return result_; }

 private:
  UringLoop& loop_;
  std::coroutine_handle<> waiter_;
  int32_t result_ = -1;
};

Task<void> one_nop(UringLoop* loop, int* ended) {
  Nop nop(*loop);
  const int32_t result = co_await nop;
  if (result == 0) ++*ended;
}

Task<int> many_nops(UringLoop* loop, int count) {
  int ended = 0;
  TaskGroup group(loop->runtime().ready);
  for (int i = 0; i < count; ++i) group.start(one_nop(loop, &ended));
  co_await group.done();
  co_return ended;
}

Task<void> until(UringLoop* loop, uint64_t deadline_ns) {
  co_await loop->runtime().timers.until(deadline_ns);
}

Task<void> wait_for(WaitList* list, const bool* condition) {
  while (!*condition) co_await list->wait();
}

// Reads bytes from a pipe.
class PipePoller final : public Poller {
 public:
  PipePoller() { REQUIRE(pipe2(ends_, O_CLOEXEC | O_NONBLOCK) == 0); }
  ~PipePoller() override {
    close_reader();
    close(ends_[1]);
  }
  size_t poll() override {
    ++poll_count;
    char buffer[16];
    const ssize_t bytes = read(ends_[0], buffer, sizeof buffer);
    if (bytes <= 0) return 0;
    text.append(buffer, static_cast<size_t>(bytes));
    return static_cast<size_t>(bytes);
  }
  bool arm() override {
    ++arm_count;
    return pending_when_armed > 0 && pending_when_armed-- > 0;
  }
  int wait_fd() override { return ends_[0]; }
  bool send(std::string_view bytes) {
    return write(ends_[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  }
  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }

  std::string text;
  int arm_count = 0;
  int poll_count = 0;
  int pending_when_armed = 0;

 private:
  int ends_[2];
};

}  // namespace

TEST_CASE("the loop runs a task to its end and hands its value out") {
  const auto loop = make_loop();
  CHECK(loop->run(many_nops(loop.get(), 1)) == 1);
}

TEST_CASE("more requests at once than the ring holds all complete") {
  const auto loop = make_loop();
  CHECK(loop->run(many_nops(loop.get(), 20'000)) == 20'000);
  CHECK(loop->counters().submission_count >= 20'000);
}

TEST_CASE("requests of one turn share system calls") {
  const auto loop = make_loop();
  CHECK(loop->run(many_nops(loop.get(), 200)) == 200);
  CHECK(loop->counters().completion_count == 200);
  CHECK(loop->counters().enter_count <= 200 / 8 + 1);
}

TEST_CASE("a call posted by another thread wakes a sleeping loop and runs on its thread") {
  const auto loop = make_loop();
  WaitList list(loop->runtime().ready);
  bool posted = false;
  std::thread::id ran_on;
  std::thread other([&] {
    loop->post([&] {
      ran_on = std::this_thread::get_id();
      posted = true;
      list.wake_all();
    });
  });
  loop->run(wait_for(&list, &posted));
  other.join();
  CHECK(ran_on == std::this_thread::get_id());
}

TEST_CASE("no posted call is lost, whatever the threads' timing") {
  const auto loop = make_loop();
  constexpr int kCallsPerThread = 5'000;
  int ran = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < kCallsPerThread; ++call) loop->post([&ran] { ++ran; });
    });
  }
  loop->run_until([&] { return ran == 3 * kCallsPerThread; });
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("a poller's descriptor wakes the loop, again and again") {
  const auto loop = make_loop();
  PipePoller poller;
  loop->add_poller(poller);
  for (const std::string expected : {"a", "ab", "abc"}) {
    bool sent = false;
    std::thread other([&] { sent = poller.send(expected.substr(expected.size() - 1)); });
    loop->run_until([&] { return poller.text == expected; });
    other.join();
    CHECK(sent);
  }
  loop->remove_poller(poller);
}

TEST_CASE("a poller that has something pending keeps the loop awake") {
  const auto loop = make_loop();
  PipePoller poller;
  poller.pending_when_armed = 3;
  loop->add_poller(poller);
  loop->run_until([&] { return poller.pending_when_armed == 0; });
  CHECK(poller.arm_count == 3);
  CHECK(loop->counters().enter_count == 0);
  loop->remove_poller(poller);
}

TEST_CASE("an idle poller costs nothing: its request stays in place while I/O goes on") {
  const auto loop = make_loop();
  PipePoller poller;
  loop->add_poller(poller);
  for (int i = 0; i < 100; ++i) CHECK(loop->run(many_nops(loop.get(), 1)) == 1);
  // 100 requests, and one poll request each for the poller and for posted calls.
  CHECK(loop->counters().submission_count <= 102);
  CHECK(loop->counters().enter_count <= 101);
  loop->remove_poller(poller);
}

TEST_CASE("a removed poller's descriptor is let go") {
  signal(SIGPIPE, SIG_IGN);
  const auto loop = make_loop();
  PipePoller poller;
  loop->add_poller(poller);
  // Sleeps once, so that the poll request is in place.
  CHECK(loop->run(many_nops(loop.get(), 1)) == 1);
  loop->remove_poller(poller);
  poller.close_reader();
  CHECK(loop->run(many_nops(loop.get(), 1)) == 1);
  // The pipe has no reader only when the kernel holds none for us either.
  CHECK_FALSE(poller.send("x"));
  CHECK(errno == EPIPE);
}

TEST_CASE("destroying a loop with a request in flight stops the program") {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    close(STDERR_FILENO);
    auto loop = UringLoop::create();
    if (!loop.ok()) _exit(1);
    Nop nop(**loop);
    (*loop)->submit(nop);
    loop->reset();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

TEST_CASE("a poller that rests is polled for its descriptor or for what arm says, not every turn") {
  const auto loop = make_loop();
  PipePoller poller;
  loop->add_poller(poller);
  const auto sleep_a_little = [&] {
    loop->run(until(loop.get(), loop->runtime().clock.monotonic_ns() + kMillisecond));
  };
  sleep_a_little();
  const int before = poller.poll_count;
  CHECK(loop->run(many_nops(loop.get(), 2000)) == 2000);
  CHECK(poller.poll_count == before);
  poller.pending_when_armed = 1;
  CHECK(loop->run(many_nops(loop.get(), 1)) == 1);
  CHECK(poller.poll_count == before + 1);
  CHECK(poller.send("news"));
  loop->run_until([&] { return poller.text == "news"; });
  loop->remove_poller(poller);
}

}  // namespace varve
