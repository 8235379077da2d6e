#include "plugins/tls/gmac.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "plugins/sdk/bytes.h"

namespace varve {

bool Gmac::open(std::span<const uint8_t, kKeyBytes> key) {
  context_.reset(EVP_CIPHER_CTX_new());
  return context_ != nullptr &&
         EVP_EncryptInit_ex(context_.get(), EVP_aes_128_gcm(), nullptr, key.data(), nullptr) == 1;
}

bool Gmac::tag(Domain domain, uint64_t number, std::span<const uint8_t> bytes, uint8_t* to) const {
  EVP_CIPHER_CTX* const context = context_.get();
  uint8_t nonce[12] = {static_cast<uint8_t>(domain)};
  store_be<uint64_t>(nonce + 4, number);
  uint8_t nothing[16];
  int count = 0;
  return EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, nonce) == 1 &&
         EVP_EncryptUpdate(context, nullptr, &count, bytes.data(),
                           static_cast<int>(bytes.size())) == 1 &&
         EVP_EncryptFinal_ex(context, nothing, &count) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTagBytes, to) == 1;
}

bool Gmac::is_tag(Domain domain, uint64_t number, std::span<const uint8_t> bytes,
                  const uint8_t* tag) const {
  Tag right;
  return this->tag(domain, number, bytes, right.data()) &&
         CRYPTO_memcmp(right.data(), tag, kTagBytes) == 0;
}

}  // namespace varve
