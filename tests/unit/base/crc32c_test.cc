#include "core/base/crc32c.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <string_view>
#include <vector>

#include "core/base/units.h"

namespace varve {
namespace {

std::vector<std::byte> bytes_counting(size_t count, unsigned first, unsigned step) {
  std::vector<std::byte> out(count);
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<std::byte>(first + step * i);
  return out;
}

std::vector<std::byte> noise(size_t count) {
  std::vector<std::byte> out(count);
  uint32_t state = 1;
  for (std::byte& byte : out) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<std::byte>(state >> 24);
  }
  return out;
}

}  // namespace

TEST_CASE("crc32c gives the values of RFC 3720 B.4") {
  for (const auto crc : {&crc32c, &crc32c_software}) {
    CHECK(crc(std::vector<std::byte>(32), 0) == 0x8a9136aa);
    CHECK(crc(std::vector<std::byte>(32, std::byte{0xff}), 0) == 0x62a8ab43);
    CHECK(crc(bytes_counting(32, 0, 1), 0) == 0x46dd794e);
    CHECK(crc(bytes_counting(32, 31, -1), 0) == 0x113fdb5c);
    CHECK(crc(std::as_bytes(std::span(std::string_view("123456789"))), 0) == 0xe3069283);
    CHECK(crc({}, 0) == 0);
  }
}

TEST_CASE("the CPU and the table agree at every length and alignment") {
  const std::vector<std::byte> data = noise(1024);
  for (size_t begin = 0; begin < 16; ++begin) {
    for (size_t count = 0; count < 300; ++count) {
      const std::span part(data.data() + begin, count);
      const uint32_t expected = crc32c_software(part, 0x12345678);
      if (crc32c(part, 0x12345678) != expected) FAIL("begin " << begin << " count " << count);
    }
  }
}

TEST_CASE("a crc continues from its seed") {
  const std::vector<std::byte> data = noise(5000);
  const std::span all(data);
  for (const size_t cut : {size_t{0}, size_t{1}, size_t{7}, size_t{4096}, size_t{4999}})
    CHECK(crc32c(all.subspan(cut), crc32c(all.first(cut))) == crc32c(all));
}

TEST_CASE("crc32c_blocks equals one call per block") {
  for (size_t block_count = 0; block_count <= 7; ++block_count) {
    const std::vector<std::byte> data = noise(block_count * kBlockBytes);
    std::vector<uint32_t> crcs(block_count + 1, 0xdead);
    crc32c_blocks(data.data(), block_count, crcs.data());
    for (size_t i = 0; i < block_count; ++i)
      CHECK(crcs[i] == crc32c(std::span(data).subspan(i * kBlockBytes, kBlockBytes)));
    CHECK(crcs[block_count] == 0xdead);  // nothing past the end
  }
}

TEST_CASE("one flipped bit anywhere in a block changes its crc") {
  std::vector<std::byte> data = noise(kBlockBytes);
  const uint32_t whole = crc32c(data);
  for (size_t bit = 0; bit < kBlockBytes * 8; bit += 37) {
    data[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    if (crc32c(data) == whole) FAIL("bit " << bit);
    data[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
  }
}

}  // namespace varve
