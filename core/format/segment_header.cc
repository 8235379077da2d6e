#include "core/format/segment_header.h"

#include <cstring>

#include "core/format/seal.h"

namespace varve {
namespace {

std::optional<SegmentHeader> decode_copy(std::span<const std::byte> copy, uint32_t seed,
                                         uint32_t slot) {
  const auto header = load_struct<SegmentHeader>(copy.data());
  if (header.magic != kSegmentMagic || !sealed(copy, seed) || header.slot != slot) return {};
  if (header.open.count > kOpenSegmentsMax || header.stream > StreamKind::kCatalog ||
      header.moves > kMovesMax)
    return {};
  return header;
}

}  // namespace

void encode_segment_header(const SegmentHeader& header, uint32_t seed, std::span<std::byte> block) {
  std::memset(block.data(), 0, block.size());
  for (const uint32_t offset : {0u, kSegmentHeaderMirror}) {
    const auto copy = block.subspan(offset, kSegmentHeaderBytes);
    std::memcpy(copy.data(), &header, sizeof header);
    seal(copy, seed);
  }
}

std::optional<SegmentHeader> decode_segment_header(std::span<const std::byte> block, uint32_t seed,
                                                   uint32_t slot) {
  const auto first = decode_copy(block.first(kSegmentHeaderBytes), seed, slot);
  const auto second =
      decode_copy(block.subspan(kSegmentHeaderMirror, kSegmentHeaderBytes), seed, slot);
  if (!first) return second;
  if (!second) return first;
  return second->generation > first->generation ? second : first;
}

}  // namespace varve
