#include "tests/sim/steady_tally.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <numeric>
#include <string>

namespace varve {
namespace {

constexpr double kVariationMax = 0.10;
constexpr double kTailMax = 10;

}  // namespace

void SteadyTally::begin(uint64_t now_ns, uint64_t seconds, uint64_t tick_ns) {
  begin_ns_ = now_ns;
  tick_ns_ = tick_ns;
  ticks_.assign(seconds * 1'000'000'000 / tick_ns, 0);
}

void SteadyTally::wrote(uint64_t started_ns, uint64_t now_ns, uint64_t blocks) {
  if (!begun()) return;
  latencies_us_.push_back(static_cast<uint32_t>((now_ns - started_ns) / 1000));
  const size_t tick = (now_ns - begin_ns_) / tick_ns_;
  if (tick < ticks_.size()) ticks_[tick] += blocks;
}

double SteadyTally::mean_of(size_t ticks) const {
  const auto end = ticks_.begin() + static_cast<ptrdiff_t>(ticks);
  return static_cast<double>(std::accumulate(ticks_.begin(), end, uint64_t{0})) /
         static_cast<double>(ticks);
}

double SteadyTally::per_second() const {
  return mean_of(ticks_.size()) * 1e9 / static_cast<double>(tick_ns_);
}

// Of the ticks, as a share of their mean.
double SteadyTally::variation(bool may_rise) const {
  const double mean = mean_of(may_rise ? std::max<size_t>(ticks_.size() / 4, 1) : ticks_.size());
  double squares = 0;
  for (const uint64_t tick : ticks_) {
    const double off = static_cast<double>(tick) - mean;
    if (off < 0 || !may_rise) squares += off * off;
  }
  return std::sqrt(squares / static_cast<double>(ticks_.size())) / mean;
}

bool SteadyTally::judge(std::string_view name, bool may_rise) {
  std::sort(latencies_us_.begin(), latencies_us_.end());
  const auto quantile = [&](double share) {
    return latencies_us_[static_cast<size_t>(share *
                                             static_cast<double>(latencies_us_.size() - 1))];
  };
  const auto [least, most] = std::minmax_element(ticks_.begin(), ticks_.end());
  const double tail = quantile(0.999) / std::max(1.0, static_cast<double>(quantile(0.5)));
  const bool good = variation(may_rise) <= kVariationMax && tail <= kTailMax && *least > 0;
  std::printf("%-9s %7.0f writes/s, varying by %.1f %% (%lu to %lu in %lu ms); ",
              std::string(name).c_str(), per_second(), variation(may_rise) * 100, *least, *most,
              tick_ns_ / 1'000'000);
  std::printf("p50 %u us, p99 %u us, p99.9 %u us (%.1f times), longest %u us  %s\n", quantile(0.5),
              quantile(0.99), quantile(0.999), tail, latencies_us_.back(),
              good ? "" : "FAILED: over a limit");
  return good;
}

void SteadyTally::print_series(std::string_view name) const {
  for (size_t i = 0; i < ticks_.size(); ++i)
    std::printf("%s %.3f %lu\n", std::string(name).c_str(), static_cast<double>(i * tick_ns_) / 1e9,
                ticks_[i]);
}

}  // namespace varve
