#include "transports/tcp/context.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

namespace varve {
namespace {

// What epoll's data holds: the timer, a listener, or a connection's number.
constexpr uint64_t kTimerKey = 0;
constexpr uint64_t kListenerBit = 1ull << 63;

uint64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

// Nobody there, or something wrong on our side.
int32_t connect_result(int error) {
  const bool local = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
  return local ? VARVE_E_IO : VARVE_E_NOT_FOUND;
}

}  // namespace

TcpContext::TcpContext(const TcpOptions& options, PluginTls& tls, const HostLog& log)
    : options_(options),
      tls_(tls),
      shard_(log, options.kernel_tls),
      handshakes_(shard_),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  if (valid()) watch(timer_.get(), EPOLLIN, kTimerKey);
}

bool TcpContext::watch(int fd, uint32_t events, uint64_t id) {
  epoll_event interest{};
  interest.events = events;
  interest.data.u64 = id;
  return ::epoll_ctl(shard_.epoll.get(), EPOLL_CTL_ADD, fd, &interest) == 0;
}

std::string TcpContext::listen(const std::string& text, std::string& bound) {
  TcpAddress address;
  std::string wrong = parse_address(text, address);
  if (!wrong.empty()) return wrong;
  if (!options_.allow_plaintext && !tls_.configured() && !address.loopback)
    return join({"listen: \"", text,
                 "\" is reachable from other machines and TLS is not configured; add [tls], use a "
                 "loopback address, or set allow_plaintext = true"});
  UniqueFd socket = open_listener(address);
  if (!socket.valid() || !watch(socket.get(), EPOLLIN | EPOLLET, kListenerBit | listeners_.size()))
    return join({"listen: \"", text, "\": ", std::strerror(errno)});
  bound = local_address(socket.get());
  listeners_.push_back(std::move(socket));
  return {};
}

int32_t TcpContext::connect(const std::string& text, uint64_t op_id) {
  TcpAddress address;
  std::string wrong = parse_address(text, address);
  if (wrong.empty() && address.any_port) wrong = join({"address \"", text, "\" has no port"});
  if (!wrong.empty()) {
    shard_.log.warn(wrong);
    return VARVE_E_INVALID;
  }
  if (full()) return VARVE_E_AGAIN;
  UniqueFd socket = begin_connect(address, options_);
  const uint64_t id = ++last_id_;
  const uint32_t interest = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  if (!socket.valid() || !watch(socket.get(), interest, id)) {
    shard_.events.connected(op_id, connect_result(errno), 0);
    return VARVE_OK;
  }
  connecting_.emplace(
      id, Connecting{std::move(socket), op_id, now_ms() + options_.connect_timeout_ms, text});
  set_timer();
  return VARVE_OK;
}

int32_t TcpContext::disconnect(uint64_t id) {
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->leaving()) return VARVE_E_CLOSED;
  found->second->disconnect();
  activate(*found->second);
  return VARVE_OK;
}

int32_t TcpContext::receive_post(const varve_slice& buffer, uint64_t op_id) {
  const int32_t result = check_receive(buffer, op_id, shard_.memory);
  if (result != VARVE_OK) return result;
  shard_.buffers.put({static_cast<uint8_t*>(buffer.data), buffer.bytes, op_id});
  activate_line();
  return VARVE_OK;
}

int32_t TcpContext::send(uint64_t id, const varve_message& message, uint64_t op_id) {
  uint32_t payload_bytes = 0;
  const int32_t result = check_message(message, shard_.memory, payload_bytes);
  if (result != VARVE_OK) return result;
  const auto found = connections_.find(id);
  if (found == connections_.end() || found->second->leaving()) return VARVE_E_CLOSED;
  // A refused one brings no turn: a host that tried again and again would keep us from looking.
  const int32_t sent = found->second->send(message, payload_bytes, op_id);
  if (sent == VARVE_OK) activate(*found->second);
  return sent;
}

int32_t TcpContext::poll(varve_transport_event* events, uint32_t capacity) {
  shard_.events.begin(capacity);
  const bool slept = std::exchange(may_have_slept_, false);
  const bool news = slept && active_.empty();
  const bool due = ++polls_without_sockets_ >= kPollsWithoutSockets;
  if ((news || due) && !read_likely()) look_at_sockets();
  if (!accepting_.empty()) accept_peers();
  if (handshakes_.ready()) go_on_with_handshakes();
  give_turns();
  return shard_.events.take(events);
}

bool TcpContext::arm() {
  may_have_slept_ = true;
  return !active_.empty() || !accepting_.empty() || handshakes_.ready() || !shard_.events.empty();
}

// False: nothing was read.
bool TcpContext::read_likely() {
  polls_without_sockets_ = 0;
  const uint64_t before = shard_.received_count;
  for (size_t i = 0; i < 2 && shard_.received_count == before; ++i) {
    auto* const likely = static_cast<TcpConnection*>(next_reader_.guesses()[i]);
    if (likely == nullptr) continue;
    likely->on_socket(EPOLLIN);
    activate(*likely);
    give_turns();
  }
  return shard_.received_count != before;
}

void TcpContext::look_at_sockets() {
  polls_without_sockets_ = 0;
  next_reader_.asked_epoll();
  epoll_event news[kEpollBatch];
  const int count = ::epoll_wait(shard_.epoll.get(), news, kEpollBatch, 0);
  for (int i = 0; i < count; ++i) {
    const uint64_t id = news[i].data.u64;
    if (id == kTimerKey) {
      end_late_connects();
    } else if ((id & kListenerBit) != 0) {
      accepting_.insert(id & ~kListenerBit);
    } else if (const auto made = connections_.find(id); made != connections_.end()) {
      made->second->on_socket(news[i].events);
      activate(*made->second);
    } else if (const auto coming = connecting_.find(id); coming != connecting_.end()) {
      finish_connect(id, coming->second);
    } else {
      handshakes_.news(id);
    }
  }
  may_have_slept_ = count == kEpollBatch;  // there may be more
}

void TcpContext::activate(TcpConnection& connection) {
  if (std::exchange(connection.queued, true)) return;
  active_.push_back(&connection);
}

// There are buffers again.
void TcpContext::activate_line() {
  for (TcpConnection* connection : in_line_) {
    connection->in_line = false;
    activate(*connection);
  }
  in_line_.clear();
}

void TcpContext::give_turns() {
  turns_.swap(active_);  // both keep their memory
  bool ended = false;
  for (TcpConnection* connection : turns_) {
    connection->queued = false;
    const uint64_t before = shard_.received_count;
    if (connection->turn()) activate(*connection);
    if (shard_.received_count != before) next_reader_.received(connection);
    if (connection->over()) {
      next_reader_.gone(connection);
      if (connection->in_line) std::erase(in_line_, connection);
      connections_.erase(connection->id());
      ended = true;
      said_full_ = false;
      accepting_.merge(starved_);
    } else if (connection->lacks_buffer() && !std::exchange(connection->in_line, true)) {
      in_line_.push_back(connection);
    }
  }
  turns_.clear();
  if (ended) activate_line();  // they may have left buffers
}

bool TcpContext::full() {
  return connections_.size() + connecting_.size() + handshakes_.dialed_count() >= kMaxConnections;
}

void TcpContext::accept_peers() {
  const std::set<size_t> listeners = std::exchange(accepting_, {});
  for (const size_t listener : listeners) accept_some(listener);
}

void TcpContext::accept_some(size_t listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd socket = accept_connection(listeners_[listener].get(), options_);
    if (!socket.valid() && (errno == ECONNABORTED || errno == EINTR)) continue;
    if (!socket.valid()) {
      if (errno == EAGAIN) return;
      // Out of descriptors: tried again when a connection has ended.
      shard_.log.warn(join({"cannot accept peers: ", std::strerror(errno)}));
      starved_.insert(listener);
      return;
    }
    if (full()) {
      if (!std::exchange(said_full_, true))
        shard_.log.warn(join({"too many peers: more than ", std::to_string(kMaxConnections),
                              " connections are refused"}));
      continue;
    }
    std::string peer = peer_address(socket.get());
    const uint64_t id = ++last_id_;
    if (!watch(socket.get(), EPOLLIN | EPOLLRDHUP | EPOLLET, id)) continue;
    if (tls_.configured()) {
      const uint64_t now = now_ms();
      handshakes_.begin({id, std::move(socket), tls_.current(now, shard_.log),
                         now + options_.connect_timeout_ms, std::move(peer), false, 0},
                        now);
      set_timer();
      continue;
    }
    shard_.events.accepted(id);
    adopt(std::move(socket), id, std::move(peer), nullptr);
  }
  accepting_.insert(listener);
}

void TcpContext::adopt(UniqueFd socket, uint64_t id, std::string peer,
                       std::unique_ptr<TlsStream> tls) {
  auto connection = std::make_unique<TcpConnection>(shard_, std::move(socket), id, std::move(peer),
                                                    std::move(tls));
  activate(*connection);
  connections_.emplace(id, std::move(connection));
}

void TcpContext::finish_connect(uint64_t id, Connecting& connecting) {
  const int error = connect_error(connecting.socket.get());
  Connecting ended = std::move(connecting);
  connecting_.erase(id);
  if (error != 0) {
    shard_.events.connected(ended.op_id, connect_result(error), 0);
    return;
  }
  if (tls_.configured()) {
    const uint64_t now = now_ms();
    handshakes_.begin({id, std::move(ended.socket), tls_.current(now, shard_.log),
                       ended.deadline_ms, std::move(ended.peer), true, ended.op_id},
                      now);
    return;
  }
  shard_.events.connected(ended.op_id, VARVE_OK, id);
  adopt(std::move(ended.socket), id, std::move(ended.peer), nullptr);
  connections_.at(id)->ask_for_room(false);
}

void TcpContext::go_on_with_handshakes() {
  for (size_t i = 0; i < kHandshakesPerPoll && handshakes_.ready(); ++i) {
    if (auto ended = handshakes_.step(now_ms())) handshake_ended(*ended);
  }
}

void TcpContext::handshake_ended(Handshakes::Ended& ended) {
  Handshakes::Begun& peer = ended.begun;
  if (ended.stream == nullptr) {
    accepting_.merge(starved_);
    if (peer.dialed) shard_.events.connected(peer.op_id, VARVE_E_NOT_FOUND, 0);
    return;
  }
  if (!peer.dialed && full()) return;
  const std::string& name = ended.stream->peer().name;
  if (peer.dialed)
    shard_.events.connected(peer.op_id, VARVE_OK, peer.id, name);
  else
    shard_.events.accepted(peer.id, name);
  adopt(std::move(peer.socket), peer.id, std::move(peer.peer), std::move(ended.stream));
  connections_.at(peer.id)->ask_for_room(false);
}

void TcpContext::end_late_connects() {
  uint64_t ticks = 0;
  if (::read(timer_.get(), &ticks, sizeof(ticks)) < 0) return;
  const uint64_t now = now_ms();
  std::erase_if(connecting_, [&](const auto& entry) {
    if (entry.second.deadline_ms > now) return false;
    shard_.events.connected(entry.second.op_id, VARVE_E_NOT_FOUND, 0);
    return true;
  });
  while (auto late = handshakes_.end_late(now)) handshake_ended(*late);
  set_timer();
}

// To the earliest deadline; a timer that is left on when all connects have ended does no harm.
void TcpContext::set_timer() {
  uint64_t earliest = handshakes_.earliest_deadline_ms();
  for (const auto& [id, connecting] : connecting_)
    earliest = std::min(earliest, connecting.deadline_ms);
  if (earliest == UINT64_MAX) return;
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(earliest / 1000);
  when.it_value.tv_nsec = static_cast<long>(earliest % 1000 * 1'000'000);
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace varve
