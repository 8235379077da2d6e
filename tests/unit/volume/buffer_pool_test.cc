#include "core/volume/buffer_pool.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>

namespace varve {

TEST_CASE("buffers are aligned, large enough to be written whole, and used again") {
  BufferPool pool(64 * kMiB, 64 * kMiB);
  for (const uint64_t bytes : {1ull, 4096ull, 4097ull, 1ull << 20, (1ull << 20) + 1, 32ull << 20}) {
    std::byte* buffer = pool.acquire(bytes);
    REQUIRE(buffer != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(buffer) % 4096 == 0);
    std::memset(buffer, 0x5a, bytes);
    pool.release(buffer, bytes);
    CHECK(pool.acquire(bytes) == buffer);
    pool.release(buffer, bytes);
  }
  CHECK(pool.used_bytes() == 0);
}

TEST_CASE("the pool refuses nothing, too much and what is over its budget") {
  BufferPool pool(64 * kKiB, 64 * kKiB);
  CHECK(pool.acquire(0) == nullptr);
  CHECK(pool.acquire(32 * kMiB + 1) == nullptr);
  std::byte* half = pool.acquire(32 * kKiB);
  CHECK(pool.acquire(64 * kKiB) == nullptr);
  std::byte* other_half = pool.acquire(32 * kKiB);
  REQUIRE(other_half != nullptr);
  CHECK(pool.acquire(1) == nullptr);
  pool.release(half, 32 * kKiB);
  std::byte* small = pool.acquire(1);  // takes the room of the unused half
  CHECK(small != nullptr);
  CHECK(pool.used_bytes() + pool.unused_bytes() <= 64 * kKiB);
  pool.release(small, 1);
  pool.release(other_half, 32 * kKiB);
}

TEST_CASE("releases that cannot be right are ignored") {
  BufferPool pool(1 * kMiB, 1 * kMiB);
  std::byte* buffer = pool.acquire(4096);
  pool.release(nullptr, 4096);
  pool.release(buffer, 0);
  pool.release(buffer, 32 * kMiB + 1);
  pool.release(buffer, 8192);
  CHECK(pool.used_bytes() == 4096);
  pool.release(buffer, 4096);
  CHECK(pool.used_bytes() == 0);
}

TEST_CASE("unused buffers stay below their share of the budget") {
  BufferPool pool(1 * kMiB, 64 * kKiB);
  std::byte* buffers[16];
  for (std::byte*& buffer : buffers) buffer = pool.acquire(64 * kKiB);
  for (std::byte* buffer : buffers) pool.release(buffer, 64 * kKiB);
  CHECK(pool.unused_bytes() == 64 * kKiB);
  CHECK(pool.used_bytes() == 0);
}

}  // namespace varve
