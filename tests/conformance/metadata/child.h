// A child process with pipes: the program client.cc on the store under test. Ended with its owner.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace varve {

class Child {
 public:
  Child(const std::string& folder, const std::string& mode, int count = 0);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // The next line of its output; none at the end or after 20 s.
  std::optional<std::string> line();
  void say(const std::string& line);
  void signal(int number) const { kill(process_, number); }
  // Waits until it is stopped by SIGSTOP.
  void stop();
  // Returns the exit code; -1 when a signal ended it.
  int wait();

 private:
  pid_t process_ = -1;
  int input_ = -1;
  int output_ = -1;
  std::string read_;
};

}  // namespace varve
