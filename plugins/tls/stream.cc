#include "plugins/tls/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace varve {

// Fills of the whole buffer, each more than seven records, without any data in them.
constexpr size_t kFillsInVain = 4;

constexpr char kAsksForNewKeys[] = "it asks for new keys, which the kernel's TLS does not make";

// How OpenSSL sees a stream's buffers.
struct TlsBio {
  static TlsStream& of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, int room) {
    TlsStream& stream = of(bio);
    BIO_clear_retry_flags(bio);
    const size_t count = std::min(static_cast<size_t>(room), stream.input_.size());
    if (count == 0) {
      if (!stream.end_of_input_) BIO_set_retry_read(bio);
      return stream.end_of_input_ ? 0 : -1;
    }
    std::memcpy(to, stream.input_.data(), count);
    stream.input_ = stream.input_.subspan(count);
    return static_cast<int>(count);
  }
  static int write(BIO* bio, const char* from, int count) {
    TlsStream& stream = of(bio);
    BIO_clear_retry_flags(bio);
    if (stream.kernel_sends_) {
      // An alert. OpenSSL does not know that the kernel counts the records now: this one has a
      // number that was used.
      return -1;
    }
    std::vector<uint8_t>& out = stream.scratch_.out;
    out.insert(out.end(), from, from + count);
    return count;
  }
  static long control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_PUSH || command == BIO_CTRL_POP ? 1 : 0;
  }
  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  static BIO_METHOD* method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "varve");
      BIO_meth_set_read(made, read);
      BIO_meth_set_write(made, write);
      BIO_meth_set_ctrl(made, control);
      BIO_meth_set_create(made, create);
      return made;
    }();
    return method;
  }
};

int tls_verify(int good, x509_store_ctx_st* check) {
  const auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(check, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const stream = static_cast<TlsStream*>(SSL_get_app_data(ssl));
  if (good != 1) {
    stream->verdict_ = std::string("its certificate is not good: ") +
                       X509_verify_cert_error_string(X509_STORE_CTX_get_error(check));
    return 0;
  }
  if (X509_STORE_CTX_get_error_depth(check) != 0) return 1;
  if (stream->judge(X509_STORE_CTX_get_current_cert(check))) return 1;
  X509_STORE_CTX_set_error(check, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

void tls_take_secret(const ssl_st* ssl, const char* line) {
  auto* const stream = static_cast<TlsStream*>(SSL_get_app_data(ssl));
  if (stream == nullptr || !stream->wants_kernel_) return;
  // LABEL, what the client chose at random, the secret.
  const std::string_view words(line);
  const std::string_view label =
      SSL_is_server(ssl) == 1 ? "SERVER_TRAFFIC_SECRET_0 " : "CLIENT_TRAFFIC_SECRET_0 ";
  if (words.starts_with(label)) stream->secret_.read(words.substr(words.rfind(' ') + 1));
}

TlsStream::TlsStream(std::shared_ptr<const TlsCredentials> credentials, TlsRoles allowed, Side side,
                     int socket, TlsScratch& scratch)
    : credentials_(std::move(credentials)),
      allowed_(allowed),
      socket_(socket),
      scratch_(scratch),
      ssl_(SSL_new(credentials_->context())) {
  BIO* const bio = ssl_ == nullptr ? nullptr : BIO_new(TlsBio::method());
  if (bio == nullptr) {
    why_ = "out of memory";
    return;
  }
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_verify);
  if (side == Side::kServer)
    SSL_set_accept_state(ssl_.get());
  else
    SSL_set_connect_state(ssl_.get());
}

TlsStream::~TlsStream() = default;

void TlsStream::needs_no_certificate() {
  if (ssl_ != nullptr) SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER, tls_verify);
}

bool TlsStream::expect_host(const std::string& host) {
  if (ssl_ == nullptr) return false;
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(ssl_.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1) return true;
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size()) == 1 &&
         SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) == 1;
}

// Whether the owner of a certificate that is signed well may be the peer.
bool TlsStream::judge(x509_st* certificate) {
  TlsIdentity peer;
  verdict_ = tls_identity_of(certificate, peer);
  if (verdict_.empty()) verdict_ = tls_refusal(peer, credentials_->self(), allowed_);
  if (verdict_.empty()) peer_ = std::move(peer);
  return verdict_.empty();
}

TlsStream::Handshake TlsStream::handshake() {
  if (failed()) return Handshake::kFailed;
  drained_ = false;
  input_ = kept_;
  int result = 0;
  while (true) {
    ERR_clear_error();
    result = SSL_do_handshake(ssl_.get());
    if (result == 1 || SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) break;
    drained_ = false;  // behind a part of a record may be the end, of which there are no more news
    if (!fill()) break;
  }
  if (result != 1 && SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ) fail(result);
  keep_input();
  if (!flush()) socket_error_ = errno;
  if (socket_error_ != 0 && !failed()) why_ = describe(SSL_ERROR_SYSCALL);
  if (failed()) return Handshake::kFailed;
  if (result != 1 || has_unsent()) return Handshake::kGoesOn;
  hand_over();
  return Handshake::kDone;
}

// All of the handshake has left, and nothing under the key of what follows: there are no tickets.
void TlsStream::hand_over() {
  if (!wants_kernel_ || kernel_sends_) return;
  const uint32_t suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl_.get()));
  kernel_error_ = give_kernel_sending(socket_, suite, secret_);
  kernel_sends_ = kernel_error_ == 0;
  wants_kernel_ = false;
  secret_.wipe();
}

ssize_t TlsStream::receive(std::span<const iovec> into) {
  if (failed()) return errno = EPROTO, -1;
  drained_ = false;
  input_ = kept_;
  size_t total = 0;
  size_t fills_in_vain = 0;
  bool more = true;
  for (size_t i = 0; i < into.size() && more; ++i) {
    auto* const to = static_cast<uint8_t*>(into[i].iov_base);
    for (size_t at = 0; at < into[i].iov_len && more;) {
      size_t got = 0;
      ERR_clear_error();
      const int result = SSL_read_ex(ssl_.get(), to + at, into[i].iov_len - at, &got);
      at += got;
      total += got;
      if (result == 1) continue;
      const int error = SSL_get_error(ssl_.get(), result);
      more = error == SSL_ERROR_WANT_READ && fill();
      // Whoever only changes keys keeps us here for as long as it likes.
      if (more && total == 0 && ++fills_in_vain > kFillsInVain) {
        why_ = "it sends no data";
        more = false;
      }
      if (error == SSL_ERROR_ZERO_RETURN) end_of_input_ = true;
      const bool harmless = error == SSL_ERROR_WANT_READ || end_of_input_ || socket_error_ != 0;
      if (!harmless) fail(result);
    }
  }
  keep_input();
  // OpenSSL would answer before it sends again.
  if (kernel_sends_ && SSL_get_key_update_type(ssl_.get()) != SSL_KEY_UPDATE_NONE && !failed())
    why_ = kAsksForNewKeys;
  flush();  // an alert
  if (total > 0) return static_cast<ssize_t>(total);
  if (failed()) return errno = EPROTO, -1;
  if (end_of_input_) return 0;
  return errno = socket_error_ != 0 ? socket_error_ : EAGAIN, -1;
}

// From the socket. False: nothing is there now, or nothing will come any more.
bool TlsStream::fill() {
  if (drained_ || end_of_input_) return false;
  const std::span<uint8_t> room(scratch_.in);
  ssize_t got = -1;
  do {
    got = ::recv(socket_, room.data(), room.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    drained_ = true;
    if (errno != EAGAIN) socket_error_ = errno;
    return false;
  }
  if (got == 0) {
    end_of_input_ = true;
    return true;  // so that OpenSSL learns of it
  }
  kept_.clear();
  input_ = room.first(static_cast<size_t>(got));
  drained_ = input_.size() < room.size();
  return true;
}

// What was not asked for stays until the next call.
void TlsStream::keep_input() {
  if (input_.empty()) {
    kept_ = {};
  } else if (input_.data() >= kept_.data() && input_.data() < kept_.data() + kept_.size()) {
    kept_.erase(kept_.begin(), kept_.end() - static_cast<ptrdiff_t>(input_.size()));
  } else {
    kept_.assign(input_.begin(), input_.end());
  }
  input_ = {};
}

ssize_t TlsStream::send(std::span<const iovec> from) {
  if (failed()) return errno = EPROTO, -1;
  if (!flush()) return -1;
  if (has_unsent()) return errno = EAGAIN, -1;
  if (kernel_sends_) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(from.data());
    message.msg_iovlen = from.size();
    return ::sendmsg(socket_, &message, MSG_NOSIGNAL);
  }
  std::vector<uint8_t>& record = scratch_.record;
  size_t filled = 0;
  size_t total = 0;
  const auto full = [&] { return scratch_.out.size() >= kTlsScratchBytes; };
  for (size_t i = 0; i < from.size() && !full(); ++i) {
    const auto* const bytes = static_cast<const uint8_t*>(from[i].iov_base);
    for (size_t at = 0; at < from[i].iov_len && !full();) {
      const size_t left = from[i].iov_len - at;
      const size_t count = std::min(left, record.size() - filled);
      if (count == record.size()) {  // a whole record: without a copy
        if (!write(bytes + at, count)) return -1;
      } else {
        std::memcpy(record.data() + filled, bytes + at, count);
        filled += count;
        if (filled == record.size() && !write(record.data(), std::exchange(filled, 0))) return -1;
      }
      at += count;
      total += count;
    }
  }
  if (filled > 0 && !write(record.data(), filled)) return -1;
  if (!flush()) return -1;
  return static_cast<ssize_t>(total);
}

bool TlsStream::write(const uint8_t* bytes, size_t count) {
  ERR_clear_error();
  size_t written = 0;
  const int result = SSL_write_ex(ssl_.get(), bytes, count, &written);
  if (result == 1 && written == count) return true;
  fail(result);
  scratch_.out.clear();
  errno = EPROTO;
  return false;
}

// Sends what was encrypted; the rest is unsent_. False: the socket is broken, errno says how.
bool TlsStream::flush() {
  std::vector<uint8_t>& out = scratch_.out;
  unsent_.insert(unsent_.end(), unsent_.empty() ? out.end() : out.begin(), out.end());
  const std::span<const uint8_t> bytes = unsent_.empty() ? std::span<const uint8_t>(out) : unsent_;
  ssize_t sent = 0;
  if (!bytes.empty()) {
    do {
      sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
  }
  const bool broken = sent < 0 && errno != EAGAIN;
  const int error = errno;
  const size_t gone = sent < 0 ? 0 : static_cast<size_t>(sent);
  if (broken || gone == bytes.size()) {
    unsent_ = {};
  } else if (unsent_.empty()) {
    unsent_.assign(out.begin() + static_cast<ptrdiff_t>(gone), out.end());
  } else {
    unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<ptrdiff_t>(gone));
  }
  out.clear();
  errno = error;
  return !broken;
}

void TlsStream::say_end() {
  if (ssl_ == nullptr || failed() || SSL_is_init_finished(ssl_.get()) == 0) return;
  if (kernel_sends_) {
    send_kernel_alert(socket_, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
    return;
  }
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  flush();
}

void TlsStream::fail(int result) {
  why_ = describe(SSL_get_error(ssl_.get(), result));
  ERR_clear_error();
}

std::string TlsStream::describe(int error) const {
  if (!verdict_.empty()) return verdict_;
  if (socket_error_ == ECONNRESET || socket_error_ == EPIPE) return kTlsHungUp;
  if (socket_error_ != 0) return std::strerror(socket_error_);
  const unsigned long code = ERR_peek_error();
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
