#include "core/base/crc32c.h"

#include <array>
#include <cstring>

#include "core/base/units.h"

#if defined(__x86_64__)
#include <nmmintrin.h>
#define VARVE_CRC_TARGET __attribute__((target("sse4.2")))
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace varve {
namespace {

constexpr std::array<uint32_t, 256> make_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kTable = make_table();

uint64_t load64(const std::byte* from) {
  uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

#if defined(__x86_64__)
bool cpu_has_crc() {
  static const bool has = __builtin_cpu_supports("sse4.2");
  return has;
}

VARVE_CRC_TARGET uint32_t crc_cpu(const std::byte* data, size_t bytes, uint32_t state) {
  uint64_t wide = state;
  for (; bytes >= 8; data += 8, bytes -= 8) wide = _mm_crc32_u64(wide, load64(data));
  state = static_cast<uint32_t>(wide);
  for (; bytes > 0; ++data, --bytes) state = _mm_crc32_u8(state, static_cast<uint8_t>(*data));
  return state;
}

// The instruction has a latency of three cycles and a throughput of one: three blocks at once.
VARVE_CRC_TARGET void crc_cpu_three(const std::byte* data, uint32_t* crcs) {
  uint64_t a = 0xffffffff, b = 0xffffffff, c = 0xffffffff;
  for (size_t i = 0; i < kBlockBytes; i += 8) {
    a = _mm_crc32_u64(a, load64(data + i));
    b = _mm_crc32_u64(b, load64(data + kBlockBytes + i));
    c = _mm_crc32_u64(c, load64(data + 2 * kBlockBytes + i));
  }
  crcs[0] = ~static_cast<uint32_t>(a);
  crcs[1] = ~static_cast<uint32_t>(b);
  crcs[2] = ~static_cast<uint32_t>(c);
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
bool cpu_has_crc() {
  return true;
}
uint32_t crc_cpu(const std::byte* data, size_t bytes, uint32_t state) {
  for (; bytes >= 8; data += 8, bytes -= 8) state = __crc32cd(state, load64(data));
  for (; bytes > 0; ++data, --bytes) state = __crc32cb(state, static_cast<uint8_t>(*data));
  return state;
}
void crc_cpu_three(const std::byte* data, uint32_t* crcs) {
  for (int i = 0; i < 3; ++i) crcs[i] = ~crc_cpu(data + i * kBlockBytes, kBlockBytes, 0xffffffff);
}
#else
bool cpu_has_crc() {
  return false;
}
uint32_t crc_cpu(const std::byte*, size_t, uint32_t state) {
  return state;
}
void crc_cpu_three(const std::byte*, uint32_t*) {}
#endif

}  // namespace

uint32_t crc32c_software(std::span<const std::byte> bytes, uint32_t seed) {
  uint32_t state = ~seed;
  for (const std::byte byte : bytes)
    state = (state >> 8) ^ kTable[(state ^ static_cast<uint32_t>(byte)) & 0xff];
  return ~state;
}

uint32_t crc32c(std::span<const std::byte> bytes, uint32_t seed) {
  return cpu_has_crc() ? ~crc_cpu(bytes.data(), bytes.size(), ~seed) : crc32c_software(bytes, seed);
}

void crc32c_blocks(const std::byte* data, size_t block_count, uint32_t* crcs) {
  size_t done = 0;
  if (cpu_has_crc())
    for (; block_count - done >= 3; done += 3)
      crc_cpu_three(data + done * kBlockBytes, crcs + done);
  for (; done < block_count; ++done) crcs[done] = crc32c({data + done * kBlockBytes, kBlockBytes});
}

}  // namespace varve
