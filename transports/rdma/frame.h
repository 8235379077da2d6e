// What two plugins say to each other: a greeting in the connection manager's private data, then
// frames, one in each send.
//
// The greeting, all big-endian:
//     0  magic "VRVR"    4  version (2)    6  slots (2)    8  eager bytes (4)
//     12 CRC-32C of the 12 bytes before
// Slots: messages that its sender can hold; eager bytes: what fits into each.
//
// A frame is in front of the header, and that in front of an eager payload:
//     0  magic "VRVM"    4  kind (2)       6  header bytes (2)
//     8  payload bytes (4)    12 freed (4): messages done with since the last frame
//     16 address (8)     24 key (4): where a payload that is not here can be read
//     28 CRC-32C of the 28 bytes before
// A message whose payload is not here may be freed only when it was read.
//
// The checksum is for these numbers alone: a length is not believed without. What is in header and
// payload is checked by who sends them.
#pragma once

#include <cstdint>
#include <span>

namespace varve {

inline constexpr uint32_t kGreetingMagic = 0x56525652;
inline constexpr uint16_t kGreetingVersion = 1;
inline constexpr uint32_t kGreetingBytes = 16;
inline constexpr uint16_t kFewestSlots = 2;

struct Greeting {
  uint16_t slots = 0;  // at least kFewestSlots
  uint32_t eager_bytes = 0;
  bool operator==(const Greeting&) const = default;
};

void encode_greeting(const Greeting& greeting, uint8_t* to);
// The manager may have appended zeroes. Returns what is wrong, or null.
const char* decode_greeting(std::span<const uint8_t> from, Greeting& greeting);

inline constexpr uint32_t kFrameMagic = 0x5652564d;
inline constexpr uint32_t kFrameBytes = 32;

enum class FrameKind : uint16_t {
  kEager = 1,   // a message, whole
  kStaged = 2,  // a message whose payload is to be read
  kNews = 3,    // no message: `freed` only
};

struct Frame {
  FrameKind kind = FrameKind::kNews;
  uint16_t header_bytes = 0;   // 1 to VARVE_HEADER_BYTES_MAX; 0 in news
  uint32_t payload_bytes = 0;  // at most VARVE_PAYLOAD_BYTES_MAX
  uint32_t freed = 0;
  uint64_t address = 0;
  uint32_t key = 0;
  bool operator==(const Frame&) const = default;
};

void encode_frame(const Frame& frame, uint8_t* to);
// `from` is all that came in one send. Returns what is wrong with it, or null; then header and
// eager payload are there to their last byte and nothing is behind them.
const char* decode_frame(std::span<const uint8_t> from, Frame& frame);

}  // namespace varve
