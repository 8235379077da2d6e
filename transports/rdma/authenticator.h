// Authenticator: the tags of what goes over a connection whose two sides have keys (frame.h), so
// that nobody else can send a frame or one of theirs again, or change a payload.
//
// Thread rule: one thread. Nothing is allocated once it is made. Errors: sentences for the log;
// behind the first wrong frame every one is.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "plugins/tls/gmac.h"

namespace varve {

inline constexpr uint32_t kSealBytes = Gmac::kTagBytes;
// Of what the asker sends, then of what it is sent.
inline constexpr uint32_t kAuthenticatorKeyBytes = 2 * Gmac::kKeyBytes;

class Authenticator {
 public:
  // Null: out of memory.
  static std::unique_ptr<Authenticator> make(std::span<const uint8_t, kAuthenticatorKeyBytes> keys,
                                             bool asks);

  // Of a payload that is to be read: what it was, says the frame that came with its header.
  struct PayloadSeal {
    uint64_t number = 0;
    Gmac::Tag tag{};
  };

  // The next frame that is sent, `bytes` at `at`, and the payload that the peer is to read, if any.
  // The tags go behind the frame. Returns all bytes that are to be sent; 0: libcrypto does not
  // work.
  uint32_t seal(uint8_t* at, uint32_t bytes, std::span<const uint8_t> staged);
  // All that came in one send; becomes what it is without tags. What is wrong with it, or null.
  const char* open(std::span<const uint8_t>& sealed, PayloadSeal& payload);
  // Whether what was read is what the peer has sealed.
  bool is_payload(const PayloadSeal& seal, std::span<const uint8_t> bytes) const;

 private:
  Authenticator() = default;
  const char* open_next(std::span<const uint8_t>& sealed, PayloadSeal& payload);

  Gmac sending_;
  Gmac receiving_;
  uint64_t sealed_ = 0;
  uint64_t opened_ = 0;
  const char* wrong_ = nullptr;  // for good
};

}  // namespace varve
