// A superblock of arbitrary bytes, with a right checksum and with whatever is there.
#include <cstdlib>

#include "core/format/superblock.h"
#include "tests/fuzz/format/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  if (size > kBlockBytes) return 0;
  constexpr uint64_t kDeviceBytes = 64 * kMiB;
  auto block = padded(data, size, 1);
  for (int round = 0; round < 2; ++round) {
    const auto decoded = decode_superblock(block, kDeviceBytes);
    if (decoded.ok() && decoded->slots_offset + static_cast<uint64_t>(decoded->slot_count) *
                                                    decoded->segment_bytes >
                            kDeviceBytes)
      std::abort();
    seal(block, 0);
  }
  return 0;
}
