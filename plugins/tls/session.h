// TlsSession: TLS 1.3 with a peer that this project's rules let in, whatever carries its bytes:
// a socket (stream.h) or the messages of something else (handshake.h).
//
// Thread rule: one thread. Ownership: shares the credentials; owns the SSL object, which knows this
// one by its address.
// Errors: sentences for the log.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "plugins/tls/credentials.h"
#include "plugins/tls/kernel.h"

namespace varve {

// What is said of a peer that has left in the middle: nothing to tell an operator when there are
// many.
inline constexpr const char* kTlsHungUp = "it has hung up in the TLS handshake";

class TlsSession {
 public:
  enum class Side : uint8_t { kServer, kClient };

  // `allowed`: what the peer's role must be.
  TlsSession(std::shared_ptr<const TlsCredentials> credentials, TlsRoles allowed, Side side);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // As TlsStream has them.
  void needs_no_certificate();
  bool expect_host(const std::string& host);

  ssl_st* ssl() const { return ssl_.get(); }  // null: out of memory
  // Who the peer has proven to be, when the handshake is done.
  const TlsIdentity& peer() const { return peer_; }
  // Why a call has failed, of which SSL_get_error says `error`; empties OpenSSL's own list.
  std::string why(int error) const;

  // Before the handshake: the secret of what we send is kept.
  void want_secret() { wants_secret_ = true; }
  TlsSecret& secret() { return secret_; }

 private:
  friend int tls_verify(int good, x509_store_ctx_st* check);
  friend void tls_take_secret(const ssl_st* ssl, const char* line);
  bool judge(x509_st* certificate);

  const std::shared_ptr<const TlsCredentials> credentials_;
  const TlsRoles allowed_;
  const SslPtr ssl_;
  TlsIdentity peer_;
  std::string verdict_;  // of the verification
  bool wants_secret_ = false;
  TlsSecret secret_;
};

// For SSL_CTX_set_keylog_callback: secrets go to sessions that want them, and nowhere else.
void tls_take_secret(const ssl_st* ssl, const char* line);

}  // namespace varve
