// CRC-32C (Castagnoli, RFC 3720) of a few bytes, such as a header; payloads want the CPU's
// instruction.
//
// Thread rule: plain functions.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace varve {

inline constexpr std::array<uint32_t, 256> kCrc32cTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82f63b78u : 0u);
    table[i] = value;
  }
  return table;
}();

constexpr uint32_t crc32c_of(std::span<const uint8_t> bytes) {
  uint32_t state = 0xffffffff;
  for (const uint8_t byte : bytes) state = (state >> 8) ^ kCrc32cTable[(state ^ byte) & 0xff];
  return ~state;
}

}  // namespace varve
