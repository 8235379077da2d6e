#include "tests/tools/stamp/connections.h"

#include <errno.h>
#include <sys/socket.h>

#include "core/base/check.h"
#include "core/base/text.h"

namespace varve {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kRetryPaceMs = 2;

int ms_until(steady_clock::time_point deadline) {
  const auto left = duration_cast<milliseconds>(deadline - steady_clock::now()).count();
  return left > 0 ? static_cast<int>(left) : 0;
}

int notify(nbd_handle* handle, unsigned direction, short happened) {
  // The order is libnbd's rule: what comes in first, and only one of the two.
  if ((happened & (POLLIN | POLLHUP | POLLERR)) != 0 &&
      (direction & LIBNBD_AIO_DIRECTION_READ) != 0) {
    return nbd_aio_notify_read(handle);
  }
  if ((happened & (POLLOUT | POLLHUP | POLLERR)) != 0 &&
      (direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) {
    return nbd_aio_notify_write(handle);
  }
  return 0;
}

short events_of(unsigned direction) {
  short events = 0;
  if ((direction & LIBNBD_AIO_DIRECTION_READ) != 0) events |= POLLIN;
  if ((direction & LIBNBD_AIO_DIRECTION_WRITE) != 0) events |= POLLOUT;
  return events;
}

// The process that listens on a unix socket; 0 for anything else.
uint64_t peer_pid(nbd_handle* handle) {
  ucred credentials{};
  socklen_t bytes = sizeof(credentials);
  const int fd = nbd_aio_get_fd(handle);
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) return 0;
  return credentials.pid > 0 ? static_cast<uint64_t>(credentials.pid) : 0;
}

SessionFacts facts_of(nbd_handle* handle) {
  SessionFacts facts;
  char* name = nbd_get_export_name(handle);
  if (name != nullptr) facts.export_name = name;
  free(name);
  facts.size_bytes = static_cast<uint64_t>(nbd_get_size(handle));
  facts.server_pid = peer_pid(handle);
  facts.can_flush = nbd_can_flush(handle) == 1;
  facts.can_trim = nbd_can_trim(handle) == 1;
  facts.can_zero = nbd_can_zero(handle) == 1;
  return facts;
}

}  // namespace

void Connections::lose() {
  for (nbd_handle* handle : handles_) nbd_close(handle);
  handles_.clear();
}

bool Connections::alive() const {
  if (handles_.size() != count_) return false;
  for (nbd_handle* handle : handles_) {
    if (nbd_aio_is_ready(handle) != 1 && nbd_aio_is_processing(handle) != 1) return false;
  }
  return true;
}

int Connections::try_connect(nbd_handle* handle, Deadline deadline, bool* refused_by_server) {
  if (nbd_aio_connect_uri(handle, uri_.c_str()) != 0) return nbd_get_errno();
  while (nbd_aio_is_connecting(handle) == 1) {
    const unsigned direction = nbd_aio_get_direction(handle);
    pollfd polled{.fd = nbd_aio_get_fd(handle), .events = events_of(direction), .revents = 0};
    const int ready = poll(&polled, 1, ms_until(deadline));
    if (ready == 0) return ETIMEDOUT;
    if (ready > 0 && notify(handle, direction, polled.revents) != 0) break;
  }
  if (nbd_aio_is_ready(handle) == 1) return 0;
  // The server answered the handshake, and the answer was no: trying again does not help.
  const int error_number = nbd_get_errno();
  *refused_by_server = error_number == ENOENT || error_number == EPERM || error_number == EINVAL ||
                       error_number == EBUSY || error_number == EACCES;
  return error_number == 0 ? ENOTCONN : error_number;
}

Status Connections::try_session(Deadline deadline, bool* away) {
  while (handles_.size() < count_) {
    nbd_handle* handle = nbd_create();
    VARVE_CHECK(handle != nullptr);
    handles_.push_back(handle);
    bool refused_by_server = false;
    const int error_number = try_connect(handle, deadline, &refused_by_server);
    if (error_number == 0) continue;
    if (error_number == ECONNREFUSED || error_number == ENOENT) *away = !refused_by_server;
    const char* message = nbd_get_error();
    std::string why = text(uri_, ": ", message != nullptr ? message : "connection lost");
    return {refused_by_server || error_number == EINVAL ? ErrorCode::kInvalidArgument
                                                        : ErrorCode::kClosed,
            std::move(why)};
  }
  if (count_ > 1 && nbd_can_multi_conn(handles_[0]) != 1) {
    return {ErrorCode::kInvalidArgument,
            text(uri_, ": the server does not offer multi-conn; use --connections 1")};
  }
  return {};
}

Result<SessionFacts> Connections::connect(milliseconds timeout) {
  const Deadline deadline = steady_clock::now() + timeout;
  bool away = false;
  while (true) {
    lose();
    bool away_now = false;
    const Status status = try_session(deadline, &away_now);
    away = away || away_now;
    if (status.ok()) break;
    if (status.code() != ErrorCode::kClosed) return status;
    if (ms_until(deadline) == 0) {
      return Status(ErrorCode::kClosed,
                    text(status.message(), " (tried for ", timeout.count(), " ms)"));
    }
    poll(nullptr, 0, kRetryPaceMs);
  }
  SessionFacts facts = facts_of(handles_[0]);
  facts.server_was_away = away;
  return facts;
}

bool Connections::wait(int other_fd, int timeout_ms) {
  polled_.clear();
  for (nbd_handle* handle : handles_) {
    const unsigned direction = nbd_aio_get_direction(handle);
    polled_.push_back({.fd = nbd_aio_get_fd(handle), .events = events_of(direction), .revents = 0});
  }
  polled_.push_back({.fd = other_fd, .events = POLLIN, .revents = 0});
  if (poll(polled_.data(), polled_.size(), timeout_ms) <= 0) return false;
  for (size_t i = 0; i < handles_.size(); ++i) {
    if (polled_[i].revents != 0) {
      notify(handles_[i], nbd_aio_get_direction(handles_[i]), polled_[i].revents);
    }
  }
  return polled_.back().revents != 0;
}

}  // namespace varve
