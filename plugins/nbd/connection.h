// One client: its socket, its handshake, its requests and their replies.
//
// A turn reads what the socket has, submits the requests in it and sends the replies that are
// ready, with as few system calls as possible. A connection that cannot go on (too much in flight,
// the host has no memory or no room) stalls: it stops reading, so that the client is held back by
// the socket.
//
// Thread rule: the context's thread. Ownership: the server's; it may be deleted once finished(),
// because until then the host may still hold its operations. The volume is closed when the last
// request has been read, which ends those that wait for space.
// Errors: the client's mistakes are answered; broken sockets and foreign protocols end the
// connection.
#pragma once

#include <cerrno>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plugins/nbd/handshake.h"
#include "plugins/nbd/progress_watch.h"
#include "plugins/nbd/request.h"
#include "plugins/nbd/shard.h"

namespace varve {

class Connection {
 public:
  // `needs_tls`: plain text is good for STARTTLS only.
  Connection(NbdShard& shard, UniqueFd socket, bool needs_tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // News: from the socket (EPOLL... bits), from the host.
  void on_socket(uint32_t bits);
  void on_event(Operation& operation, const varve_service_event& event);
  // Does what can be done. True: call again without waiting for news.
  bool turn();
  // Takes no more requests; ends when those in flight are answered.
  void drain();
  // Ends the connection if the client has let its time pass; returns the next deadline, 0: none.
  uint64_t check_deadlines(uint64_t now_ms);

  uint64_t received_bytes() const { return received_bytes_; }
  // Waits for the host to have memory or room again.
  bool stalled_by_host() const { return stall_ == Stall::kHost; }
  // The socket is closed and the host holds nothing.
  bool finished() const { return !socket_.valid() && at_host_ == 0; }
  // Came over a unix socket, whose file's rights it has.
  void trust() { trusted_ = true; }
  bool trusted() const { return trusted_; }
  // Has not chosen a volume yet, nor proven who it is.
  bool is_nobody_yet() const {
    return phase_ == Phase::kTls || (phase_ == Phase::kHandshake && tls_ == nullptr);
  }
  // Another client needs the room.
  void give_way() { refuse_client(shard_.silence, "too many clients are in their handshakes"); }
  int socket() const { return socket_.get(); }

  // For the server: which of its lines this connection stands in.
  bool queued = false;   // for a turn
  bool in_line = false;  // for the host's memory or room

 private:
  enum class Phase : uint8_t { kHandshake, kTls, kTransmission, kDraining };
  enum class Stall : uint8_t { kNone, kOwnLimit, kHost };

  // connection_receive.cc
  bool receive();
  bool read_socket();
  void resume();
  size_t parse(std::span<const uint8_t> bytes);
  bool parse_option(std::span<const uint8_t> bytes, size_t& used);
  bool parse_one_request(std::span<const uint8_t> bytes, size_t& used);
  void payload_arrived(uint64_t bytes);
  void keep_rest(std::span<const uint8_t> bytes, size_t used);
  void watch_client();
  bool may_read() const;

  // connection.cc
  void follow(Handshake::Step step);
  void open_volume();
  void opened(Operation& operation, int32_t result, uint64_t volume);
  void list_volumes(uint64_t capacity);
  void listed(Operation& operation, int32_t result, uint64_t bytes_needed);
  void close_volume();
  Operation* admit(const NbdRequest& request, uint64_t buffer_bytes);
  void submit(Operation* operation);
  void answer(Operation& operation, int32_t result, uint64_t value);
  void refuse(Operation& operation, const NbdRefusal& refusal);
  void give_back(Operation* operation);
  void end(const char* why);
  // What to say of a socket that failed.
  const char* lost(int error) const {
    return tls_ != nullptr && error == EPROTO ? tls_->why().c_str() : "connection lost";
  }

  // connection_tls.cc
  void begin_tls(bool more_has_come);
  bool go_on_with_tls();
  void refuse_client(LogLimiter& lines, const char* why);

  // connection_send.cc
  void send();
  bool send_once();
  void sent(size_t bytes);
  bool nothing_to_send() const {
    return handshake_at_ == handshake_out_.size() && out_.empty() &&
           (tls_ == nullptr || !tls_->has_unsent());
  }
  void ask_for_room(bool on);

  NbdShard& shard_;
  UniqueFd socket_;
  std::unique_ptr<TlsStream> tls_;  // null: plain text
  Phase phase_ = Phase::kHandshake;
  Stall stall_ = Stall::kNone;
  bool trusted_ = false;
  bool readable_ = true;   // as far as we know
  bool hung_up_ = false;   // read until the end: there may be no more news
  bool answered_ = false;  // an event came since the last turn
  bool blocked_ = false;   // the socket takes no more replies now
  bool asked_for_room_ = false;
  bool asks_host_ = false;  // the handshake waits for the host

  std::string handshake_out_;
  size_t handshake_at_ = 0;  // sent so far
  Handshake handshake_;
  NbdSession session_;
  uint64_t volume_ = 0;
  bool volume_open_ = false;

  std::vector<uint8_t> carry_;  // received and not parsed yet
  size_t carry_at_ = 0;
  uint32_t read_ahead_ = kReceiveBytes;
  Operation* arriving_ = nullptr;  // its payload is not here yet
  uint64_t arriving_left_ = 0;
  NbdRefusal arriving_refusal_;   // its answer, if it is not to be served
  Operation* waiting_ = nullptr;  // the host had no room for it

  uint32_t in_flight_ = 0;  // requests until their reply is sent
  uint64_t in_flight_bytes_ = 0;
  uint32_t at_host_ = 0;  // operations that the host holds
  std::deque<Operation*> out_;
  size_t front_sent_ = 0;  // of the first in out_

  uint64_t received_bytes_ = 0;
  uint64_t sent_bytes_ = 0;
  uint64_t handshake_deadline_ms_;
  ProgressWatch in_watch_;
  ProgressWatch out_watch_;
};

}  // namespace varve
