#include "plugins/tls/openssl_ptr.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace varve {

void OpensslDelete::operator()(bio_st* object) const {
  BIO_free_all(object);
}
void OpensslDelete::operator()(evp_cipher_ctx_st* object) const {
  EVP_CIPHER_CTX_free(object);
}
void OpensslDelete::operator()(evp_pkey_st* object) const {
  EVP_PKEY_free(object);
}
void OpensslDelete::operator()(ssl_ctx_st* object) const {
  SSL_CTX_free(object);
}
void OpensslDelete::operator()(ssl_st* object) const {
  SSL_free(object);
}
void OpensslDelete::operator()(x509_st* object) const {
  X509_free(object);
}
void OpensslDelete::operator()(x509_store_ctx_st* object) const {
  X509_STORE_CTX_free(object);
}

}  // namespace varve
