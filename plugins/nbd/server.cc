#include "plugins/nbd/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace varve {
namespace {

// What epoll's data holds: a connection's address, or below these a listener or the timer.
constexpr uint64_t kTimerKey = 1;
constexpr uint64_t kFirstListenerKey = 2;
constexpr uint64_t kFirstAddress = 4096;
// With no descriptors left for new clients, accepting rests this long.
constexpr uint64_t kAcceptRestMs = 1000;
constexpr uint32_t kAcceptsPerTurn = 64;

// The file's rights say who may connect to it.
bool is_unix(int socket) {
  int domain = 0;
  socklen_t bytes = sizeof(domain);
  return ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &bytes) == 0 && domain == AF_UNIX;
}

}  // namespace

Server::Server(const NbdOptions& options, PluginTls& tls, Listeners& listeners, const HostLog& log,
               const varve_service_host* host, void* host_context)
    : options_(options), listeners_(listeners), shard_(host, host_context, log, &tls) {
  shard_.handshake_timeout_ms = options.handshake_timeout_ms;
  shard_.request_timeout_ms = options.request_timeout_ms;
  shard_.reply_timeout_ms = options.request_timeout_ms;
  shard_.epoll = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!valid()) return;
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.u64 = kTimerKey;
  ::epoll_ctl(shard_.epoll.get(), EPOLL_CTL_ADD, shard_.deadlines.fd(), &interest);
}

Server::~Server() {
  if (!listener_fds_.empty()) stop();
}

std::string Server::start() {
  std::string wrong = listeners_.join(options_.listen, shard_.log, listener_fds_);
  if (wrong.empty()) listen(true);
  return wrong;
}

void Server::stop() {
  if (stopping_) return;
  stopping_ = true;
  if (!listener_fds_.empty()) {
    listen(false);
    listener_fds_.clear();
    listeners_.leave();
  }
  shard_.reply_timeout_ms = std::min(shard_.reply_timeout_ms, kStopTimeoutMs);
  for (const auto& connection : connections_) {
    connection->drain();
    activate(connection.get());
  }
}

void Server::listen(bool on) {
  if (listening_ == on) return;
  listening_ = on;
  for (size_t i = 0; i < listener_fds_.size(); ++i) {
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLEXCLUSIVE;
    interest.data.u64 = kFirstListenerKey + i;
    ::epoll_ctl(shard_.epoll.get(), on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener_fds_[i],
                &interest);
  }
}

int32_t Server::poll() {
  uint32_t work = take_events();
  const bool slept = std::exchange(may_have_slept_, false);
  const bool news = work == 0 && slept && active_.empty();
  const bool due = ++turns_without_sockets_ >= kTurnsWithoutSockets;
  if (news || due) {
    turns_without_sockets_ = 0;
    work += news && read_likely() ? 1 : take_sockets();
  }
  if (work > 0 || shard_.operations.buffers_released() != buffers_released_seen_) retry_stalled();
  work += give_turns();
  if (may_finish_) remove_finished();
  return static_cast<int32_t>(work);
}

bool Server::arm() {
  may_have_slept_ = true;
  return !active_.empty();
}

uint32_t Server::take_events() {
  varve_service_event events[kEventBatch];
  const uint32_t count = shard_.host.events(shard_.host_context, events, kEventBatch);
  for (uint32_t i = 0; i < count; ++i) {
    Operation& operation = Operation::from_id(events[i].op_id);
    Connection* connection = operation.connection;
    connection->on_event(operation, events[i]);
    activate(connection);
  }
  return count;
}

// False: nothing was read.
bool Server::read_likely() {
  for (size_t i = 0; i < 2; ++i) {
    auto* const likely = static_cast<Connection*>(next_reader_.guesses()[i]);
    if (likely == nullptr) continue;
    const uint64_t before = likely->received_bytes();
    likely->on_socket(EPOLLIN);
    activate(likely);
    give_turns();
    if (likely->received_bytes() != before) return true;
  }
  return false;
}

uint32_t Server::take_sockets() {
  next_reader_.asked_epoll();
  epoll_event news[kEventBatch];
  const int count = ::epoll_wait(shard_.epoll.get(), news, kEventBatch, 0);
  for (int i = 0; i < count; ++i) {
    const uint64_t key = news[i].data.u64;
    if (key == kTimerKey) {
      time_passed();
    } else if (key < kFirstAddress) {
      if (listening_) accept_clients(listener_fds_[key - kFirstListenerKey]);
    } else {
      auto* connection = static_cast<Connection*>(news[i].data.ptr);
      connection->on_socket(news[i].events);
      activate(connection);
    }
  }
  if (count == kEventBatch) may_have_slept_ = true;  // there may be more
  return static_cast<uint32_t>(std::max(count, 0));
}

void Server::accept_clients(int listener) {
  for (uint32_t i = 0; i < kAcceptsPerTurn; ++i) {
    UniqueFd socket(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid() && (errno == ECONNABORTED || errno == EINTR)) continue;
    if (!socket.valid()) {
      if (errno == EAGAIN) return;
      shard_.log.warn(join({"cannot accept clients: ", std::strerror(errno)}));
      listen(false);
      shard_.deadlines.want(now_ms() + kAcceptRestMs);
      return;
    }
    if (connections_.size() >= kMaxConnections) {
      if (!full_)
        shard_.log.warn(join({"too many clients: more than ", std::to_string(kMaxConnections),
                              " connections are refused"}));
      full_ = true;
      continue;
    }
    const int fd = socket.get();
    const bool is_local = is_unix(fd);
    make_room(is_local);
    const bool needs_tls = shard_.tls->configured() && !is_local;
    auto& connection = connections_.emplace_back(
        std::make_unique<Connection>(shard_, std::move(socket), needs_tls));
    if (is_local) connection->trust();
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
    interest.data.ptr = connection.get();
    ::epoll_ctl(shard_.epoll.get(), EPOLL_CTL_ADD, fd, &interest);
    activate(connection.get());
  }
}

// Somebody who opens many connections and says nothing keeps no client out; and strangers drive
// nobody away who came over a unix socket, or who has proven who he is.
void Server::make_room(bool is_local) {
  Connection* oldest = nullptr;
  size_t count = 0;
  for (const auto& connection : connections_) {
    if (!connection->is_nobody_yet() || connection->trusted() != is_local) continue;
    if (oldest == nullptr) oldest = connection.get();
    ++count;
  }
  if (count < kMaxHandshakes) return;
  oldest->give_way();
  may_finish_ = true;
}

void Server::activate(Connection* connection) {
  if (std::exchange(connection->queued, true)) return;
  active_.push_back(connection);
}

uint32_t Server::give_turns() {
  const std::vector<Connection*> turns = std::exchange(active_, {});
  shard_.tls_steps_left = kTlsStepsPerTurn;
  for (Connection* connection : turns) {
    connection->queued = false;
    const uint64_t before = connection->received_bytes();
    if (connection->turn()) activate(connection);
    if (connection->received_bytes() != before) next_reader_.received(connection);
    if (connection->stalled_by_host() && !std::exchange(connection->in_line, true))
      stalled_.push_back(connection);
    may_finish_ |= connection->finished();
  }
  if (!stalled_.empty()) shard_.deadlines.want(now_ms() + kRetryMs);
  return static_cast<uint32_t>(turns.size());
}

void Server::retry_stalled() {
  buffers_released_seen_ = shard_.operations.buffers_released();
  for (Connection* connection : std::exchange(stalled_, {})) {
    connection->in_line = false;
    activate(connection);
  }
}

void Server::time_passed() {
  shard_.deadlines.fired();
  if (!stopping_) listen(true);
  const uint64_t now = now_ms();
  for (const auto& connection : connections_) {
    const uint64_t next = connection->check_deadlines(now);
    if (next != 0) shard_.deadlines.want(next);
    may_finish_ |= connection->finished();
  }
}

void Server::remove_finished() {
  may_finish_ = false;
  const auto finished = [](const auto& connection) { return connection->finished(); };
  for (const auto& connection : connections_)
    if (finished(connection)) next_reader_.gone(connection.get());
  std::erase_if(stalled_, [](Connection* connection) { return connection->finished(); });
  std::erase_if(active_, [](Connection* connection) { return connection->finished(); });
  std::erase_if(connections_, finished);
  full_ &= connections_.size() >= kMaxConnections;
}

}  // namespace varve
