#include "plugins/tls/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace varve {

int tls_verify(int good, x509_store_ctx_st* check) {
  const auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const session = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  if (good != 1) {
    session->verdict_ = std::string("its certificate is not good: ") +
                        X509_verify_cert_error_string(X509_STORE_CTX_get_error(check));
    return 0;
  }
  if (X509_STORE_CTX_get_error_depth(check) != 0) return 1;
  if (session->judge(X509_STORE_CTX_get_current_cert(check))) return 1;
  X509_STORE_CTX_set_error(check, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

void tls_take_secret(const ssl_st* ssl, const char* line) {
  auto* const session = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  if (session == nullptr || !session->wants_secret_) return;
  // LABEL, what the client chose at random, the secret.
  const std::string_view words(line);
  const std::string_view label =
      SSL_is_server(ssl) == 1 ? "SERVER_TRAFFIC_SECRET_0 " : "CLIENT_TRAFFIC_SECRET_0 ";
  if (words.starts_with(label)) session->secret_.read(words.substr(words.rfind(' ') + 1));
}

TlsSession::TlsSession(std::shared_ptr<const TlsCredentials> credentials, TlsRoles allowed,
                       Side side)
    : credentials_(std::move(credentials)),
      allowed_(allowed),
      ssl_(SSL_new(credentials_->context())) {
  if (ssl_ == nullptr) return;
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_verify);
  if (side == Side::kServer)
    SSL_set_accept_state(ssl_.get());
  else
    SSL_set_connect_state(ssl_.get());
}

void TlsSession::needs_no_certificate() {
  if (ssl_ != nullptr) SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, tls_verify);
}

bool TlsSession::expect_host(const std::string& host) {
  if (ssl_ == nullptr) return false;
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl_.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1) return true;
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size()) == 1 &&
         SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) == 1;
}

// Whether the owner of a certificate that is signed well may be the peer.
bool TlsSession::judge(x509_st* certificate) {
  TlsIdentity peer;
  verdict_ = tls_identity_of(certificate, peer);
  if (verdict_.empty()) verdict_ = tls_refusal(peer, credentials_->self(), allowed_);
  if (verdict_.empty()) peer_ = std::move(peer);
  return verdict_.empty();
}

std::string TlsSession::why(int error) const {
  const unsigned long code = ERR_peek_error();
  ERR_clear_error();
  if (!verdict_.empty()) return verdict_;
  const int reason = ERR_GET_REASON(code);
  if (error != SSL_ERROR_SSL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) return kTlsHungUp;
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return "it shows no certificate";
  constexpr std::array kNoTls = {SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST,
                                 SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_HTTPS_PROXY_REQUEST,
                                 SSL_R_UNKNOWN_PROTOCOL,     SSL_R_RECORD_LENGTH_MISMATCH};
  if (std::find(kNoTls.begin(), kNoTls.end(), reason) != kNoTls.end())
    return "it does not speak TLS 1.3";
  const char* const words = ERR_reason_error_string(code);
  const std::string text = words == nullptr ? "unknown error" : words;
  // An alert of the peer's.
  if (reason > SSL_AD_REASON_OFFSET) return "it refuses this side: " + text;
  return "TLS: " + text;
}

}  // namespace varve
