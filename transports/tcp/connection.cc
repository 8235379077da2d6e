#include "transports/tcp/connection.h"

#include <sys/epoll.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace varve {

TcpConnection::TcpConnection(TcpShard& shard, UniqueFd socket, uint64_t id, std::string peer,
                             std::unique_ptr<TlsStream> tls)
    : shard_(shard),
      socket_(std::move(socket)),
      tls_(std::move(tls)),
      id_(id),
      peer_(std::move(peer)) {}

void TcpConnection::on_socket(uint32_t events) {
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) lost_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) blocked_ = false;
}

bool TcpConnection::turn() {
  if (over()) return false;
  send_all();
  if (over()) return false;
  if (leaving_) {
    end(VARVE_OK, nullptr);
    return false;
  }
  const bool more = receive();
  // Nobody reads on until a buffer is posted, which must not keep a dead peer alive.
  if (lost_ && lacks_buffer_) end(VARVE_E_IO, "connection lost");
  return more;
}

void TcpConnection::ask_for_room(bool on) {
  asked_for_room_ = on;
  epoll_event interest{};
  interest.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
  if (on) interest.events |= EPOLLOUT;
  interest.data.u64 = id_;
  ::epoll_ctl(shard_.epoll.get(), EPOLL_CTL_MOD, socket_.get(), &interest);
}

// `what` is for the log; null: nothing worth a line.
void TcpConnection::end(int32_t why, const char* what) {
  if (over()) return;
  if (what != nullptr) shard_.log.warn(join({"peer ", peer_, ": ", what}));
  if (tls_ != nullptr && why == VARVE_OK) tls_->say_end();
  socket_.reset();
  if (arriving_.data != nullptr) shard_.buffers.put(std::exchange(arriving_, {}));
  lacks_buffer_ = false;
  for (; !out_.empty(); out_.pop()) shard_.events.done(id_, out_.at(0).op_id, VARVE_E_CLOSED);
  shard_.events.closed(id_, why);
}

}  // namespace varve
