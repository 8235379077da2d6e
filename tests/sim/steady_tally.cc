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
constexpr uint64_t kLatencyMaxUs = 1'000'000;

}  // namespace

void SteadyTally::begin(uint64_t now_ns, uint64_t seconds, uint64_t tick_ns) {
  begin_ns_ = now_ns;
  tick_ns_ = tick_ns;
  ticks_.assign(seconds * 1'000'000'000 / tick_ns, 0);
  latencies_.assign(kLatencyMaxUs + 1, 0);
}

void SteadyTally::wrote(uint64_t started_ns, uint64_t now_ns, uint64_t blocks) {
  if (!begun()) return;
  const uint64_t took_us = (now_ns - started_ns) / 1000;
  ++latencies_[std::min(took_us, kLatencyMaxUs)];
  ++writes_;
  longest_us_ = std::max(longest_us_, took_us);
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

uint64_t SteadyTally::quantile_us(double share) const {
  auto left = static_cast<uint64_t>(share * static_cast<double>(writes_));
  uint64_t at = 0;
  while (at < kLatencyMaxUs && latencies_[at] <= left) left -= latencies_[at++];
  return at;
}

bool SteadyTally::judge(std::string_view name, bool may_rise) const {
  const auto [least, most] = std::minmax_element(ticks_.begin(), ticks_.end());
  const uint64_t p50 = quantile_us(0.5);
  const uint64_t p999 = quantile_us(0.999);
  const double tail = static_cast<double>(p999) / std::max(1.0, static_cast<double>(p50));
  const bool good = variation(may_rise) <= kVariationMax && tail <= kTailMax && *least > 0;
  std::printf("%-9s %7.0f writes/s, varying by %.1f %% (%lu to %lu in %lu ms); ",
              std::string(name).c_str(), per_second(), variation(may_rise) * 100, *least, *most,
              tick_ns_ / 1'000'000);
  std::printf("p50 %lu us, p99 %lu us, p99.9 %lu us (%.1f times), longest %lu us  %s\n", p50,
              quantile_us(0.99), p999, tail, longest_us_, good ? "" : "FAILED: over a limit");
  return good;
}

void SteadyTally::print_series(std::string_view name) const {
  for (size_t i = 0; i < ticks_.size(); ++i)
    std::printf("%s %.3f %lu\n", std::string(name).c_str(), static_cast<double>(i * tick_ns_) / 1e9,
                ticks_[i]);
}

}  // namespace varve
