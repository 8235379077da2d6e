// The receiving half of a connection: from the socket to submitted requests.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "plugins/nbd/connection.h"
#include "plugins/nbd/protocol.h"

namespace varve {

// True: there may be more to read, and it is somebody else's turn.
bool Connection::receive() {
  resume();
  bool more = true;
  for (uint32_t i = 0; i < kReceivesPerTurn && more; ++i) more = may_read() && read_socket();
  watch_client();
  return more && may_read();
}

bool Connection::may_read() const {
  // A client that does not take the replies to its options gets no more of them.
  const bool held_back = phase_ == Phase::kHandshake && (asks_host_ || blocked_);
  return socket_.valid() && readable_ && !held_back && stall_ == Stall::kNone &&
         phase_ != Phase::kDraining && phase_ != Phase::kTls;
}

// Goes on with what had to wait: a request that the host had no room for, bytes not parsed.
void Connection::resume() {
  if (stall_ != Stall::kNone) {
    stall_ = Stall::kNone;
    if (waiting_ != nullptr) submit(std::exchange(waiting_, nullptr));
  }
  if (carry_.empty() || asks_host_ || stall_ != Stall::kNone || !socket_.valid()) return;
  carry_at_ += parse(std::span(carry_).subspan(carry_at_));
  if (carry_at_ == carry_.size()) {
    carry_ = {};
    carry_at_ = 0;
  }
}

// False: nothing more to read now.
bool Connection::read_socket() {
  // What was left over goes first, so that the parser sees one piece. It is always shorter than the
  // buffer: a part of a request's header or of a handshake option.
  uint8_t* const buffer = shard_.receive_buffer.data();
  const size_t kept = carry_.size() - carry_at_;
  std::copy(carry_.begin() + static_cast<ptrdiff_t>(carry_at_), carry_.end(), buffer);
  iovec pieces[2];
  size_t count = 0;
  const size_t direct = arriving_ != nullptr && arriving_->buffer != nullptr ? arriving_left_ : 0;
  if (direct > 0)
    pieces[count++] = {arriving_->buffer + (arriving_->buffer_bytes - arriving_left_), direct};
  const size_t ahead = std::min<size_t>(read_ahead_, kReceiveBytes - kept);
  pieces[count++] = {buffer + kept, ahead};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = count;
  const ssize_t result =
      tls_ == nullptr ? ::recvmsg(socket_.get(), &message, 0) : tls_->receive({pieces, count});
  if (result < 0 && errno == EINTR) return true;
  // Behind what a stream has taken may be the end, of which there are no more news.
  if (result < 0 && errno == EAGAIN) return readable_ = hung_up_;
  if (result < 0) return end(lost(errno)), false;
  if (result == 0) return drain(), false;

  const size_t got = static_cast<size_t>(result);
  received_bytes_ += got;
  const size_t direct_got = std::min(got, direct);
  if (direct_got > 0) payload_arrived(direct_got);
  const std::span<const uint8_t> bytes(buffer, kept + got - direct_got);
  keep_rest(bytes, parse(bytes));
  // Less than asked for: the socket is empty, and epoll will tell when that changes.
  const bool broken = tls_ != nullptr && tls_->failed();
  if (got < direct + ahead && !hung_up_ && !broken) readable_ = false;
  return readable_;
}

void Connection::keep_rest(std::span<const uint8_t> bytes, size_t used) {
  const auto rest = bytes.subspan(used);
  carry_at_ = 0;
  if (rest.empty() && carry_.capacity() > kNbdRequestBytes) carry_ = {};  // many idle clients
  carry_.assign(rest.begin(), rest.end());
}

// Gives the client a time to go on when the next move is its own: it has sent a part of something.
void Connection::watch_client() {
  const bool partial = arriving_ != nullptr || carry_at_ < carry_.size();
  if (phase_ != Phase::kTransmission || !partial || stall_ != Stall::kNone) {
    in_watch_.end();
  } else if (!readable_) {
    in_watch_.begin(now_ms(), shard_.request_timeout_ms, received_bytes_);
    shard_.deadlines.want(in_watch_.deadline_ms());
  }
}

// Returns how much of `bytes` is done with; the rest is to be offered again.
size_t Connection::parse(std::span<const uint8_t> bytes) {
  size_t used = 0;
  bool go_on = true;
  while (go_on && socket_.valid() && phase_ != Phase::kDraining && stall_ == Stall::kNone) {
    size_t step = 0;
    const auto rest = bytes.subspan(used);
    go_on = phase_ == Phase::kHandshake ? parse_option(rest, step) : parse_one_request(rest, step);
    used += step;
  }
  const bool over = !socket_.valid() || phase_ == Phase::kDraining;
  return over ? bytes.size() : used;
}

bool Connection::parse_option(std::span<const uint8_t> bytes, size_t& used) {
  if (asks_host_) return false;
  follow(handshake_.consume(bytes, used, handshake_out_));
  if (phase_ == Phase::kTls) return begin_tls(used < bytes.size()), false;
  return used > 0 && !asks_host_;
}

bool Connection::parse_one_request(std::span<const uint8_t> bytes, size_t& used) {
  if (arriving_ != nullptr) {
    used = std::min<uint64_t>(bytes.size(), arriving_left_);
    if (used == 0) return false;
    if (arriving_->buffer != nullptr)
      std::memcpy(arriving_->buffer + (arriving_->buffer_bytes - arriving_left_), bytes.data(),
                  used);
    payload_arrived(used);
    return true;
  }
  NbdRequest request;
  const NbdParse parsed = parse_request(bytes, request);
  if (parsed == NbdParse::kMore) return false;
  if (parsed == NbdParse::kGarbage) return end("sent bytes that are no NBD request"), false;
  if (request.type == kNbdCmdDisconnect) return drain(), false;

  const NbdRefusal refusal = check_request(request, session_);
  const bool has_data = request.type == kNbdCmdRead || request.type == kNbdCmdWrite;
  Operation* operation = admit(request, has_data && refusal.error == 0 ? request.bytes : 0);
  if (operation == nullptr) return false;
  used = kNbdRequestBytes;
  const uint32_t payload = payload_bytes(request);
  const bool direct = operation->buffer != nullptr && payload > kCopiedWriteBytes;
  read_ahead_ = direct ? kNbdRequestBytes : kReceiveBytes;
  if (payload > 0) {
    arriving_ = operation;
    arriving_left_ = payload;
    arriving_refusal_ = refusal;
    return true;
  }
  if (refusal.error == 0) {
    submit(operation);
  } else {
    refuse(*operation, refusal);
  }
  return true;
}

// The data of a refused write has no buffer and is dropped, for the stream must go on behind it.
void Connection::payload_arrived(uint64_t bytes) {
  arriving_left_ -= bytes;
  if (arriving_left_ > 0) return;
  Operation* operation = std::exchange(arriving_, nullptr);
  in_watch_.end();
  if (operation->buffer != nullptr) {
    submit(operation);
  } else {
    refuse(*operation, arriving_refusal_);
  }
}

}  // namespace varve
