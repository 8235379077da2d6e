// The first block of a slot: whose slot it is now. Written when a segment is opened (and, as free,
// by format), in two copies that each fit a 512-byte sector, so that a torn write leaves one of
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/base/ids.h"
#include "core/base/units.h"

namespace varve {

inline constexpr uint64_t kSegmentMagic = 0x31474553'45565256;  // "VRVESEG1"
inline constexpr uint32_t kSegmentHeaderBytes = 512;
inline constexpr uint32_t kSegmentHeaderMirror = 2048;  // offset of the second copy

// What a segment is written by; kept apart because the data's lifetimes differ.
// kCold stands in no header: it is what the slots of HDDs are known by in memory.
enum class StreamKind : uint8_t { kFree = 0, kUser = 1, kRelocated = 2, kCatalog = 3, kCold = 255 };
// Relocated segments of a store with kFeatureMoves: what was moved for the first time, for the
// second, and more often.
inline constexpr uint8_t kMovesMax = 3;

// A segment that was not sealed when this list was written, and how much of it was durable then.
// Lists stand in every segment header, batch header and trailer: recovery learns from them that a
// batch which is now unreadable had once been durable.
struct OpenSegment {
  uint32_t slot = 0;
  uint32_t generation = 0;
  uint32_t durable_blocks = 0;  // from the slot's start
  uint32_t reserved = 0;
};
static_assert(sizeof(OpenSegment) == 16);
inline constexpr uint32_t kOpenSegmentsMax = 12;

struct OpenList {
  uint32_t count = 0;
  OpenSegment segments[kOpenSegmentsMax];
};
static_assert(sizeof(OpenList) == 196);

struct SegmentHeader {
  uint64_t magic = kSegmentMagic;
  uint32_t slot = 0;
  // Number of this opening, counted over the whole disk group and never given out twice, so that no
  // batch of an opening that a crash undid can pass for one of a later opening. 0: never used.
  uint32_t generation = 0;
  uint16_t shard = 0;
  StreamKind stream = StreamKind::kFree;
  uint8_t tier = 0;
  OpenList open;
  uint8_t moves = 0;  // relocated: how often what lies here was moved, 1 to kMovesMax
  uint8_t reserved[7] = {};
};
static_assert(sizeof(SegmentHeader) == 224 && sizeof(SegmentHeader) < kSegmentHeaderBytes);

// `block` is 4 KiB.
void encode_segment_header(const SegmentHeader& header, uint32_t seed, std::span<std::byte> block);
// The newer of the valid copies; nothing when neither is valid for this slot.
std::optional<SegmentHeader> decode_segment_header(std::span<const std::byte> block, uint32_t seed,
                                                   uint32_t slot);

}  // namespace varve
