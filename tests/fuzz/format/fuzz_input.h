// Arbitrary bytes made to look like what a decoder expects.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/base/units.h"
#include "core/format/seal.h"

namespace varve {

inline constexpr uint32_t kFuzzSeed = 0x12345678;

// `data` padded with zeroes to whole blocks, at least `blocks_min`.
inline std::vector<std::byte> padded(const uint8_t* data, size_t size, size_t blocks_min) {
  const size_t bytes = std::max<size_t>(round_up(size, kBlockBytes), blocks_min * kBlockBytes);
  std::vector<std::byte> out(bytes);
  std::memcpy(out.data(), data, size);
  return out;
}

}  // namespace varve
