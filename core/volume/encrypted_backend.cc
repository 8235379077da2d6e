#include "core/volume/encrypted_backend.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/crc32c.h"
#include "core/volume/limits.h"

namespace varve {
namespace {

// Of ciphertext: its first word tells almost always.
bool is_hole(const std::byte* block) {
  uint64_t first = 0;
  std::memcpy(&first, block, sizeof first);
  return first == 0 && std::memcmp(block, block + sizeof first, kBlockBytes - sizeof first) == 0;
}

class PooledBuffer {
 public:
  PooledBuffer(BufferPool& pool, uint64_t bytes)
      : pool_(pool), bytes_(bytes), data_(pool.acquire(bytes)) {
    VARVE_CHECK(data_ != nullptr);
  }
  ~PooledBuffer() { pool_.release(data_, bytes_); }
  PooledBuffer(const PooledBuffer&) = delete;
  PooledBuffer& operator=(const PooledBuffer&) = delete;
  std::byte* data() const { return data_; }

 private:
  BufferPool& pool_;
  const uint64_t bytes_;
  std::byte* const data_;
};

}  // namespace

Task<Status> EncryptedBackend::read(BlockRange range, std::byte* out) {
  Status status = co_await below_->read(range, out);
  if (status.ok()) decrypt(range, out);
  co_return status;
}

// Runs of blocks between holes.
void EncryptedBackend::decrypt(BlockRange range, std::byte* data) {
  for (uint64_t at = 0; at < range.count;) {
    uint64_t end = at;
    while (end < range.count && !is_hole(data + end * kBlockBytes)) ++end;
    std::byte* const run = data + at * kBlockBytes;
    cipher_->decrypt(range.first + at, end - at, run, run);
    at = end + 1;
  }
}

Task<Status> EncryptedBackend::write(BlockRange range, const std::byte* data, const uint32_t*) {
  std::array<uint32_t, kPieceBytesMax / kBlockBytes> crcs;
  VARVE_CHECK(range.count <= crcs.size());
  const PooledBuffer ciphertext(buffers_, range.count * kBlockBytes);
  cipher_->encrypt(range.first, range.count, data, ciphertext.data());
  crc32c_blocks(ciphertext.data(), range.count, crcs.data());
  Status status = co_await below_->write(range, ciphertext.data(), crcs.data());
  co_return status;
}

}  // namespace varve
