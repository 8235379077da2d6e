// The receiving half of a connection: from the socket to RECEIVED.
#include <sys/socket.h>

#include <algorithm>
#include <array>
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
  carry_.clear();
  carry_at_ = 0;
  std::array<iovec, 2 + 2 * kMaxLandings> pieces;
  size_t count = 0;
  const size_t direct = arriving_left_;
  if (direct > 0)
    pieces[count++] = {arriving_.data + (arriving_frame_.payload_bytes - direct), direct};
  Landing landing = expect_landing(kept);
  size_t used = kept;
  for (size_t i = 0; i < landing.count; ++i) {
    const size_t head_end = (i + 1) * landing.head_bytes;
    pieces[count++] = {buffer + used, head_end - used};
    pieces[count++] = {landing.buffers[i].data, expected_.payload_bytes};
    used = head_end;
  }
  pieces[count++] = {buffer + used, std::min<size_t>(read_ahead_, kReceiveBytes - used)};
  size_t asked = 0;
  for (size_t i = 0; i < count; ++i) asked += pieces[i].iov_len;
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  const ssize_t result = tls_ == nullptr ? ::recvmsg(socket_.get(), &message, 0)
                                         : tls_->receive(std::span(pieces).first(count));
  const int error = errno;
  const size_t got = result < 0 ? 0 : static_cast<size_t>(result);
  if (got > 0) ++shard_.received_count;
  const size_t direct_got = std::min(got, direct);
  if (direct_got > 0) payload_arrived(direct_got);
  take_received(landing, kept + got - direct_got);
  if (result < 0 && error == EINTR) return true;
  // Behind what a stream has taken may be the end, of which there are no more news.
  if (result < 0 && error == EAGAIN) return readable_ = hung_up_;
  if (result < 0)
    end(VARVE_E_IO,
        tls_ != nullptr && error == EPROTO ? tls_->why().c_str() : std::strerror(error));
  if (result == 0) end(VARVE_E_CLOSED, nullptr);
  // Less than asked for: the socket is empty, and epoll will tell when that changes.
  const bool broken = tls_ != nullptr && tls_->failed();
  if (got < asked && !hung_up_ && !broken) readable_ = false;
  return !over() && !lacks_buffer_;
}

// The next messages are likely to look like the last one: their payloads get buffers at once. What
// comes otherwise is put in order by take_received.
TcpConnection::Landing TcpConnection::expect_landing(size_t kept) {
  Landing landing;
  landing.head_bytes = size_t{kFrameBytes} + expected_.header_bytes;
  const uint64_t payload_bytes = expected_.payload_bytes;
  if (payload_bytes == 0 || kept >= landing.head_bytes) return landing;
  const size_t count = std::min<size_t>(expected_count_, kMaxLandedBytes / payload_bytes);
  while (landing.count < count) {
    const ReceiveBuffer buffer = shard_.buffers.take(payload_bytes);
    if (buffer.data == nullptr) break;
    landing.buffers[landing.count++] = buffer;
  }
  return landing;
}

// `bytes` have come behind the payload that was arriving: heads in the read-ahead buffer, between
// them payloads in the landing's buffers.
void TcpConnection::take_received(Landing& landing, size_t bytes) {
  const uint8_t* const buffer = shard_.read_ahead.data();
  const size_t head_bytes = landing.head_bytes;
  size_t landed = 0;
  while (landed < landing.count && bytes >= head_bytes && shard_.events.room()) {
    const uint8_t* const head = buffer + landed * head_bytes;
    Frame frame;
    if (decode_frame(head, frame) != nullptr || frame != expected_) break;
    begin_payload(frame, landing.buffers[landed++], head + kFrameBytes);
    const size_t payload = std::min<size_t>(bytes - head_bytes, frame.payload_bytes);
    bytes -= head_bytes + payload;
    payload_arrived(payload);
  }
  const bool as_expected = landed == landing.count;
  if (landed > 0 || bytes > 0) expected_count_ = std::min(landed + 1, kMaxLandings);
  if (!as_expected) {
    for (size_t i = landed; i < landing.count && bytes > 0; ++i) {
      append_carry(buffer + i * head_bytes, head_bytes, bytes);
      append_carry(landing.buffers[i].data, expected_.payload_bytes, bytes);
    }
    append_carry(buffer + landing.count * head_bytes, bytes, bytes);
    while (landing.count > landed) shard_.buffers.put(landing.buffers[--landing.count]);
    const std::span<const uint8_t> unexpected(carry_);
    carry_at_ = parse(unexpected);
    if (carry_at_ == carry_.size()) keep_rest({}, 0);
    return;
  }
  const std::span<const uint8_t> rest(buffer + landing.count * head_bytes, bytes);
  keep_rest(rest, parse(rest));
}

void TcpConnection::append_carry(const uint8_t* from, size_t length, size_t& bytes) {
  const size_t taken = std::min(length, bytes);
  carry_.insert(carry_.end(), from, from + taken);
  bytes -= taken;
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
    expected_ = frame;
    shard_.events.received(id_, header, 0, 0);
    used = head_bytes;
    return true;
  }
  const ReceiveBuffer buffer = shard_.buffers.take(frame.payload_bytes);
  if (buffer.data == nullptr) {
    lacks_buffer_ = true;
    return false;
  }
  begin_payload(frame, buffer, header.data());
  used = head_bytes;
  return true;
}

void TcpConnection::begin_payload(const Frame& frame, const ReceiveBuffer& buffer,
                                  const uint8_t* header) {
  read_ahead_ = frame.payload_bytes > kCopiedPayloadBytes ? kFrameBytes + VARVE_HEADER_BYTES_MAX
                                                          : kReceiveBytes;
  arriving_ = buffer;
  arriving_frame_ = expected_ = frame;
  arriving_left_ = frame.payload_bytes;
  std::copy_n(header, frame.header_bytes, arriving_header_.begin());
}

void TcpConnection::payload_arrived(uint64_t bytes) {
  arriving_left_ -= bytes;
  if (arriving_left_ > 0) return;
  const ReceiveBuffer buffer = std::exchange(arriving_, {});
  const auto header = std::span(arriving_header_).first(arriving_frame_.header_bytes);
  shard_.events.received(id_, header, buffer.op_id, arriving_frame_.payload_bytes);
}

}  // namespace varve
