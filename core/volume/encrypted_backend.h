// EncryptedBackend: the blocks of an encrypted volume on their way to another backend.
//
//     Volume -> plaintext -> EncryptedBackend -> ciphertext, its CRCs -> the backend below
//
// A write is encrypted into a buffer of the pool; the CRCs that travel to the medium are those of
// the ciphertext. A read is decrypted in the caller's memory, after its CRCs were checked below.
//
// What was never written, trimmed or zeroed comes from below as a block of zeroes and stays one:
// that a ciphertext is all zero happens to one block in 2^32768. So holes are the same as without
// encryption, and who sees the device sees where they are.
//
// Thread rule: one shard's thread; encryption takes place on it. Ownership: owns the backend below
// and shares the cipher; borrows the pool, whose budget must not be less than what may be in
// flight.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "core/crypto/block_cipher.h"
#include "core/volume/block_backend.h"
#include "core/volume/buffer_pool.h"

namespace varve {

class EncryptedBackend final : public BlockBackend {
 public:
  EncryptedBackend(std::unique_ptr<BlockBackend> below, std::shared_ptr<BlockCipher> cipher,
                   BufferPool& buffers)
      : below_(std::move(below)), cipher_(std::move(cipher)), buffers_(buffers) {}

  Task<Status> read(BlockRange range, std::byte* out) override;
  Task<Status> write(BlockRange range, const std::byte* data, const uint32_t* crcs) override;
  Task<Status> trim(BlockRange range) override { return below_->trim(range); }
  Task<Status> block_status(BlockRange range, std::vector<BlockStatusRun>* runs) override {
    return below_->block_status(range, runs);
  }
  bool makes_crcs() const override { return true; }
  Task<void> space() override { return below_->space(); }
  void wake_space_waiters() override { below_->wake_space_waiters(); }
  bool closed() const override { return below_->closed(); }
  bool lost() const override { return below_->lost(); }

 private:
  void decrypt(BlockRange range, std::byte* data);

  const std::unique_ptr<BlockBackend> below_;
  const std::shared_ptr<BlockCipher> cipher_;
  BufferPool& buffers_;
};

}  // namespace varve
