#include "core/volume/buffer_pool.h"

#include <cstdlib>

namespace varve {

BufferPool::~BufferPool() {
  free_unused(0);
}

size_t BufferPool::class_of(uint64_t bytes) {
  return std::bit_width(blocks_for(bytes) - 1);
}

std::byte* BufferPool::acquire(uint64_t bytes) {
  if (bytes == 0 || bytes > kOperationBytesMax) return nullptr;
  const size_t size_class = class_of(bytes);
  const uint64_t taken = class_bytes(size_class);
  if (used_bytes_ + taken > bytes_max_) return nullptr;
  std::byte* buffer = nullptr;
  if (!unused_[size_class].empty()) {
    buffer = unused_[size_class].back();
    unused_[size_class].pop_back();
    unused_bytes_ -= taken;
  } else {
    free_unused(bytes_max_ - used_bytes_ - taken);
    buffer = static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, taken));
    if (buffer == nullptr) return nullptr;
  }
  used_bytes_ += taken;
  return buffer;
}

void BufferPool::release(std::byte* buffer, uint64_t bytes) {
  if (buffer == nullptr || bytes == 0 || bytes > kOperationBytesMax) return;
  const size_t size_class = class_of(bytes);
  const uint64_t given = class_bytes(size_class);
  if (given > used_bytes_) return;  // more than was ever handed out: the plugin counts wrongly
  used_bytes_ -= given;
  if (unused_bytes_ + given > unused_bytes_max_) return std::free(buffer);
  unused_[size_class].push_back(buffer);
  unused_bytes_ += given;
}

// The largest first: they are the cheapest to do without.
void BufferPool::free_unused(uint64_t down_to_bytes) {
  for (size_t i = kClassCount; i-- > 0;)
    for (; unused_bytes_ > down_to_bytes && !unused_[i].empty(); unused_[i].pop_back()) {
      std::free(unused_[i].back());
      unused_bytes_ -= class_bytes(i);
    }
}

}  // namespace varve
