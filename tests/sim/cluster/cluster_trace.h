// ClusterTrace: what happened to the cluster as a whole (crashes, partitions, attaches), the last
// of it for a failure's report, all of it when verbose.
//
// Thread rule: one thread. The clock is borrowed.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>

#include "core/base/text.h"
#include "core/runtime/clock.h"

namespace varve {

class ClusterTrace {
 public:
  explicit ClusterTrace(const Clock& clock) : clock_(clock) {}
  void set_verbose(bool on) { verbose_ = on; }

  template <typename... Parts>
  void say(const Parts&... parts) {
    std::string line = text("  ", clock_.monotonic_ns() / 1000, " us: ", parts...);
    if (verbose_) std::printf("%s\n", line.c_str());
    if (lines_.size() == kLinesMax) lines_.pop_front();
    lines_.push_back(std::move(line));
  }
  std::string last_lines() const {
    std::string out;
    for (const std::string& line : lines_) out += line + "\n";
    return out;
  }

 private:
  static constexpr size_t kLinesMax = 60;
  const Clock& clock_;
  bool verbose_ = false;
  std::deque<std::string> lines_;
};

}  // namespace varve
