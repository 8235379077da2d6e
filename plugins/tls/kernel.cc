#include "plugins/tls/kernel.h"

#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "plugins/tls/openssl_ptr.h"

namespace varve {
namespace {

// The suites of TLS 1.3 that the kernel may know (RFC 8446, B.4).
constexpr uint32_t kAes128GcmSha256 = 0x1301;
constexpr uint32_t kAes256GcmSha384 = 0x1302;
constexpr uint32_t kChacha20Poly1305Sha256 = 0x1303;

constexpr char kUlp[] = "tls";
constexpr uint8_t kAlertRecord = 21;

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// `Info` is the kernel's structure for a cipher; its record number stays 0.
template <typename Info>
int give(int socket, uint16_t cipher, const evp_md_st* hash, const TlsSecret& secret) {
  Info info{};
  static_assert(sizeof(info.salt) + sizeof(info.iv) == kTlsNonceBytes);
  info.info = {TLS_1_3_VERSION, cipher};
  std::array<uint8_t, kTlsNonceBytes> nonce;
  int error = ENOMEM;
  if (expand_tls_label(hash, secret.bytes(), "key", info.key) &&
      expand_tls_label(hash, secret.bytes(), "iv", nonce)) {
    std::memcpy(info.salt, nonce.data(), sizeof(info.salt));
    std::memcpy(info.iv, nonce.data() + sizeof(info.salt), sizeof(info.iv));
    error = ::setsockopt(socket, SOL_TLS, TLS_TX, &info, sizeof(info)) == 0 ? 0 : errno;
  }
  OPENSSL_cleanse(&info, sizeof(info));
  OPENSSL_cleanse(nonce.data(), nonce.size());
  return error;
}

}  // namespace

void TlsSecret::read(std::string_view digits) {
  wipe();
  if (digits.size() % 2 != 0 || digits.size() > 2 * bytes_.size()) return;
  for (size_t i = 0; i < digits.size(); i += 2) {
    const int high = hex_value(digits[i]);
    const int low = hex_value(digits[i + 1]);
    if (high < 0 || low < 0) return wipe();
    bytes_[i / 2] = static_cast<uint8_t>(high << 4 | low);
  }
  count_ = digits.size() / 2;
}

void TlsSecret::wipe() {
  OPENSSL_cleanse(bytes_.data(), bytes_.size());
  count_ = 0;
}

bool expand_tls_label(const evp_md_st* hash, std::span<const uint8_t> secret,
                      std::string_view label, std::span<uint8_t> out) {
  const std::unique_ptr<EVP_KDF, Freed<EVP_KDF_free>> kdf(
      EVP_KDF_fetch(nullptr, OSSL_KDF_NAME_TLS1_3_KDF, nullptr));
  const std::unique_ptr<EVP_KDF_CTX, Freed<EVP_KDF_CTX_free>> context(EVP_KDF_CTX_new(kdf.get()));
  if (context == nullptr) return false;
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const auto text = [](const char* key, std::string_view value) {
    return OSSL_PARAM_construct_octet_string(key, const_cast<char*>(value.data()), value.size());
  };
  const OSSL_PARAM params[] = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                       const_cast<char*>(EVP_MD_get0_name(hash)), 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<uint8_t*>(secret.data()),
                                        secret.size()),
      text(OSSL_KDF_PARAM_PREFIX, "tls13 "),
      text(OSSL_KDF_PARAM_LABEL, label),
      OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), out.data(), out.size(), params) == 1;
}

int kernel_has_tls() {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return errno;
  const int result = ::setsockopt(probe, IPPROTO_TCP, TCP_ULP, kUlp, sizeof(kUlp));
  // It is there, and says that a socket without a peer is not for it.
  const int error = result == 0 || errno == ENOTCONN ? 0 : errno;
  ::close(probe);
  return error;
}

int give_kernel_sending(int socket, uint32_t suite, const TlsSecret& secret) {
  if (secret.bytes().empty()) return EINVAL;
  const bool known =
      suite == kAes128GcmSha256 || suite == kAes256GcmSha384 || suite == kChacha20Poly1305Sha256;
  if (!known) return EOPNOTSUPP;
  // Without keys it passes on what is sent as it is.
  if (::setsockopt(socket, IPPROTO_TCP, TCP_ULP, kUlp, sizeof(kUlp)) != 0) return errno;
  if (suite == kAes128GcmSha256)
    return give<tls12_crypto_info_aes_gcm_128>(socket, TLS_CIPHER_AES_GCM_128, EVP_sha256(),
                                               secret);
  if (suite == kAes256GcmSha384)
    return give<tls12_crypto_info_aes_gcm_256>(socket, TLS_CIPHER_AES_GCM_256, EVP_sha384(),
                                               secret);
  return give<tls12_crypto_info_chacha20_poly1305>(socket, TLS_CIPHER_CHACHA20_POLY1305,
                                                   EVP_sha256(), secret);
}

bool send_kernel_alert(int socket, uint8_t level, uint8_t description) {
  uint8_t alert[] = {level, description};
  iovec body{alert, sizeof(alert)};
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(1)] = {};
  msghdr message{};
  message.msg_iov = &body;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const type = CMSG_FIRSTHDR(&message);
  type->cmsg_level = SOL_TLS;
  type->cmsg_type = TLS_SET_RECORD_TYPE;
  type->cmsg_len = CMSG_LEN(1);
  *CMSG_DATA(type) = kAlertRecord;
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(alert));
}

}  // namespace varve
