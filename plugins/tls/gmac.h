// Gmac: AES-128-GMAC (NIST SP 800-38D, GCM without a text) of byte strings that are numbered:
// whoever has the key can tell whether bytes are those that were given that number.
//
// Thread rule: one thread. Nothing is allocated behind open(). A number is used once in each domain
// under a key.
// Errors: false; from tag() only when libcrypto does not work.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "plugins/tls/openssl_ptr.h"

namespace varve {

class Gmac {
 public:
  static constexpr size_t kKeyBytes = 16;
  static constexpr size_t kTagBytes = 16;
  using Tag = std::array<uint8_t, kTagBytes>;

  // What is numbered: the first byte of the nonce.
  enum class Domain : uint8_t { kFrame = 0, kPayload = 1 };

  // Before anything else.
  bool open(std::span<const uint8_t, kKeyBytes> key);
  bool tag(Domain domain, uint64_t number, std::span<const uint8_t> bytes, uint8_t* to) const;
  // Compares in constant time.
  bool is_tag(Domain domain, uint64_t number, std::span<const uint8_t> bytes,
              const uint8_t* tag) const;

 private:
  CipherContextPtr context_;
};

}  // namespace varve
