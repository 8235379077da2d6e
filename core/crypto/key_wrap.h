// A data key under a wrapping key, as bytes that may lie anywhere: AES-256-GCM with a random nonce.
//
// GCM rather than RFC 5649: what the key is for goes in as associated data, so that the wrapped key
// of one volume is refused for any other, and its tag has 128 bits instead of 64. The same pair is
// wrapped a few times in its life, far from where random nonces would repeat.
//
// Bytes: form u8 (1) | nonce 12 | ciphertext, as long as the key | tag 16.
//
// Thread rule: pure but for the nonce.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/base/error.h"
#include "core/crypto/secret.h"

namespace varve {

inline constexpr size_t kWrappingKeyBytes = 32;

// `wrapping` has kWrappingKeyBytes.
std::vector<std::byte> wrap_key(const Secret& wrapping, std::span<const std::byte> associated,
                                const Secret& key);
// kNewerFormat: another form. kInvalidArgument: other bytes, another wrapping key, or for another
// use; these cannot be told apart.
Result<Secret> unwrap_key(const Secret& wrapping, std::span<const std::byte> associated,
                          std::span<const std::byte> wrapped);

}  // namespace varve
