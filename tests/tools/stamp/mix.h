// Mix: which operation comes next, and where.
//
// Half of the operations go to the first sixteenth of the volume, so that operations in flight
// meet on the same blocks; the rest is uniform. Most requests are one block, some are many.
//
// Thread rule: one thread. Equal seeds give equal operations.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "tests/tools/stamp/journal.h"

namespace varve {

inline constexpr size_t kOpKindCount = 5;

// Relative frequency of each OpKind, in its order.
using MixWeights = std::array<uint32_t, kOpKindCount>;

// "60:25:5:5:5". kInvalidArgument.
Result<MixWeights> parse_mix(const std::string& spec);

struct NextOp {
  OpKind kind = OpKind::kRead;
  BlockRange range;
};

class Mix {
 public:
  Mix(uint64_t seed, MixWeights weights, uint64_t block_count, uint32_t request_blocks_max);
  NextOp next();

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }  // bias is of no matter here
  BlockRange pick_range();

  std::mt19937_64 random_;
  MixWeights weights_;
  uint32_t weight_sum_ = 0;
  uint64_t block_count_;
  uint64_t request_blocks_max_;
};

}  // namespace varve
