#include "plugins/tls/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
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

TlsStream::TlsStream(std::shared_ptr<const TlsCredentials> credentials, TlsRoles allowed, Side side,
                     int socket, TlsScratch& scratch)
    : session_(std::move(credentials), allowed, side), socket_(socket), scratch_(scratch) {
  BIO* const bio = ssl() == nullptr ? nullptr : BIO_new(TlsBio::method());
  if (bio == nullptr) {
    why_ = "out of memory";
    return;
  }
  BIO_set_data(bio, this);
  SSL_set_bio(ssl(), bio, bio);
}

TlsStream::~TlsStream() = default;

TlsStream::Handshake TlsStream::handshake() {
  if (failed()) return Handshake::kFailed;
  drained_ = false;
  input_ = kept_;
  int result = 0;
  while (true) {
    ERR_clear_error();
    result = SSL_do_handshake(ssl());
    if (result == 1 || SSL_get_error(ssl(), result) != SSL_ERROR_WANT_READ) break;
    drained_ = false;  // behind a part of a record may be the end, of which there are no more news
    if (!fill()) break;
  }
  if (result != 1 && SSL_get_error(ssl(), result) != SSL_ERROR_WANT_READ) fail(result);
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
  const uint32_t suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl()));
  kernel_error_ = give_kernel_sending(socket_, suite, session_.secret());
  kernel_sends_ = kernel_error_ == 0;
  wants_kernel_ = false;
  session_.secret().wipe();
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
      const int result = SSL_read_ex(ssl(), to + at, into[i].iov_len - at, &got);
      at += got;
      total += got;
      if (result == 1) continue;
      const int error = SSL_get_error(ssl(), result);
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
  if (kernel_sends_ && SSL_get_key_update_type(ssl()) != SSL_KEY_UPDATE_NONE && !failed())
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
  const int result = SSL_write_ex(ssl(), bytes, count, &written);
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
  if (ssl() == nullptr || failed() || SSL_is_init_finished(ssl()) == 0) return;
  if (kernel_sends_) {
    send_kernel_alert(socket_, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY);
    return;
  }
  ERR_clear_error();
  SSL_shutdown(ssl());
  flush();
}

void TlsStream::fail(int result) {
  why_ = describe(SSL_get_error(ssl(), result));
  ERR_clear_error();
}

std::string TlsStream::describe(int error) const {
  if (socket_error_ == 0) return session_.why(error);
  std::string why = session_.why(SSL_ERROR_SYSCALL);  // a verdict comes first
  const bool hung_up = socket_error_ == ECONNRESET || socket_error_ == EPIPE;
  return hung_up || why != kTlsHungUp ? why : std::strerror(socket_error_);
}

}  // namespace varve
