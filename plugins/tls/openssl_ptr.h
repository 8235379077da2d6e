// Owners for what OpenSSL hands out, for headers that do without its own.
//
// Ownership: one owner. Thread rule: that of the object.
#pragma once

#include <memory>

struct bio_st;
struct evp_cipher_ctx_st;
struct evp_pkey_st;
struct ssl_ctx_st;
struct ssl_st;
struct x509_st;
struct x509_store_ctx_st;

namespace varve {

struct OpensslDelete {
  void operator()(bio_st* object) const;
  void operator()(evp_cipher_ctx_st* object) const;
  void operator()(evp_pkey_st* object) const;
  void operator()(ssl_ctx_st* object) const;
  void operator()(ssl_st* object) const;
  void operator()(x509_st* object) const;
  void operator()(x509_store_ctx_st* object) const;
};

using BioPtr = std::unique_ptr<bio_st, OpensslDelete>;
using CipherContextPtr = std::unique_ptr<evp_cipher_ctx_st, OpensslDelete>;
using CertificatePtr = std::unique_ptr<x509_st, OpensslDelete>;
using KeyPtr = std::unique_ptr<evp_pkey_st, OpensslDelete>;
using SslContextPtr = std::unique_ptr<ssl_ctx_st, OpensslDelete>;
using SslPtr = std::unique_ptr<ssl_st, OpensslDelete>;
using StoreContextPtr = std::unique_ptr<x509_store_ctx_st, OpensslDelete>;

// For other kinds of objects: Freed<GENERAL_NAMES_free>.
template <auto free_it>
struct Freed {
  template <typename Object>
  void operator()(Object* object) const {
    free_it(object);
  }
};

}  // namespace varve
