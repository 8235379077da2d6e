// BlockChooser: block numbers by popularity.
//
// Thread rule: one thread. Borrows the random numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "core/runtime/random.h"

namespace varve {

enum class Law : uint8_t {
  kUniform,
  kHotFifth,  // 80 % to a fifth of the blocks
  kZipf,      // exponent 0.99
};

class BlockChooser {
 public:
  // Of the numbers below `blocks`; which of them are popular is random.
  BlockChooser(uint64_t blocks, Law law, Random& random);
  uint64_t next();

 private:
  Random& random_;
  Law law_;
  double zeta_ = 0;
  double eta_ = 0;
  std::vector<uint32_t> place_;
};

}  // namespace varve
