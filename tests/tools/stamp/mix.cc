#include "tests/tools/stamp/mix.h"

#include <algorithm>
#include <sstream>

#include "core/base/text.h"

namespace varve {

Result<MixWeights> parse_mix(const std::string& spec) {
  MixWeights weights{};
  std::istringstream in(spec);
  std::string part;
  size_t count = 0;
  uint32_t sum = 0;
  while (count < kOpKindCount && std::getline(in, part, ':')) {
    if (part.empty() || part.size() > 4 || part.find_first_not_of("0123456789") != part.npos) break;
    weights[count] = static_cast<uint32_t>(std::stoul(part));
    sum += weights[count++];
  }
  if (count != kOpKindCount || !in.eof() || sum == 0) {
    return Status(ErrorCode::kInvalidArgument,
                  text("--mix ", spec, ": five numbers write:read:trim:zero:flush, not all 0"));
  }
  return weights;
}

Mix::Mix(uint64_t seed, MixWeights weights, uint64_t block_count, uint32_t request_blocks_max)
    : random_(seed),
      weights_(weights),
      block_count_(block_count),
      request_blocks_max_(std::min<uint64_t>(request_blocks_max, block_count)) {
  for (uint32_t weight : weights_) weight_sum_ += weight;
}

NextOp Mix::next() {
  uint64_t at = below(weight_sum_);
  size_t kind = 0;
  while (at >= weights_[kind]) at -= weights_[kind++];
  NextOp op{.kind = static_cast<OpKind>(kind)};
  if (op.kind != OpKind::kFlush) op.range = pick_range();
  return op;
}

BlockRange Mix::pick_range() {
  const uint64_t many = std::min<uint64_t>(below(4) == 0 ? request_blocks_max_ : 1, block_count_);
  BlockRange range{.count = 1 + below(many)};
  const uint64_t hot = std::max<uint64_t>(block_count_ / 16, 1);
  range.first = std::min(below(below(2) == 0 ? hot : block_count_), block_count_ - range.count);
  return range;
}

}  // namespace varve
