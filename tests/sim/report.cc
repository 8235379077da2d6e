#include "tests/sim/report.h"

#include <unistd.h>

#include <cstdio>

namespace varve {

Report::Report(std::string replay, char* reason, bool verbose, bool quiet)
    : replay_(std::move(replay)), reason_(reason), verbose_(verbose), quiet_(quiet) {}

void Report::say(const std::string& line) const {
  if (verbose_) std::printf("%s: %s\n", place_.c_str(), line.c_str());
}

void Report::fail(const std::string& what) const {
  if (reason_ != nullptr) {
    std::snprintf(reason_, kReasonBytes, "%s", what.substr(0, what.find('\n')).c_str());
  }
  if (!quiet_) {
    std::printf("FAILED: %s\n  at: %s\n  replay: %s\n", what.c_str(), place_.c_str(),
                replay_.c_str());
  }
  std::fflush(stdout);
  ::_exit(kExitFailed);
}

}  // namespace varve
