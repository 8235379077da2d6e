// Authenticator: the tags behind the frames of a connection whose two sides have keys (frame.h), so
// that nobody else can send a frame, or one of theirs again.
//
// Thread rule: one thread. Nothing is allocated once it is made. Errors: sentences for the log.
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

  // The next frame that is sent, with its header; the tag goes to `to`. False: libcrypto does not
  // work.
  bool seal(std::span<const uint8_t> frame_and_header, uint8_t* to);
  // All that came in one send; becomes what it is without its tag. What is wrong with it, or null.
  const char* open(std::span<const uint8_t>& sealed);

 private:
  Authenticator() = default;

  Gmac sending_;
  Gmac receiving_;
  uint64_t sealed_ = 0;
  uint64_t opened_ = 0;
};

}  // namespace varve
