// TcpConnection: one peer. Bytes in become RECEIVED events, sends become bytes out.
//
// Its socket is edge-triggered: on_socket() notes the news, turn() does the work. What was sent
// since the last turn leaves in one system call. Payloads go into the posted buffers: short ones
// are copied out of the shared read-ahead buffer, of long ones only the beginning.
//
// Thread rule: the shard's thread. Ownership: owns its socket and the buffer that a payload is
// arriving in; borrows the shard.
// Errors: whatever goes wrong ends the connection with one log line; every send then gets its
// OP_DONE, and CLOSED is the last event.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plugins/sdk/unique_fd.h"
#include "transports/tcp/frame.h"
#include "transports/tcp/send_queue.h"
#include "transports/tcp/shard.h"

namespace varve {

class TcpConnection {
 public:
  // The socket is connected. `peer` is its name in the log. `tls`: null, or with its handshake
  // done.
  TcpConnection(TcpShard& shard, UniqueFd socket, uint64_t id, std::string peer,
                std::unique_ptr<TlsStream> tls);

  int32_t send(const varve_message& message, uint32_t payload_bytes, uint64_t op_id);
  // News from epoll.
  void on_socket(uint32_t events);
  // Sends and receives. True: there is more to do that needs no news.
  bool turn();
  // The host wants no more of it: what fits into the socket still leaves in the next turn.
  void disconnect() { leaving_ = true; }
  // Whether epoll is to tell when the socket takes more. Off, but for full sockets: next_reader.h.
  void ask_for_room(bool on);

  uint64_t id() const { return id_; }
  bool leaving() const { return leaving_ || over(); }
  bool over() const { return !socket_.valid(); }
  // Waits until a buffer is posted.
  bool lacks_buffer() const { return lacks_buffer_; }

  bool queued = false;   // for a turn; the context's own mark
  bool in_line = false;  // for a buffer; the context's own mark

 private:
  // Buffers that the payloads of the next messages are received into, if they look like the last.
  struct Landing {
    size_t count = 0;
    size_t head_bytes = 0;  // frame and header of each
    std::array<ReceiveBuffer, kMaxLandings> buffers;
  };

  bool receive();
  bool read_socket();
  Landing expect_landing(size_t kept);
  void take_received(Landing& landing, size_t bytes);
  void append_carry(const uint8_t* from, size_t length, size_t& bytes);
  void keep_rest(std::span<const uint8_t> bytes, size_t used);
  size_t parse(std::span<const uint8_t> bytes);
  bool parse_message(std::span<const uint8_t> bytes, size_t& used);
  void begin_payload(const Frame& frame, const ReceiveBuffer& buffer, const uint8_t* header);
  void payload_arrived(uint64_t bytes);
  void send_all();
  bool send_once();
  bool nothing_to_send() const { return out_.empty() && (tls_ == nullptr || !tls_->has_unsent()); }
  void sent(uint64_t bytes);
  void end(int32_t why, const char* what);

  TcpShard& shard_;
  UniqueFd socket_;
  const std::unique_ptr<TlsStream> tls_;
  const uint64_t id_;
  const std::string peer_;
  bool leaving_ = false;

  bool readable_ = true;
  bool hung_up_ = false;  // the peer sends no more: read on to the end
  bool lost_ = false;     // nothing goes out any more either
  bool lacks_buffer_ = false;
  uint32_t read_ahead_ = kReceiveBytes;
  std::vector<uint8_t> carry_;  // received, not parsed yet, from carry_at_ on
  size_t carry_at_ = 0;
  ReceiveBuffer arriving_;  // the buffer of the payload that is on its way, if any
  Frame arriving_frame_;
  std::array<uint8_t, VARVE_HEADER_BYTES_MAX> arriving_header_;
  uint64_t arriving_left_ = 0;
  Frame expected_;             // the last one
  size_t expected_count_ = 1;  // messages like it

  SendQueue out_;
  uint64_t front_sent_ = 0;  // bytes of the oldest that the kernel has
  bool blocked_ = false;     // the socket is full
  bool asked_for_room_ = false;
  bool wants_room_ = false;  // a send was refused
};

}  // namespace varve
