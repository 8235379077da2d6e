// Random: the only source of randomness in core; injected and seeded, so that runs can be repeated.
// The generator is splitmix64 (Steele, Lea, Flood 2014). Not for secrets.
#pragma once

#include <cstdint>

namespace varve {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // Uniform in [0, bound). REQUIRES bound > 0.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // True with probability numerator / denominator.
  bool chance(uint64_t numerator, uint64_t denominator) { return below(denominator) < numerator; }

 private:
  uint64_t state_;
};

}  // namespace varve
