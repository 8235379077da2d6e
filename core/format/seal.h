// How every piece of metadata on disk is protected: its last four bytes are the CRC-32C of what
// precedes them, seeded with the disk's UUID. The seed keeps blocks of another store, for instance
// an image of one that a client wrote into a volume, from ever passing for ours.
//
// All numbers on disk are little-endian; the structs below are the bytes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/base/crc32c.h"
#include "core/base/ids.h"

namespace varve {

static_assert(std::endian::native == std::endian::little, "the on-disk structs are little-endian");

inline uint32_t seal_seed(const Uuid& disk) {
  return crc32c(disk);
}

inline uint32_t seal_crc(std::span<const std::byte> bytes, uint32_t seed) {
  return crc32c(bytes.first(bytes.size() - sizeof(uint32_t)), seed);
}
// REQUIRES bytes.size() > 4.
inline void seal(std::span<std::byte> bytes, uint32_t seed) {
  const uint32_t crc = seal_crc(bytes, seed);
  std::memcpy(bytes.data() + bytes.size() - sizeof crc, &crc, sizeof crc);
}
inline bool sealed(std::span<const std::byte> bytes, uint32_t seed) {
  uint32_t stored;
  std::memcpy(&stored, bytes.data() + bytes.size() - sizeof stored, sizeof stored);
  return stored == seal_crc(bytes, seed);
}

template <typename Struct>
Struct load_struct(const std::byte* from) {
  Struct value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace varve
