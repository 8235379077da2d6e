#include "core/daemon/admin_peer.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "core/daemon/admin_http.h"
#include "core/daemon/admin_listener.h"
#include "core/daemon/request_bytes.h"

namespace varve {
namespace {

constexpr int64_t kRequestMs = 10'000;  // handshake and request
constexpr int64_t kReplyMs = 30'000;
constexpr int64_t kLeavingMs = 1'000;

}  // namespace

AdminPeer::AdminPeer(UniqueFd socket, std::shared_ptr<const TlsCredentials> credentials,
                     bool certificate_is_optional, TlsScratch& scratch, int64_t now_ms)
    : socket_(std::move(socket)),
      asker_{admin_peer_name(socket_.get()), {}},
      state_(credentials == nullptr ? State::kRequest : State::kHandshake),
      deadline_ms_(now_ms + kRequestMs) {
  if (credentials == nullptr) return;
  tls_ = std::make_unique<TlsStream>(std::move(credentials),
                                     TlsRoles{TlsRole::kAdmin, TlsRole::kMonitor},
                                     TlsStream::Side::kServer, socket_.get(), scratch);
  if (certificate_is_optional) tls_->needs_no_certificate();
}

short AdminPeer::interest() const {
  switch (state_) {
    case State::kHandshake:
      return has_unsent() ? POLLIN | POLLOUT : POLLIN;
    case State::kRequest:
    case State::kLeaving:
      return POLLIN;
    case State::kReply:
      return POLLOUT;
    case State::kWhole:
    case State::kAsked:
    case State::kGone:
      break;
  }
  return 0;
}

void AdminPeer::go_on(int64_t now_ms) {
  if (state_ == State::kHandshake) shake_hands(now_ms);
  if (state_ == State::kRequest) receive(now_ms);
  if (state_ == State::kReply) send(now_ms);
  if (state_ == State::kLeaving) see_off();
}

void AdminPeer::shake_hands(int64_t now_ms) {
  switch (tls_->handshake()) {
    case TlsStream::Handshake::kGoesOn:
      return;
    case TlsStream::Handshake::kDone:
      asker_.proven = tls_->peer();
      state_ = State::kRequest;
      return;
    case TlsStream::Handshake::kFailed:
      news_ = tls_->why();
      return leave(now_ms);
  }
}

void AdminPeer::receive(int64_t now_ms) {
  std::array<char, 16 * 1024> piece;
  while (state_ == State::kRequest) {
    const ssize_t got = receive_some(piece.data(), piece.size());
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0 && tls_ != nullptr && tls_->failed()) news_ = tls_->why();
    if (got <= 0) {
      state_ = State::kGone;
      return;
    }
    in_.append(piece.data(), static_cast<size_t>(got));
    const RequestBytes request = look_at_request(in_);
    if (request.whole) {
      in_.resize(request.head_bytes + request.body_bytes);
      state_ = State::kWhole;
    } else if (request.status != 0) {
      news_ = request.wrong;
      answer(AdminDoor::refusal(request.status, request.wrong), now_ms);
    }
  }
}

std::string AdminPeer::take_request() {
  state_ = State::kAsked;
  deadline_ms_ = INT64_MAX;  // the answer comes by itself
  return std::exchange(in_, {});
}

void AdminPeer::answer(std::string bytes, int64_t now_ms) {
  out_ = std::move(bytes);
  state_ = State::kReply;
  deadline_ms_ = now_ms + kReplyMs;
  send(now_ms);
}

void AdminPeer::send(int64_t now_ms) {
  while (sent_ < out_.size() || has_unsent()) {
    const ssize_t count = send_some(std::string_view(out_).substr(sent_));
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) {
      state_ = State::kGone;
      return;
    }
    sent_ += static_cast<size_t>(count);
  }
  leave(now_ms);
}

// What the other side still sends must not make the kernel throw away what it has not read yet.
void AdminPeer::leave(int64_t now_ms) {
  if (tls_ != nullptr) tls_->say_end();
  ::shutdown(socket_.get(), SHUT_WR);
  state_ = State::kLeaving;
  deadline_ms_ = now_ms + kLeavingMs;
}

void AdminPeer::see_off() {
  std::array<char, 16 * 1024> piece;
  const ssize_t got = ::recv(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  const bool goes_on = got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  if (!goes_on) state_ = State::kGone;
}

void AdminPeer::time_is_up() {
  if (state_ == State::kHandshake) news_ = "no TLS handshake in time";
  if (state_ == State::kRequest) news_ = "no request in time";
  if (state_ == State::kReply) news_ = "answer not taken in time";
  state_ = State::kGone;
}

ssize_t AdminPeer::receive_some(char* to, size_t room) {
  const iovec into{to, room};
  if (tls_ != nullptr) return tls_->receive({&into, 1});
  ssize_t got = -1;
  do {
    got = ::recv(socket_.get(), to, room, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  return got;
}

ssize_t AdminPeer::send_some(std::string_view bytes) {
  const iovec from{const_cast<char*>(bytes.data()), bytes.size()};
  if (tls_ != nullptr) return tls_->send({&from, 1});
  ssize_t count = -1;
  do {
    count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return count;
}

}  // namespace varve
