// What encryption costs on the shard's thread, per block of 4 KiB, beside libcrypto by itself in
// the same run: cipher_bench [--smoke]. Rounds are interleaved; the best of each is printed.
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/crypto/block_cipher.h"
#include "core/runtime/run_queue.h"
#include "core/runtime/task_group.h"
#include "core/volume/encrypted_backend.h"
#include "core/volume/limits.h"

namespace varve {
namespace {

constexpr uint64_t kPieceBlocks = kPieceBytesMax / kBlockBytes;

// Takes everything at once.
class NullBackend final : public BlockBackend {
 public:
  Task<Status> read(BlockRange, std::byte*) override { co_return Status(); }
  Task<Status> write(BlockRange, const std::byte*, const uint32_t*) override { co_return Status(); }
  Task<Status> trim(BlockRange) override { co_return Status(); }
  Task<Status> block_status(BlockRange, std::vector<BlockStatusRun>*) override {
    co_return Status();
  }
  Task<void> space() override { co_return; }
  void wake_space_waiters() override {}
  bool closed() const override { return false; }
  bool lost() const override { return false; }
};

Task<void> ignore(Task<Status> task) {
  const Status status = co_await task;
  VARVE_CHECK(status.ok());
}

struct Bench {
  AlignedBuffer data{kPieceBytesMax};
  AlignedBuffer out{kPieceBytesMax};
  Secret key = std::move(*BlockCipher::make_key());
  std::shared_ptr<BlockCipher> cipher = std::move(*BlockCipher::make(key));
  EVP_CIPHER_CTX* bare = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX* bare_whole = EVP_CIPHER_CTX_new();
  BufferPool pool{UINT64_MAX, kPieceBytesMax * 4};
  EncryptedBackend backend{std::make_unique<NullBackend>(), cipher, pool};
  std::array<uint32_t, kPieceBlocks> crcs{};
  RunQueue ready;
  TaskGroup group{ready};

  Bench() {
    for (size_t i = 0; i < data.size(); ++i) data.data()[i] = static_cast<std::byte>(i * 7);
    for (EVP_CIPHER_CTX* context : {bare, bare_whole})
      EVP_EncryptInit_ex(context, EVP_aes_256_xts(), nullptr, bytes(key.reveal().data()), nullptr);
  }
  ~Bench() {
    EVP_CIPHER_CTX_free(bare);
    EVP_CIPHER_CTX_free(bare_whole);
  }
  static unsigned char* bytes(std::byte* data) { return reinterpret_cast<unsigned char*>(data); }
  // The least that libcrypto can be asked for: one tweak and one update a block.
  void bare_blocks() {
    std::array<unsigned char, 16> tweak{};
    int done = 0;
    for (uint64_t block = 0; block < kPieceBlocks; ++block) {
      std::memcpy(tweak.data(), &block, sizeof block);
      EVP_EncryptInit_ex(bare, nullptr, nullptr, nullptr, tweak.data());
      EVP_EncryptUpdate(bare, bytes(out.data() + block * kBlockBytes), &done,
                        bytes(data.data() + block * kBlockBytes), kBlockBytes);
    }
  }
  // No form of ours: one tweak for the whole piece. How fast the cipher itself is.
  void bare_piece() {
    std::array<unsigned char, 16> tweak{};
    int done = 0;
    EVP_EncryptInit_ex(bare_whole, nullptr, nullptr, nullptr, tweak.data());
    EVP_EncryptUpdate(bare_whole, bytes(out.data()), &done, bytes(data.data()), kPieceBytesMax);
  }
  void run(Task<Status> task) {
    group.start(ignore(std::move(task)));
    while (ready.run_ready() > 0) {
    }
  }
};

struct Row {
  const char* name;
  std::function<void()> piece;  // one of kPieceBlocks blocks
  double best_ns = 1e18;        // a block
};

double measure(const std::function<void()>& piece, int piece_count) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < piece_count; ++i) piece();
  const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
  return took.count() / piece_count / kPieceBlocks;
}

void run(int round_count, int piece_count) {
  Bench bench;
  const BlockRange piece{0, kPieceBlocks};
  std::vector<Row> rows = {
      {"libcrypto, one tweak a piece", [&] { bench.bare_piece(); }},
      {"libcrypto, one tweak a block", [&] { bench.bare_blocks(); }},
      {"BlockCipher, encrypt",
       [&] { bench.cipher->encrypt(0, kPieceBlocks, bench.data.data(), bench.out.data()); }},
      {"BlockCipher, decrypt in place",
       [&] { bench.cipher->decrypt(0, kPieceBlocks, bench.out.data(), bench.out.data()); }},
      {"CRC-32C", [&] { crc32c_blocks(bench.data.data(), kPieceBlocks, bench.crcs.data()); }},
      {"EncryptedBackend, write (with CRC-32C)",
       [&] { bench.run(bench.backend.write(piece, bench.data.data(), nullptr)); }},
      {"EncryptedBackend, read", [&] { bench.run(bench.backend.read(piece, bench.out.data())); }},
  };
  for (int round = 0; round < round_count; ++round)
    for (Row& row : rows) row.best_ns = std::min(row.best_ns, measure(row.piece, piece_count));
  std::printf("%-40s %12s %8s\n", "", "ns a block", "GB/s");
  for (const Row& row : rows)
    std::printf("%-40s %12.0f %8.2f\n", row.name, row.best_ns, kBlockBytes / row.best_ns);
}

}  // namespace
}  // namespace varve

int main(int count, char** words) {
  const bool smoke = count > 1 && std::string_view(words[1]) == "--smoke";
  varve::run(smoke ? 2 : 20, smoke ? 2 : 40);
  return 0;
}
