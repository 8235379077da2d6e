// BlockCipher: AES-256-XTS over blocks of 4 KiB; a block's tweak is its number, little-endian.
//
// Same key, number and bytes give the same ciphertext: who sees the device twice sees which blocks
// were written with what they had held before. Nothing is added that would tell changed bytes from
// wrong ones: that is what the store's CRC-32C is for, against accidents, not against an attacker
// who can write to the device.
//
// Nothing is allocated per block. The expanded key lies in ordinary memory of the library, which
// zeroes it in the end.
//
// Thread rule: one thread at a time. Ownership: `from` and `to` are the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/base/error.h"
#include "core/crypto/secret.h"

struct evp_cipher_ctx_st;  // of libcrypto

namespace varve {

class BlockCipher {
 public:
  static constexpr size_t kKeyBytes = 64;

  // A new key at random.
  static Result<Secret> make_key();
  // kInvalidArgument: not 64 bytes, or its halves are equal, which XTS does not allow.
  static Result<std::unique_ptr<BlockCipher>> make(const Secret& key);
  BlockCipher(const BlockCipher&) = delete;
  BlockCipher& operator=(const BlockCipher&) = delete;
  ~BlockCipher();

  // `block_count` blocks from number `first_block` on. `to` is `from` or does not overlap it.
  void encrypt(uint64_t first_block, uint64_t block_count, const std::byte* from, std::byte* to);
  void decrypt(uint64_t first_block, uint64_t block_count, const std::byte* from, std::byte* to);

 private:
  BlockCipher(evp_cipher_ctx_st* encryption, evp_cipher_ctx_st* decryption)
      : encryption_(encryption), decryption_(decryption) {}

  evp_cipher_ctx_st* const encryption_;
  evp_cipher_ctx_st* const decryption_;
};

}  // namespace varve
