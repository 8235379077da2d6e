// Arbitrary bytes as a certificate's alternative names and as a URI: what is taken for an identity
// is one that is written the same way again.
#include "plugins/tls/identity.h"

#include <openssl/x509v3.h>

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plugins/tls/openssl_ptr.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const varve::TlsIdentity& identity) {
  const std::string uri = varve::tls_identity_uri(identity);
  require(varve::parse_tls_identity(uri) == identity);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto parsed = varve::parse_tls_identity(text)) {
    check(*parsed);
    require(varve::tls_identity_uri(*parsed) == text);
  }
  // The bytes as the value of the extension.
  using StringPtr = std::unique_ptr<ASN1_OCTET_STRING, varve::Freed<ASN1_OCTET_STRING_free>>;
  using ExtensionPtr = std::unique_ptr<X509_EXTENSION, varve::Freed<X509_EXTENSION_free>>;
  const StringPtr value(ASN1_OCTET_STRING_new());
  ASN1_OCTET_STRING_set(value.get(), data, static_cast<int>(size));
  const ExtensionPtr extension(
      X509_EXTENSION_create_by_NID(nullptr, NID_subject_alt_name, 0, value.get()));
  const varve::CertificatePtr certificate(X509_new());
  X509_add_ext(certificate.get(), extension.get(), -1);
  varve::TlsIdentity identity;
  if (varve::tls_identity_of(certificate.get(), identity).empty()) check(identity);
  return 0;
}
