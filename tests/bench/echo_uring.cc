// The bare io_uring: always one receive on its way, at most one send. A turn is one system call: it
// hands over what was queued and waits for what comes back.
#include <liburing.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "core/base/text.h"
#include "tests/bench/echo_stream.h"

namespace varve {
namespace {

constexpr unsigned kEntries = 8;

class UringDriver {
 public:
  UringDriver(int socket, EchoStream& stream) : socket_(socket), stream_(stream) {
    // Completions are worked off only in our own system calls (Linux 6.1).
    int result = open(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
    if (result == -EINVAL) result = open(IORING_SETUP_COOP_TASKRUN);
    if (result == -EINVAL) result = open(0);
    if (result < 0) fail(text("io_uring cannot be set up: ", strerror(-result)));
  }
  UringDriver(const UringDriver&) = delete;
  UringDriver& operator=(const UringDriver&) = delete;
  ~UringDriver() { io_uring_queue_exit(&ring_); }

  void run() {
    while (!stream_.ended()) turn();
  }

 private:
  enum Operation : uint64_t { kReceive, kSend };

  int open(unsigned flags) { return io_uring_queue_init(kEntries, &ring_, flags); }

  void turn() {
    if (!sending_ && stream_.has_pieces()) queue_send();
    if (!receiving_) queue_receive();
    // A send that does not wait for room is done when it has been handed over: to wait for it and
    // for the receive saves the system call that would take it back alone.
    const unsigned count = sending_ && !send_waits_ ? 2 : 1;
    const int result = io_uring_submit_and_wait(&ring_, count);
    if (result < 0 && result != -EINTR) fail(text("io_uring_enter: ", strerror(-result)));
    unsigned head = 0;
    unsigned taken = 0;
    io_uring_cqe* entry = nullptr;
    io_uring_for_each_cqe(&ring_, head, entry) {
      ++taken;
      if (entry->user_data == kSend) {
        sent(entry->res);
      } else {
        received(entry->res);
      }
    }
    io_uring_cq_advance(&ring_, taken);
  }

  void queue_send() {
    sending_ = true;
    pieces_ = stream_.pieces();
    const int flags = MSG_NOSIGNAL | (send_waits_ ? 0 : MSG_DONTWAIT);
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    if (pieces_[1].iov_len == 0) {
      io_uring_prep_send(entry, socket_, pieces_[0].iov_base, pieces_[0].iov_len, flags);
    } else {
      message_ = {};
      message_.msg_iov = pieces_.data();
      message_.msg_iovlen = pieces_.size();
      io_uring_prep_sendmsg(entry, socket_, &message_, static_cast<unsigned>(flags));
    }
    io_uring_sqe_set_data64(entry, kSend);
  }

  void sent(int result) {
    sending_ = false;
    if (result < 0 && result != -EAGAIN) fail(text("send: ", strerror(-result)));
    if (result > 0) stream_.sent(static_cast<size_t>(result));
    // A full socket: what is left waits until it takes more.
    send_waits_ = result != whole();
  }

  int whole() const { return static_cast<int>(pieces_[0].iov_len + pieces_[1].iov_len); }

  void queue_receive() {
    receiving_ = true;
    const auto room = stream_.room();
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    io_uring_prep_recv(entry, socket_, room.data(), room.size(), 0);
    io_uring_sqe_set_data64(entry, kReceive);
  }

  void received(int result) {
    receiving_ = false;
    if (result < 0) fail(text("recv: ", strerror(-result)));
    if (result == 0) return stream_.closed();
    stream_.received(static_cast<size_t>(result));
  }

  const int socket_;
  EchoStream& stream_;
  io_uring ring_{};
  bool receiving_ = false;
  bool sending_ = false;
  bool send_waits_ = false;
  std::array<iovec, 2> pieces_{};
  msghdr message_{};
};

}  // namespace

void drive_by_uring(int socket, EchoStream& stream) {
  UringDriver(socket, stream).run();
}

}  // namespace varve
