// A batch header of arbitrary bytes at the start of a slot: what is accepted lies inside the slot.
#include <cstdlib>

#include "core/format/batch.h"
#include "tests/fuzz/format/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  constexpr size_t kSlotBlocks = 16;
  if (size > (kSlotBlocks - 1) * kBlockBytes) return 0;
  std::vector<std::byte> slot(kSlotBlocks * kBlockBytes);
  std::memcpy(slot.data() + kBlockBytes, data, size);
  for (int round = 0; round < 2; ++round) {
    const auto batch = decode_batch_header(slot, kFuzzSeed, 0, 1);
    if (batch && (batch->end_block() > kSlotBlocks || batch->entries.empty() ||
                  batch->crcs.size() != batch->header.data_blocks))
      std::abort();
    const auto header = load_struct<BatchHeader>(slot.data() + kBlockBytes);
    const size_t blocks = std::clamp<size_t>(header.header_blocks, 1, kSlotBlocks - 1);
    seal(std::span(slot).subspan(kBlockBytes, blocks * kBlockBytes), kFuzzSeed);
  }
  return 0;
}
