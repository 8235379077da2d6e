// What goes over the wire in front of every message: a frame of 16 bytes, then the message's
// header, then its payload.
//
//     0  magic "VRVT"    4  version (2)    6  header bytes (2)    8  payload bytes (4)
//     12 CRC-32C of the 12 bytes before, all big-endian
//
// The checksum is for the framing alone: a stream that is out of step is noticed before a length
// is believed. What is in header and payload is checked by who sends them.
#pragma once

#include <cstdint>

namespace varve {

inline constexpr uint32_t kFrameMagic = 0x56525654;
inline constexpr uint16_t kFrameVersion = 1;
inline constexpr uint32_t kFrameBytes = 16;

struct Frame {
  uint16_t header_bytes = 0;   // 1 to VARVE_HEADER_BYTES_MAX
  uint32_t payload_bytes = 0;  // at most VARVE_PAYLOAD_BYTES_MAX
  bool operator==(const Frame&) const = default;
};

void encode_frame(const Frame& frame, uint8_t* to);
// Reads kFrameBytes bytes. Returns what is wrong with them, or null.
const char* decode_frame(const uint8_t* from, Frame& frame);

}  // namespace varve
