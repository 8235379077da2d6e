// The index of an HDD's slot, of arbitrary bytes, with the right checksum.
#include <cstdlib>
#include <cstring>

#include "core/format/cold_index.h"
#include "tests/fuzz/format/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  constexpr uint32_t kSlotBlocks = 256;
  constexpr uint32_t kSlot = 3;
  constexpr size_t kBytesMax = cold_index_blocks_max(kSlotBlocks) * size_t{kBlockBytes};
  if (size < sizeof(ColdIndexHeader) || size > kBytesMax) return 0;
  auto bytes = padded(data, size, cold_index_blocks_max(kSlotBlocks));
  ColdIndexHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.magic = kColdIndexMagic;
  header.slot = kSlot;
  std::memcpy(bytes.data(), &header, sizeof header);
  if (!cold_index_blocks(bytes, kSlot, kSlotBlocks)) return 0;
  seal(std::span(bytes).first(header.bytes), kFuzzSeed);
  const auto index = decode_cold_index(bytes, kFuzzSeed, kSlot, kSlotBlocks);
  if (!index) return 0;
  uint32_t blocks = 0;
  for (const Entry& entry : index->content.entries) {
    if (entry.position != blocks || uint32_t{entry.offset} + entry.count > kExtentBlocks)
      std::abort();
    blocks += entry.count;
  }
  if (blocks != index->content.crcs.size() || blocks > kSlotBlocks) std::abort();
  return 0;
}
