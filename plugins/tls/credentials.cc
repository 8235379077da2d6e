#include "plugins/tls/credentials.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <array>
#include <cstring>
#include <ctime>

#include "plugins/tls/file.h"
#include "plugins/tls/session.h"

namespace varve {
namespace {

constexpr long kPeerChainBytesMax = 16 * 1024;  // what a stranger may make us hold

BioPtr memory_bio(const std::string& content) {
  return BioPtr(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
}

// The next certificate in the file; null at its end, and where it is `broken`.
CertificatePtr next_certificate(BIO* bio, bool& broken) {
  CertificatePtr certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
  broken = certificate == nullptr && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE;
  ERR_clear_error();
  return certificate;
}

constexpr const char* kBroken = ": has a certificate that is broken, after ";

int no_passphrase(char*, int, int, void*) {
  return -1;
}

}  // namespace

std::string tls_time_text(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  gmtime_r(&time, &parts);
  std::array<char, 64> words{};
  std::strftime(words.data(), words.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return words.data();
}

int64_t tls_not_after(const x509_st* certificate) {
  tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return 0;
  return timegm(&parts);
}

std::string TlsCredentials::load(const TlsFiles& files,
                                 std::shared_ptr<const TlsCredentials>& loaded) {
  std::shared_ptr<TlsCredentials> made(new TlsCredentials());
  std::string wrong = made->begin(files.ca);
  if (wrong.empty()) wrong = made->read_certificates(files.cert);
  if (wrong.empty()) wrong = made->read_key(files.key);
  if (wrong.empty()) wrong = made->check_own(files);
  ERR_clear_error();
  if (wrong.empty()) loaded = std::move(made);
  return wrong;
}

std::string TlsCredentials::load_trust(const std::string& ca,
                                       std::shared_ptr<const TlsCredentials>& loaded) {
  std::shared_ptr<TlsCredentials> made(new TlsCredentials());
  std::string wrong = made->begin(ca);
  if (wrong.empty()) loaded = std::move(made);
  return wrong;
}

std::string TlsCredentials::begin(const std::string& ca) {
  context_.reset(SSL_CTX_new(TLS_method()));
  SSL_CTX* const context = context_.get();
  if (context == nullptr) return "TLS: out of memory";
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_keylog_callback(context, tls_take_secret);
  SSL_CTX_set_max_cert_list(context, kPeerChainBytesMax);
  return read_trust(ca);
}

std::string TlsCredentials::read_trust(const std::string& path) {
  std::string content;
  if (std::string wrong = read_tls_file(path, false, content); !wrong.empty()) return wrong;
  const BioPtr bio = memory_bio(content);
  size_t count = 0;
  bool broken = false;
  while (const CertificatePtr certificate = next_certificate(bio.get(), broken)) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), certificate.get()) != 1)
      return path + ": has a certificate that cannot be used";
    ++count;
  }
  if (broken) return path + kBroken + std::to_string(count) + " good ones";
  return count > 0 ? std::string() : path + ": has no certificate in PEM";
}

std::string TlsCredentials::read_certificates(const std::string& path) {
  std::string content;
  if (std::string wrong = read_tls_file(path, false, content); !wrong.empty()) return wrong;
  const BioPtr bio = memory_bio(content);
  bool broken = false;
  const CertificatePtr own = next_certificate(bio.get(), broken);
  if (own == nullptr) return path + ": has no certificate in PEM";
  if (SSL_CTX_use_certificate(context_.get(), own.get()) != 1)
    return path + ": has a certificate that cannot be used";
  size_t count = 1;
  while (const CertificatePtr above = next_certificate(bio.get(), broken)) {
    if (SSL_CTX_add1_chain_cert(context_.get(), above.get()) != 1)
      return path + ": has a certificate that cannot be used";
    ++count;
  }
  if (broken) return path + kBroken + std::to_string(count) + " good ones";
  not_after_ = tls_not_after(own.get());
  const std::string wrong = tls_identity_of(own.get(), self_);
  return wrong.empty() ? wrong : path + ": " + wrong.substr(std::strlen("its certificate "));
}

std::string TlsCredentials::read_key(const std::string& path) {
  std::string content;
  if (std::string wrong = read_tls_file(path, true, content); !wrong.empty()) return wrong;
  KeyPtr key(PEM_read_bio_PrivateKey(memory_bio(content).get(), nullptr, no_passphrase, nullptr));
  OPENSSL_cleanse(content.data(), content.size());
  if (key == nullptr) return path + ": has no private key in PEM, or one with a passphrase";
  if (SSL_CTX_use_PrivateKey(context_.get(), key.get()) != 1)
    return path + ": is not the key of the certificate";
  return {};
}

// As a peer would.
std::string TlsCredentials::check_own(const TlsFiles& files) {
  X509* const own = SSL_CTX_get0_certificate(context_.get());
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context_.get(), static_cast<void*>(&chain));
  const StoreContextPtr check(X509_STORE_CTX_new());
  if (check == nullptr ||
      X509_STORE_CTX_init(check.get(), SSL_CTX_get_cert_store(context_.get()), own, chain) != 1)
    return "TLS: out of memory";
  if (X509_verify_cert(check.get()) == 1) return {};
  const int error = X509_STORE_CTX_get_error(check.get());
  if (error == X509_V_ERR_CERT_HAS_EXPIRED && X509_STORE_CTX_get_error_depth(check.get()) == 0)
    return files.cert + ": expired at " + tls_time_text(not_after_);
  return files.cert + ": not good with " + files.ca + ": " + X509_verify_cert_error_string(error);
}

}  // namespace varve
