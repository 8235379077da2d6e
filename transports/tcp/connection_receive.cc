// The receiving half of a connection: from the socket to RECEIVED.
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transports/tcp/connection.h"

namespace varve {

// True: there may be more, and it is somebody else's turn or the host has to take events first.
bool TcpConnection::receive() {
  for (uint32_t i = 0; i < kReceivesPerTurn; ++i) {
    if (carry_at_ < carry_.size()) {
      carry_at_ += parse(std::span(carry_).subspan(carry_at_));
      if (over() || lacks_buffer_) return false;
    }
    if (!shard_.events.room()) return true;
    if (!readable_) return false;
    if (!read_socket()) return !over() && !shard_.events.room();
  }
  return !over() && !lacks_buffer_ && (readable_ || !shard_.events.room());
}

// False: nothing more to read now.
bool TcpConnection::read_socket() {
  // What was left over goes first, so that the parser sees one piece. It is shorter than a frame
  // and a header.
  uint8_t* const buffer = shard_.read_ahead.data();
  const size_t kept = carry_.size() - carry_at_;
  std::copy(carry_.begin() + static_cast<ptrdiff_t>(carry_at_), carry_.end(), buffer);
  iovec pieces[2];
  size_t count = 0;
  const size_t direct = arriving_left_;
  if (direct > 0)
    pieces[count++] = {arriving_.data + (arriving_frame_.payload_bytes - direct), direct};
  const size_t ahead = std::min<size_t>(read_ahead_, kReceiveBytes - kept);
  pieces[count++] = {buffer + kept, ahead};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = count;
  const ssize_t result = ::recvmsg(socket_.get(), &message, 0);
  if (result < 0 && errno == EINTR) return true;
  if (result < 0 && errno == EAGAIN) return readable_ = false;
  if (result < 0) return end(VARVE_E_IO, std::strerror(errno)), false;
  if (result == 0) return end(VARVE_E_CLOSED, nullptr), false;

  const size_t got = static_cast<size_t>(result);
  const size_t direct_got = std::min(got, direct);
  if (direct_got > 0) payload_arrived(direct_got);
  const std::span<const uint8_t> bytes(buffer, kept + got - direct_got);
  keep_rest(bytes, parse(bytes));
  // Less than asked for: the socket is empty, and epoll will tell when that changes.
  if (got < direct + ahead && !hung_up_) readable_ = false;
  return !over() && !lacks_buffer_;
}

void TcpConnection::keep_rest(std::span<const uint8_t> bytes, size_t used) {
  const auto rest = bytes.subspan(used);
  carry_at_ = 0;
  if (rest.empty() && carry_.capacity() > 4096) carry_ = {};  // many idle peers
  carry_.assign(rest.begin(), rest.end());
}

// Returns how much of `bytes` is done with; the rest is to be offered again.
size_t TcpConnection::parse(std::span<const uint8_t> bytes) {
  lacks_buffer_ = false;
  size_t used = 0;
  bool go_on = true;
  while (go_on && !over() && shard_.events.room()) {
    size_t step = 0;
    go_on = parse_message(bytes.subspan(used), step);
    used += step;
  }
  return over() ? bytes.size() : used;
}

// Takes a message, or its beginning, or a part of the payload that is on its way. False: this
// needs more bytes or a buffer.
bool TcpConnection::parse_message(std::span<const uint8_t> bytes, size_t& used) {
  if (arriving_left_ > 0) {
    used = std::min<uint64_t>(bytes.size(), arriving_left_);
    if (used == 0) return false;
    std::memcpy(arriving_.data + (arriving_frame_.payload_bytes - arriving_left_), bytes.data(),
                used);
    payload_arrived(used);
    return true;
  }
  if (bytes.size() < kFrameBytes) return false;
  Frame frame;
  if (const char* wrong = decode_frame(bytes.data(), frame); wrong != nullptr)
    return end(VARVE_E_DAMAGED, wrong), false;
  const size_t head_bytes = size_t{kFrameBytes} + frame.header_bytes;
  if (bytes.size() < head_bytes) return false;
  const auto header = bytes.subspan(kFrameBytes, frame.header_bytes);
  if (frame.payload_bytes == 0) {
    read_ahead_ = kReceiveBytes;
    shard_.events.received(id_, header, 0, 0);
    used = head_bytes;
    return true;
  }
  arriving_ = shard_.buffers.take(frame.payload_bytes);
  if (arriving_.data == nullptr) {
    lacks_buffer_ = true;
    return false;
  }
  read_ahead_ = frame.payload_bytes > kCopiedPayloadBytes ? kFrameBytes + VARVE_HEADER_BYTES_MAX
                                                          : kReceiveBytes;
  arriving_frame_ = frame;
  arriving_left_ = frame.payload_bytes;
  std::copy(header.begin(), header.end(), arriving_header_.begin());
  used = head_bytes;
  return true;
}

void TcpConnection::payload_arrived(uint64_t bytes) {
  arriving_left_ -= bytes;
  if (arriving_left_ > 0) return;
  const ReceiveBuffer buffer = std::exchange(arriving_, {});
  const auto header = std::span(arriving_header_).first(arriving_frame_.header_bytes);
  shard_.events.received(id_, header, buffer.op_id, arriving_frame_.payload_bytes);
}

}  // namespace varve
