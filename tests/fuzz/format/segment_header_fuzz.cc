// A segment header of arbitrary bytes: what is accepted names the slot and a bounded list.
#include <cstdlib>

#include "core/format/segment_header.h"
#include "tests/fuzz/format/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  if (size > kBlockBytes) return 0;
  auto block = padded(data, size, 1);
  for (int round = 0; round < 2; ++round) {
    const auto header = decode_segment_header(block, kFuzzSeed, 5);
    if (header && (header->slot != 5 || header->open.count > kOpenSegmentsMax)) std::abort();
    seal(std::span(block).first(kSegmentHeaderBytes), kFuzzSeed);
  }
  return 0;
}
