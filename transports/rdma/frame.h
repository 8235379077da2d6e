// What two plugins say to each other: a greeting in the connection manager's private data, then
// frames, one in each send.
//
// The greeting, all big-endian:
//     0  magic "VRVR"    4  version (2)    6  slots (2)    8  eager bytes (4)
//     12 flags (4): bit 0: its sender has [tls]    16 CRC-32C of the 16 bytes before
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
//
// A slot has room for a frame, the longest header, eager bytes, and two tags: however few eager
// bytes its owner has, every frame without a payload fits, and so do 256 bytes of a handshake.
//
// Where one side has [tls] and the other has not there is no connection. Where both have it begins
// with a TLS 1.3 handshake: handshake frames, whose payloads are one stream of bytes each way, in
// 64 frames and 64 KiB at most. Who has asked for the connection is the TLS client; both show the
// certificate of a node of the cluster. From 32 bytes of the TLS exporter (RFC 8446, 7.5) with the
// label "EXPORTER-varve-rdma-1" and both greetings as context, that of the asker first, come the
// keys of what the asker sends and of what it is sent, 16 bytes each. When it is sure of the asker
// the other side sends news, which it always can; until these have come the asker sends nothing.
// All frames behind the handshake are sealed: behind the last byte of a frame come 16 bytes of
// AES-128-GMAC of all bytes before them in the same send: frame, header, eager payload. The nonce
// is 12 bytes: 0, three more of 0, and the number of the sealed frame in its direction (8), from 0.
// A frame that was changed, was sent before, is missing or is not in order ends the connection. Of
// a payload that is not here a tag of its own is behind the header, so that the frame's covers it:
// 16 bytes with the same key and number, whose nonce begins with 1. What was read and is not that
// ends the connection, too.
#pragma once

#include <cstdint>
#include <span>

namespace varve {

inline constexpr uint32_t kGreetingMagic = 0x56525652;
inline constexpr uint16_t kGreetingVersion = 2;
inline constexpr uint32_t kGreetingBytes = 20;
inline constexpr uint16_t kFewestSlots = 2;

struct Greeting {
  uint16_t slots = 0;  // at least kFewestSlots
  uint32_t eager_bytes = 0;
  bool tls = false;  // its sender speaks with nobody who proves nothing
  bool operator==(const Greeting&) const = default;
};

void encode_greeting(const Greeting& greeting, uint8_t* to);
// The manager may have appended zeroes. Returns what is wrong, or null.
const char* decode_greeting(std::span<const uint8_t> from, Greeting& greeting);
// What is wrong when a peer has TLS and this node has not, or the other way round; or null.
const char* tls_mismatch(bool peer_has, bool we_have);

inline constexpr uint32_t kFrameMagic = 0x5652564d;
inline constexpr uint32_t kFrameBytes = 32;

enum class FrameKind : uint16_t {
  kEager = 1,      // a message, whole
  kStaged = 2,     // a message whose payload is to be read
  kNews = 3,       // no message: `freed` only
  kHandshake = 4,  // no message: the payload is a piece of a TLS handshake
};

struct Frame {
  FrameKind kind = FrameKind::kNews;
  uint16_t header_bytes = 0;   // 1 to VARVE_HEADER_BYTES_MAX; 0 of what is no message
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
// What came in one send says that it is so, before it is known to be true.
bool is_staged_frame(std::span<const uint8_t> from);
bool is_handshake_frame(std::span<const uint8_t> from);

}  // namespace varve
