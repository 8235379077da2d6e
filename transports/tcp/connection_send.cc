// The sending half of a connection: all messages that wait leave in one system call.
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "transports/tcp/connection.h"

namespace varve {
namespace {

// The pieces of one sendmsg.
struct Pieces {
  std::array<iovec, kSendVectors> vectors;
  size_t count = 0;
  uint64_t bytes = 0;

  // Adds `length` bytes at `data` but for the first `skip`, which is reduced by what was left out.
  void add(const void* data, uint64_t length, uint64_t& skip) {
    const uint64_t left_out = std::min(skip, length);
    skip -= left_out;
    if (left_out == length) return;
    auto* from = static_cast<char*>(const_cast<void*>(data)) + left_out;
    vectors[count++] = {from, length - left_out};
    bytes += length - left_out;
  }
};

}  // namespace

int32_t TcpConnection::send(const varve_message& message, uint32_t payload_bytes, uint64_t op_id) {
  const uint64_t bytes = uint64_t{kFrameBytes} + message.header_bytes + payload_bytes;
  const bool too_much = !out_.empty() && out_.bytes() + bytes > kMaxQueuedBytes;
  if (too_much || out_.count() >= kMaxQueuedSends) {
    wants_room_ = true;
    return VARVE_E_AGAIN;
  }
  QueuedSend& send = out_.next();
  send.op_id = op_id;
  send.head_bytes = kFrameBytes + message.header_bytes;
  send.payload_bytes = payload_bytes;
  send.slice_count = message.slice_count;
  std::copy_n(message.slices, message.slice_count, send.slices.begin());
  encode_frame({static_cast<uint16_t>(message.header_bytes), payload_bytes}, send.head.data());
  std::memcpy(send.head.data() + kFrameBytes, message.header, message.header_bytes);
  out_.push();
  return VARVE_OK;
}

void TcpConnection::send_all() {
  bool more = true;
  while (more && !over() && !blocked_ && !nothing_to_send()) more = send_once();
  if (blocked_ != asked_for_room_ && !over()) ask_for_room(blocked_);
  const bool room = out_.count() <= kMaxQueuedSends / 2 && out_.bytes() <= kMaxQueuedBytes / 2;
  if (!wants_room_ || !room || leaving()) return;
  wants_room_ = false;
  shard_.events.writable(id_);
}

// False: the connection is gone or the socket takes no more now.
bool TcpConnection::send_once() {
  Pieces pieces;
  uint64_t skip = front_sent_;
  for (size_t i = 0; i < out_.count(); ++i) {
    QueuedSend& send = out_.at(i);
    if (pieces.count + 1 + send.slice_count > kSendVectors) break;
    pieces.add(send.head.data(), send.head_bytes, skip);
    for (uint32_t slice = 0; slice < send.slice_count; ++slice)
      pieces.add(send.slices[slice].data, send.slices[slice].bytes, skip);
  }
  msghdr message{};
  message.msg_iov = pieces.vectors.data();
  message.msg_iovlen = pieces.count;
  const ssize_t result = tls_ == nullptr
                             ? ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL)
                             : tls_->send(std::span(pieces.vectors).first(pieces.count));
  if (result < 0 && errno == EINTR) return true;
  if (result < 0 && errno != EAGAIN) {
    end(VARVE_E_IO,
        tls_ != nullptr && errno == EPROTO ? tls_->why().c_str() : std::strerror(errno));
    return false;
  }
  const uint64_t bytes = result < 0 ? 0 : static_cast<uint64_t>(result);
  sent(bytes);
  // A stream that encrypts takes some at a time, and keeps what the socket did not take.
  const bool kernel_sends = tls_ == nullptr || tls_->kernel_sends();
  blocked_ = kernel_sends ? bytes < pieces.bytes : tls_->has_unsent();
  return !blocked_;
}

// Strikes `bytes` off what is to be sent; messages that have left whole are done with.
void TcpConnection::sent(uint64_t bytes) {
  front_sent_ += bytes;
  while (!out_.empty() && front_sent_ >= out_.at(0).bytes()) {
    front_sent_ -= out_.at(0).bytes();
    shard_.events.done(id_, out_.at(0).op_id, VARVE_OK);
    out_.pop();
  }
}

}  // namespace varve
