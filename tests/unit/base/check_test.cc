#include "core/base/check.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <string>

#include "core/base/mutant.h"

namespace varve {
namespace {

struct ChildEnd {
  int status = 0;
  std::string errors;
};

// Runs `body` in a child process.
template <typename Body>
ChildEnd run_child(Body body) {
  std::array<int, 2> pipe_ends{};
  REQUIRE(pipe(pipe_ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // Catch2 would print a report of its own
    dup2(pipe_ends[1], STDERR_FILENO);
    body();
    _exit(0);
  }
  close(pipe_ends[1]);
  ChildEnd end;
  std::array<char, 256> buffer{};
  for (ssize_t count; (count = read(pipe_ends[0], buffer.data(), buffer.size())) > 0;)
    end.errors.append(buffer.data(), static_cast<size_t>(count));
  close(pipe_ends[0]);
  REQUIRE(waitpid(child, &end.status, 0) == child);
  return end;
}

}  // namespace

TEST_CASE("a broken check aborts and names condition, file and line") {
  const ChildEnd end = run_child([] { VARVE_CHECK(1 + 1 == 3); });
  CHECK(WIFSIGNALED(end.status));
  CHECK(WTERMSIG(end.status) == SIGABRT);
  CHECK(end.errors.find("1 + 1 == 3") != std::string::npos);
  CHECK(end.errors.find("check_test.cc:") != std::string::npos);
}

TEST_CASE("a check that holds does nothing and evaluates once") {
  int count = 0;
  VARVE_CHECK(++count == 1);
  CHECK(count == 1);
}

TEST_CASE("outside the oracle's build a planted bug is a constant false") {
  static_assert(!VARVE_MUTANT(kDropDsync));
  SUCCEED();
}

}  // namespace varve
