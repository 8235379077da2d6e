// CRC-32C (Castagnoli, RFC 3720 section 12.1), by the CPU's instruction where there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace varve {

// CRC of `bytes` continued from `seed` (the CRC of what came before; 0 at the start).
uint32_t crc32c(std::span<const std::byte> bytes, uint32_t seed = 0);

// The same where the CPU has no such instruction; the tests hold one against the other.
uint32_t crc32c_software(std::span<const std::byte> bytes, uint32_t seed = 0);

// CRC of each 4 KiB block of `data`; writes `block_count` values to `crcs`. Faster than single
// calls: blocks are interleaved three at a time.
void crc32c_blocks(const std::byte* data, size_t block_count, uint32_t* crcs);

}  // namespace varve
