#include "tests/conformance/metadata/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

namespace varve {

Child::Child(const std::string& folder, const std::string& mode, int count) {
  int input[2], output[2];
  REQUIRE(pipe2(input, O_CLOEXEC) == 0);
  REQUIRE(pipe2(output, O_CLOEXEC) == 0);
  const std::string number = std::to_string(count);
  process_ = fork();
  REQUIRE(process_ >= 0);
  if (process_ == 0) {
    dup2(input[0], STDIN_FILENO);
    dup2(output[1], STDOUT_FILENO);
    execl(VARVE_CLIENT, VARVE_CLIENT, VARVE_PLUGIN_UNDER_TEST, folder.c_str(), mode.c_str(),
          number.c_str(), nullptr);
    _exit(127);
  }
  close(input[0]);
  close(output[1]);
  input_ = input[1];
  output_ = output[0];
}

Child::~Child() {
  if (process_ > 0) {
    signal(SIGKILL);
    wait();
  }
  close(input_);
  close(output_);
}

std::optional<std::string> Child::line() {
  size_t end = 0;
  while ((end = read_.find('\n')) == std::string::npos) {
    pollfd ready{output_, POLLIN, 0};
    if (poll(&ready, 1, 20'000) <= 0) return std::nullopt;
    char bytes[4096];
    const ssize_t count = read(output_, bytes, sizeof bytes);
    if (count <= 0) return std::nullopt;
    read_.append(bytes, static_cast<size_t>(count));
  }
  std::string line = read_.substr(0, end);
  read_.erase(0, end + 1);
  return line;
}

void Child::say(const std::string& line) {
  const std::string ended = line + "\n";
  REQUIRE(write(input_, ended.data(), ended.size()) == static_cast<ssize_t>(ended.size()));
}

void Child::stop() {
  signal(SIGSTOP);
  int status = 0;
  REQUIRE(waitpid(process_, &status, WUNTRACED) == process_);
  REQUIRE(WIFSTOPPED(status));
}

int Child::wait() {
  int status = 0;
  waitpid(process_, &status, 0);
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace varve
