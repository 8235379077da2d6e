// A trailer and the footer before it, of arbitrary bytes, with right checksums.
#include <cstdlib>

#include "core/format/footer.h"
#include "tests/fuzz/format/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  constexpr uint32_t kSlotBlocks = 64;
  if (size < sizeof(Trailer) || size > 8 * kBlockBytes) return 0;
  auto trailer_block = padded(data, sizeof(Trailer), 1);
  auto body = padded(data + sizeof(Trailer), size - sizeof(Trailer), 1);
  seal(trailer_block, kFuzzSeed);
  auto trailer = decode_trailer(trailer_block, kFuzzSeed, 0, kSlotBlocks);
  if (!trailer) return 0;
  body.resize(static_cast<size_t>(trailer->footer_blocks) * kBlockBytes);
  trailer->footer_crc = crc32c(body, kFuzzSeed);
  const auto footer = decode_footer(*trailer, body, kFuzzSeed, kSlotBlocks);
  if (footer && (footer->entries.size() != trailer->entry_count ||
                 footer->crcs.size() != trailer->data_blocks))
    std::abort();
  return 0;
}
