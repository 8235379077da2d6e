// Everything that Varve asks of OpenSSL's libcrypto. That it refuses what is right is a bug of
// ours.
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <memory>

#include "core/base/check.h"
#include "core/base/units.h"
#include "core/crypto/block_cipher.h"
#include "core/crypto/key_wrap.h"

namespace varve {
namespace {

constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kFormBytes = 1;
constexpr std::byte kFormGcm{1};
constexpr size_t kWrapBytes = kFormBytes + kNonceBytes + kTagBytes;  // beside the key
constexpr size_t kTweakBytes = 16;

constexpr int kEncrypt = 1;
constexpr int kDecrypt = 0;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

Context make_context() {
  Context context(EVP_CIPHER_CTX_new());
  VARVE_CHECK(context != nullptr);
  return context;
}

unsigned char* bytes_of(std::byte* data) {
  return reinterpret_cast<unsigned char*>(data);
}
const unsigned char* bytes_of(const std::byte* data) {
  return reinterpret_cast<const unsigned char*>(data);
}

void fill_random(std::span<std::byte> bytes) {
  VARVE_CHECK(RAND_priv_bytes(bytes_of(bytes.data()), static_cast<int>(bytes.size())) == 1);
}

bool halves_equal(std::span<const std::byte> key) {
  const size_t half = key.size() / 2;
  return std::memcmp(key.data(), key.data() + half, half) == 0;
}

Context xts_context(const Secret& key, int direction) {
  Context context = make_context();
  VARVE_CHECK(EVP_CipherInit_ex(context.get(), EVP_aes_256_xts(), nullptr,
                                bytes_of(key.reveal().data()), nullptr, direction) == 1);
  return context;
}

// Direction and key stay as they are: only the tweak is new.
void run_xts(EVP_CIPHER_CTX* context, uint64_t first_block, uint64_t block_count,
             const std::byte* from, std::byte* to) {
  std::array<unsigned char, kTweakBytes> tweak{};
  for (uint64_t i = 0; i < block_count; ++i) {
    const uint64_t block = first_block + i;
    for (size_t at = 0; at < sizeof block; ++at)
      tweak[at] = static_cast<unsigned char>(block >> (8 * at));
    int done = 0;
    VARVE_CHECK(EVP_CipherInit_ex(context, nullptr, nullptr, nullptr, tweak.data(), -1) == 1);
    VARVE_CHECK(EVP_CipherUpdate(context, bytes_of(to + i * kBlockBytes), &done,
                                 bytes_of(from + i * kBlockBytes), kBlockBytes) == 1);
    VARVE_CHECK(done == kBlockBytes);
  }
}

Context gcm_context(const Secret& wrapping, const std::byte* nonce,
                    std::span<const std::byte> associated, int direction) {
  VARVE_CHECK(wrapping.size() == kWrappingKeyBytes);
  Context context = make_context();
  VARVE_CHECK(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr,
                                bytes_of(wrapping.reveal().data()), bytes_of(nonce),
                                direction) == 1);
  int done = 0;
  VARVE_CHECK(EVP_CipherUpdate(context.get(), nullptr, &done, bytes_of(associated.data()),
                               static_cast<int>(associated.size())) == 1);
  return context;
}

Status not_this_key() {
  return {ErrorCode::kInvalidArgument,
          "the data key was wrapped by another key of that name, or is damaged"};
}

}  // namespace

Result<Secret> BlockCipher::make_key() {
  Result<Secret> key = Secret::make(kKeyBytes);
  if (!key.ok()) return key;
  fill_random(key->reveal());
  VARVE_CHECK(!halves_equal(key->reveal()));
  return key;
}

Result<std::unique_ptr<BlockCipher>> BlockCipher::make(const Secret& key) {
  if (key.size() != kKeyBytes || halves_equal(key.reveal()))
    return Status(ErrorCode::kInvalidArgument, "this is no key for AES-256-XTS");
  Context encryption = xts_context(key, kEncrypt);
  Context decryption = xts_context(key, kDecrypt);
  return std::unique_ptr<BlockCipher>(new BlockCipher(encryption.release(), decryption.release()));
}

BlockCipher::~BlockCipher() {
  EVP_CIPHER_CTX_free(encryption_);
  EVP_CIPHER_CTX_free(decryption_);
}

void BlockCipher::encrypt(uint64_t first_block, uint64_t block_count, const std::byte* from,
                          std::byte* to) {
  run_xts(encryption_, first_block, block_count, from, to);
}

void BlockCipher::decrypt(uint64_t first_block, uint64_t block_count, const std::byte* from,
                          std::byte* to) {
  run_xts(decryption_, first_block, block_count, from, to);
}

std::vector<std::byte> wrap_key(const Secret& wrapping, std::span<const std::byte> associated,
                                const Secret& key) {
  std::vector<std::byte> wrapped(kWrapBytes + key.size());
  wrapped[0] = kFormGcm;
  std::byte* const nonce = wrapped.data() + kFormBytes;
  std::byte* const inner = nonce + kNonceBytes;
  std::byte* const tag = inner + key.size();
  fill_random({nonce, kNonceBytes});
  const Context context = gcm_context(wrapping, nonce, associated, kEncrypt);
  int done = 0;
  VARVE_CHECK(EVP_CipherUpdate(context.get(), bytes_of(inner), &done, bytes_of(key.reveal().data()),
                               static_cast<int>(key.size())) == 1);
  VARVE_CHECK(EVP_CipherFinal_ex(context.get(), bytes_of(inner) + done, &done) == 1);
  VARVE_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag) == 1);
  return wrapped;
}

Result<Secret> unwrap_key(const Secret& wrapping, std::span<const std::byte> associated,
                          std::span<const std::byte> wrapped) {
  if (wrapped.empty()) return not_this_key();
  if (wrapped[0] != kFormGcm)
    return Status(ErrorCode::kNewerFormat, "its key was wrapped by a newer release");
  if (wrapped.size() <= kWrapBytes) return not_this_key();
  const std::byte* const nonce = wrapped.data() + kFormBytes;
  const std::byte* const inner = nonce + kNonceBytes;
  const size_t key_bytes = wrapped.size() - kWrapBytes;
  std::array<std::byte, kTagBytes> tag{};
  std::memcpy(tag.data(), inner + key_bytes, tag.size());
  Result<Secret> key = Secret::make(key_bytes);
  if (!key.ok()) return key;
  const Context context = gcm_context(wrapping, nonce, associated, kDecrypt);
  unsigned char* const out = bytes_of(key->reveal().data());
  int done = 0;
  VARVE_CHECK(EVP_CipherUpdate(context.get(), out, &done, bytes_of(inner),
                               static_cast<int>(key_bytes)) == 1);
  VARVE_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) ==
              1);
  if (EVP_CipherFinal_ex(context.get(), out + done, &done) != 1) return not_this_key();
  return key;
}

}  // namespace varve
