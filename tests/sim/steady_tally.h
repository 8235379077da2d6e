// SteadyTally: what was written, by ticks, and how long each write took.
//
// Thread rule: one thread. Units: blocks of 4 KiB, nanoseconds.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace varve {

class SteadyTally {
 public:
  // `seconds` from `now_ns` on are counted, in ticks of `tick_ns`.
  void begin(uint64_t now_ns, uint64_t seconds, uint64_t tick_ns);
  bool begun() const { return begin_ns_ != 0; }
  uint64_t begin_ns() const { return begin_ns_; }
  uint64_t end_ns() const { return begin_ns_ + ticks_.size() * tick_ns_; }
  // So many blocks, asked for and acknowledged at these times.
  void wrote(uint64_t started_ns, uint64_t now_ns, uint64_t blocks = 1);

  double per_second() const;
  // Prints one line. False: it is not as even as it should be: 10 % of variation at most, p99.9 ten
  // times the median, no tick without a write. `may_rise`: when it has gone on for a quarter of the
  // time, more than before is no fault.
  bool judge(std::string_view name, bool may_rise) const;
  void print_series(std::string_view name) const;

 private:
  double mean_of(size_t ticks) const;
  double variation(bool may_rise) const;
  uint64_t quantile_us(double share) const;

  uint64_t begin_ns_ = 0;
  uint64_t tick_ns_ = 1;
  std::vector<uint64_t> ticks_;
  // How many writes took so many microseconds; what took longer is counted at the end. Of a fixed
  // size: a list of them all would be moved as it grows, and the load would stand still meanwhile.
  std::vector<uint64_t> latencies_;
  uint64_t writes_ = 0;
  uint64_t longest_us_ = 0;
};

}  // namespace varve
