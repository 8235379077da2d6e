// TlsCredentials: what one reading of three PEM files gave: whom to believe, who we are, and the
// proof of it. TLS 1.3 only; both sides show a certificate; no sessions are resumed, so that each
// connection is checked in full.
//
// Thread rule: immutable, may be shared by threads; load() blocks on the files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "plugins/tls/identity.h"
#include "plugins/tls/openssl_ptr.h"

namespace varve {

// Paths. None: not configured; else all.
struct TlsFiles {
  std::string ca;    // certificates, concatenated: any of them may have signed a peer's
  std::string cert;  // ours, then those between it and a CA
  std::string key;   // ours; no right for others than its owner and group

  bool configured() const { return !cert.empty(); }
};

class TlsCredentials {
 public:
  // Returns what is wrong, with the file's name; empty: `loaded` is filled in. Refused: a key that
  // others may read or that is not the certificate's; a certificate that none of the CAs has
  // signed, or that is not valid now, or whose identity cannot be read.
  static std::string load(const TlsFiles& files, std::shared_ptr<const TlsCredentials>& loaded);

  // Of a client that shows no certificate: only whom it believes. self() is nobody then.
  static std::string load_trust(const std::string& ca,
                                std::shared_ptr<const TlsCredentials>& loaded);

  // For both directions. Makes SSL objects for streams: their callbacks are in session.cc.
  ssl_ctx_st* context() const { return context_.get(); }
  const TlsIdentity& self() const { return self_; }
  int64_t not_after() const { return not_after_; }  // seconds since 1970

 private:
  TlsCredentials() = default;
  std::string begin(const std::string& ca);
  std::string read_trust(const std::string& path);
  std::string read_certificates(const std::string& path);
  std::string read_key(const std::string& path);
  std::string check_own(const TlsFiles& files);

  SslContextPtr context_;
  TlsIdentity self_;
  int64_t not_after_ = 0;
};

// "2027-01-31 08:00 UTC".
std::string tls_time_text(int64_t seconds);
// Seconds since 1970.
int64_t tls_not_after(const x509_st* certificate);

}  // namespace varve
