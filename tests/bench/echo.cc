#include "tests/bench/echo.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/base/text.h"

namespace varve {
namespace {

uint64_t cpu_ns() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  uint64_t sum = 0;
  for (const timeval& time : {usage.ru_utime, usage.ru_stime}) {
    sum += static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<uint64_t>(time.tv_usec) * 1'000;
  }
  return sum;
}

}  // namespace

void fail(std::string_view what) {
  fprintf(stderr, "transport_bench: %.*s\n", static_cast<int>(what.size()), what.data());
  exit(1);
}

void say(const std::string& line) {
  printf("%s\n", line.c_str());
  fflush(stdout);
}

void EchoCost::begin() {
  begin_ns_ = clock_.monotonic_ns();
  begin_cpu_ns_ = cpu_ns();
}

std::string EchoCost::summary(uint64_t message_count) const {
  const uint64_t cpu = cpu_ns() - begin_cpu_ns_;
  const uint64_t elapsed = clock_.monotonic_ns() - begin_ns_;
  if (message_count == 0) fail("no message was counted");
  char line[160];
  snprintf(line, sizeof(line), "messages %llu seconds %.3f cpu_us %.3f",
           static_cast<unsigned long long>(message_count), static_cast<double>(elapsed) / 1e9,
           static_cast<double>(cpu) / 1e3 / static_cast<double>(message_count));
  return line;
}

EchoClient::EchoClient(const EchoOptions& options) : options_(options), begun_ns_(options.depth) {
  latencies_ns_.reserve(1 << 20);
}

void EchoClient::begin() {
  if (options_.paused) {
    say("ready");
    if (getchar() == EOF) fail("the input has ended");
  }
  now_ns_ = clock_.monotonic_ns();
  warm_ns_ = now_ns_ + static_cast<uint64_t>(options_.seconds * 1e8);
  wanted_count_ = options_.depth;
}

void EchoClient::write_request(std::byte* header) {
  std::memcpy(header, &request_count_, sizeof(request_count_));
  begun_ns_[request_count_++ % begun_ns_.size()] = now_ns_;
  --wanted_count_;
}

void EchoClient::reply(const std::byte* header) {
  if (std::memcmp(header, &reply_count_, sizeof(reply_count_)) != 0)
    fail(text("reply ", reply_count_, " is lost or out of order"));
  now_ns_ = clock_.monotonic_ns();
  const uint64_t latency = now_ns_ - begun_ns_[reply_count_++ % begun_ns_.size()];
  if (warm_) {
    latencies_ns_.push_back(static_cast<uint32_t>(std::min<uint64_t>(latency, UINT32_MAX)));
  } else if (now_ns_ >= warm_ns_) {
    warm_ = true;
    end_ns_ = now_ns_ + static_cast<uint64_t>(options_.seconds * 1e9);
    cost_.begin();
  }
  over_ = warm_ && now_ns_ >= end_ns_;
  wanted_count_ = over_ ? 0 : wanted_count_ + 1;
}

uint32_t EchoClient::percentile_ns(double share) {
  const auto at = static_cast<size_t>(share * static_cast<double>(latencies_ns_.size() - 1));
  const auto nth = latencies_ns_.begin() + static_cast<std::ptrdiff_t>(at);
  std::nth_element(latencies_ns_.begin(), nth, latencies_ns_.end());
  return *nth;
}

std::string EchoClient::summary() {
  // First what costs, then the percentiles, which take time of their own.
  const std::string costs = cost_.summary(latencies_ns_.size());
  return text(costs, " p50_ns ", percentile_ns(0.5), " p99_ns ", percentile_ns(0.99));
}

}  // namespace varve
