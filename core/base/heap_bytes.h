// What an object on the heap takes there, as glibc's malloc has it: the size word in front, rounded
// up to 16 bytes. Freed memory and the page heap's own slack are not in it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace varve {

constexpr uint64_t heap_bytes(uint64_t bytes) {
  return std::max<uint64_t>(32, (bytes + sizeof(uint64_t) + 15) / 16 * 16);
}

}  // namespace varve
