#include "plugins/tls/handshake.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <utility>

namespace varve {

TlsHandshake::TlsHandshake(std::shared_ptr<const TlsCredentials> credentials, TlsRoles allowed,
                           Side side)
    : session_(std::move(credentials), allowed, side) {
  BioPtr in(BIO_new(BIO_s_mem()));
  BioPtr out(BIO_new(BIO_s_mem()));
  if (session_.ssl() == nullptr || in == nullptr || out == nullptr) {
    why_ = "out of memory";
    state_ = State::kFailed;
    return;
  }
  BIO_set_mem_eof_return(in.get(), -1);  // more may come
  SSL_set_bio(session_.ssl(), in.release(), out.release());
}

void TlsHandshake::give(std::span<const uint8_t> bytes) {
  if (state_ == State::kFailed) return;
  size_t written = 0;
  BIO_write_ex(SSL_get_rbio(session_.ssl()), bytes.data(), bytes.size(), &written);
  if (written == bytes.size()) return;
  why_ = "out of memory";
  state_ = State::kFailed;
}

TlsHandshake::State TlsHandshake::step() {
  SSL* const ssl = session_.ssl();
  if (state_ == State::kGoesOn) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl);
    if (result != 1) return fail(result), state_;
    state_ = State::kDone;
  }
  if (state_ != State::kDone || BIO_pending(SSL_get_rbio(ssl)) == 0) return state_;
  // An alert; nobody has anything else to say.
  ERR_clear_error();
  uint8_t byte = 0;
  size_t count = 0;
  const int result = SSL_read_ex(ssl, &byte, 1, &count);
  if (result != 1) fail(result);
  if (state_ == State::kDone) {
    why_ = "it sends more than a TLS handshake";
    state_ = State::kFailed;
  }
  return state_;
}

void TlsHandshake::fail(int result) {
  const int error = SSL_get_error(session_.ssl(), result);
  if (error == SSL_ERROR_WANT_READ) return;
  why_ = session_.why(error);
  state_ = State::kFailed;
}

bool TlsHandshake::has_output() const {
  return session_.ssl() != nullptr && SSL_get_wbio(session_.ssl()) != nullptr &&
         BIO_pending(SSL_get_wbio(session_.ssl())) > 0;
}

size_t TlsHandshake::take(std::span<uint8_t> into) {
  size_t count = 0;
  if (has_output()) BIO_read_ex(SSL_get_wbio(session_.ssl()), into.data(), into.size(), &count);
  return count;
}

bool TlsHandshake::export_keys(std::string_view label, std::span<const uint8_t> context,
                               std::span<uint8_t> keys) const {
  return state_ == State::kDone &&
         SSL_export_keying_material(session_.ssl(), keys.data(), keys.size(), label.data(),
                                    label.size(), context.data(), context.size(), 1) == 1;
}

}  // namespace varve
