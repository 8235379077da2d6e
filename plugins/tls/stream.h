// TlsStream: TLS on a connected non-blocking socket, with calls that behave as recvmsg and sendmsg
// do. Few system calls: what the socket has is taken in large pieces, and records leave together.
//
// Between two calls a stream holds only what did not fit: bytes that came and that nobody has asked
// for, at most kTlsScratchBytes, and records that the socket did not take, at most twice that.
//
// If it is asked to, and the kernel can, a stream leaves encrypting to the kernel when the
// handshake is done. Everything that comes is decrypted here.
//
// Thread rule: one thread, the one that the scratch belongs to. Ownership: borrows the socket and
// the scratch; shares the credentials.
// Errors: -1 and errno as the system calls have them, EPROTO for what is no good TLS; why() is for
// the log. After EPROTO every call fails.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plugins/tls/session.h"

namespace varve {

inline constexpr size_t kTlsScratchBytes = 128 * 1024;

// Room that all streams of one thread share; holds nothing between two calls.
struct TlsScratch {
  std::vector<uint8_t> in = std::vector<uint8_t>(kTlsScratchBytes);
  std::vector<uint8_t> out;  // records; grows to what one call makes
  std::vector<uint8_t> record = std::vector<uint8_t>(16 * 1024);
};

class TlsStream {
 public:
  using Side = TlsSession::Side;
  enum class Handshake : uint8_t { kDone, kGoesOn, kFailed };

  // `allowed`: what the peer's role must be.
  TlsStream(std::shared_ptr<const TlsCredentials> credentials, TlsRoles allowed, Side side,
            int socket, TlsScratch& scratch);
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream();

  // Before the handshake. Of a server: a peer without a certificate is fine, and peer() is then
  // nobody. Of a client: the certificate must be for this host name or IP address.
  void needs_no_certificate() { session_.needs_no_certificate(); }
  bool expect_host(const std::string& host) { return session_.expect_host(host); }
  // When the handshake is done the kernel is to encrypt what is sent; if it cannot, we do.
  void want_kernel() {
    wants_kernel_ = true;
    session_.want_secret();
  }

  // Goes as far as the socket lets it. kFailed: why() says why; the peer has been told.
  Handshake handshake();
  // Who the peer has proven to be, when the handshake is done. Nobody has no name.
  const TlsIdentity& peer() const { return session_.peer(); }
  const std::string& why() const { return why_; }
  // Whether the kernel encrypts what is sent: then what send() took is the kernel's, all of it, and
  // a peer that asks for new keys ends the stream.
  bool kernel_sends() const { return kernel_sends_; }
  int kernel_error() const { return kernel_error_; }  // why it does not though it was wanted

  // As recvmsg: 0 is the peer's end; but a short count means that nothing more is there now,
  // unless failed().
  ssize_t receive(std::span<const iovec> into);
  // As sendmsg: how many bytes are taken; some of them may still be here, has_unsent().
  ssize_t send(std::span<const iovec> from);
  bool has_unsent() const { return !unsent_.empty(); }
  bool failed() const { return !why_.empty(); }
  // Bytes that came before the stream was made, and belong to it.
  void give(std::span<const uint8_t> bytes) { kept_.assign(bytes.begin(), bytes.end()); }
  // Tells the peer that nothing follows, if there is room.
  void say_end();

 private:
  friend struct TlsBio;
  ssl_st* ssl() const { return session_.ssl(); }
  void hand_over();
  bool fill();
  void keep_input();
  bool flush();
  bool write(const uint8_t* bytes, size_t count);
  void fail(int result);
  std::string describe(int error) const;

  TlsSession session_;
  const int socket_;
  TlsScratch& scratch_;
  std::string why_;
  std::span<const uint8_t> input_;  // of the call that runs; in scratch_.in or kept_
  std::vector<uint8_t> kept_;       // came, not decrypted yet
  std::vector<uint8_t> unsent_;     // encrypted, not sent yet
  bool drained_ = false;            // of the call that runs: the socket has no more
  bool end_of_input_ = false;
  int socket_error_ = 0;
  bool wants_kernel_ = false;
  bool kernel_sends_ = false;
  int kernel_error_ = 0;
};

}  // namespace varve
