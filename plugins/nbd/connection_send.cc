// The sending half of a connection: all replies that are ready leave in one system call.
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "plugins/nbd/connection.h"

namespace varve {
namespace {

// The pieces of one sendmsg.
struct Pieces {
  std::array<iovec, kReplyVectors> vectors;
  size_t count = 0;
  size_t bytes = 0;

  // Adds `length` bytes at `data` but for the first `skip`, which is reduced by what was left out.
  void add(const void* data, size_t length, size_t& skip) {
    const size_t left_out = std::min(skip, length);
    skip -= left_out;
    if (left_out == length) return;
    auto* from = static_cast<char*>(const_cast<void*>(data)) + left_out;
    vectors[count++] = {from, length - left_out};
    bytes += length - left_out;
  }
};

}  // namespace

void Connection::send() {
  bool more = true;
  while (more && socket_.valid() && !blocked_ && !nothing_to_send()) more = send_once();
  if (blocked_) return;
  out_watch_.end();
  if (asked_for_room_) ask_for_room(false);
}

// False: the connection is gone or the socket takes no more now.
bool Connection::send_once() {
  Pieces pieces;
  size_t handshake_skip = handshake_at_;
  pieces.add(handshake_out_.data(), handshake_out_.size(), handshake_skip);
  size_t skip = front_sent_;
  for (const Operation* operation : out_) {
    if (pieces.count + 2 > kReplyVectors) break;
    pieces.add(operation->head.bytes.data(), operation->head.length, skip);
    pieces.add(operation->body.data(), operation->body.size(), skip);
  }
  msghdr message{};
  message.msg_iov = pieces.vectors.data();
  message.msg_iovlen = pieces.count;
  const ssize_t result = tls_ == nullptr
                             ? ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL)
                             : tls_->send(std::span(pieces.vectors).first(pieces.count));
  if (result < 0 && errno == EINTR) return true;
  if (result < 0 && errno != EAGAIN) return end(lost(errno)), false;
  const size_t bytes = result < 0 ? 0 : static_cast<size_t>(result);
  sent(bytes);
  // A stream takes some at a time, and keeps what the socket did not take.
  if (tls_ == nullptr ? bytes == pieces.bytes : !tls_->has_unsent()) return true;
  blocked_ = true;
  out_watch_.begin(now_ms(), shard_.reply_timeout_ms, sent_bytes_);
  shard_.deadlines.want(out_watch_.deadline_ms());
  if (!asked_for_room_) ask_for_room(true);
  return false;
}

// Strikes `bytes` off what is to be sent; replies that have left whole are done with.
void Connection::sent(size_t bytes) {
  sent_bytes_ += bytes;
  const size_t handshake = std::min(bytes, handshake_out_.size() - handshake_at_);
  handshake_at_ += handshake;
  if (handshake_at_ == handshake_out_.size()) {
    handshake_out_.clear();
    handshake_at_ = 0;
  }
  front_sent_ += bytes - handshake;
  while (!out_.empty()) {
    const size_t length = out_.front()->head.length + out_.front()->body.size();
    if (front_sent_ < length) return;
    front_sent_ -= length;
    give_back(out_.front());
    out_.pop_front();
  }
}

// Only while the socket is full: a unix socket would report room after every reply.
void Connection::ask_for_room(bool on) {
  asked_for_room_ = on;
  if (!socket_.valid()) return;
  epoll_event interest{};
  interest.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  if (on) interest.events |= EPOLLOUT;
  interest.data.ptr = this;
  ::epoll_ctl(shard_.epoll.get(), EPOLL_CTL_MOD, socket_.get(), &interest);
}

}  // namespace varve
