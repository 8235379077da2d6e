// Report: where a run stands, and the end of the process when it found something wrong.
//
// A failed run cannot be unwound (requests are in flight), so fail() prints what happened with the
// one command that replays it and leaves the process with kExitFailed.
//
// Thread rule: one thread. `reason` outlives the report.
#pragma once

#include <cstdint>
#include <string>

namespace varve {

inline constexpr int kExitFailed = 1;
inline constexpr size_t kReasonBytes = 240;

class Report {
 public:
  // `replay`: the command. `reason`: gets the first line (kReasonBytes); may be null.
  // `quiet`: only the reason, for planted bugs, which must fail.
  Report(std::string replay, char* reason, bool verbose, bool quiet);

  void set_place(std::string place) { place_ = std::move(place); }
  const std::string& place() const { return place_; }
  void say(const std::string& line) const;  // when verbose
  // A sentence, and lines of detail after it.
  [[noreturn]] void fail(const std::string& what) const;
  // Fails unless `wrong` is empty.
  void expect_right(const std::string& wrong) const {
    if (!wrong.empty()) fail(wrong);
  }

 private:
  std::string replay_;
  char* reason_;
  bool verbose_;
  bool quiet_;
  std::string place_;
};

}  // namespace varve
