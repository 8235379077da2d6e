#include "tests/sim/block_chooser.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace varve {
namespace {

constexpr double kZipfExponent = 0.99;
constexpr uint64_t kHotPercent = 80;

}  // namespace

// The zipf sampler is that of Gray et al., "Quickly generating billion-record synthetic databases"
// (1994); ranks are scattered over the numbers.
BlockChooser::BlockChooser(uint64_t blocks, Law law, Random& random)
    : random_(random), law_(law), place_(blocks) {
  std::iota(place_.begin(), place_.end(), 0u);
  for (uint64_t i = blocks - 1; i > 0; --i) std::swap(place_[i], place_[random.below(i + 1)]);
  if (law != Law::kZipf) return;
  for (uint64_t i = 1; i <= blocks; ++i)
    zeta_ += std::pow(1.0 / static_cast<double>(i), kZipfExponent);
  const double zeta_two = 1 + std::pow(0.5, kZipfExponent);
  eta_ =
      (1 - std::pow(2.0 / static_cast<double>(blocks), 1 - kZipfExponent)) / (1 - zeta_two / zeta_);
}

uint64_t BlockChooser::next() {
  const uint64_t hot = place_.size() / 5;
  if (law_ == Law::kUniform) return random_.below(place_.size());
  if (law_ == Law::kHotFifth)
    return place_[random_.below(100) < kHotPercent ? random_.below(hot)
                                                   : hot + random_.below(place_.size() - hot)];
  const double u = static_cast<double>(random_.next() >> 11) * 0x1p-53;
  const double uz = u * zeta_;
  if (uz < 1) return place_[0];
  if (uz < 1 + std::pow(0.5, kZipfExponent)) return place_[1];
  const double share = std::pow(eta_ * u - eta_ + 1, 1 / (1 - kZipfExponent));
  const auto rank = static_cast<uint64_t>(static_cast<double>(place_.size()) * share);
  return place_[std::min<uint64_t>(rank, place_.size() - 1)];
}

}  // namespace varve
