#include "transports/tcp/handshakes.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace varve {

void Handshakes::begin(Begun begun, uint64_t now_ms) {
  const bool dialed = begun.dialed;
  if (!dialed) make_room(now_ms);
  dialed_count_ += dialed ? 1 : 0;
  const auto side = dialed ? TlsStream::Side::kClient : TlsStream::Side::kServer;
  const uint64_t id = begun.id;
  auto stream = std::make_unique<TlsStream>(begun.credentials, TlsRoles{TlsRole::kNode}, side,
                                            begun.socket.get(), shard_.tls);
  if (shard_.kernel_tls) stream->want_kernel();
  all_.emplace(id, Running{std::move(begun), std::move(stream)});
  if (dialed) news(id);  // begins to speak
}

// The oldest comes first; those that we dial are ours.
void Handshakes::make_room(uint64_t now_ms) {
  if (all_.size() - dialed_count_ < kMaxHandshakes) return;
  const auto oldest = std::find_if(
      all_.begin(), all_.end(), [](const auto& running) { return !running.second.begun.dialed; });
  silence_.warn(now_ms, shard_.log,
                join({"peer ", oldest->second.begun.peer,
                      ": gives way, because there are too many TLS handshakes at a time"}));
  all_.erase(oldest);
}

void Handshakes::news(uint64_t id) {
  const auto found = all_.find(id);
  if (found == all_.end() || std::exchange(found->second.queued, true)) return;
  ready_.push_back(id);
}

std::optional<Handshakes::Ended> Handshakes::step(uint64_t now_ms) {
  const uint64_t id = ready_.front();
  ready_.pop_front();
  const auto found = all_.find(id);
  if (found == all_.end()) return std::nullopt;  // it had to make room
  Running& running = found->second;
  running.queued = false;
  const TlsStream::Handshake state = running.stream->handshake();
  if (state == TlsStream::Handshake::kDone) {
    tell_of_kernel(running);
    return take(found);
  }
  if (state == TlsStream::Handshake::kFailed) {
    const std::string& why = running.stream->why();
    (why == kTlsHungUp ? silence_ : refusals_)
        .warn(now_ms, shard_.log, join({"peer ", running.begun.peer, ": ", why}));
    running.stream.reset();
    return take(found);
  }
  if (running.stream->has_unsent() && !std::exchange(running.asked_for_room, true)) {
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    interest.data.u64 = id;
    ::epoll_ctl(shard_.epoll.get(), EPOLL_CTL_MOD, running.begun.socket.get(), &interest);
  }
  return std::nullopt;
}

// Once: it is the same with all of them.
void Handshakes::tell_of_kernel(const Running& running) {
  const int error = running.stream->kernel_error();
  if (error == 0 || std::exchange(told_of_kernel_, true)) return;
  shard_.log.info(join({"peer ", running.begun.peer, ": the kernel does not take its TLS (",
                        std::strerror(error), "), so that this process encrypts what is sent"}));
}

std::optional<Handshakes::Ended> Handshakes::end_late(uint64_t now_ms) {
  const auto late = std::find_if(all_.begin(), all_.end(), [now_ms](const auto& running) {
    return running.second.begun.deadline_ms <= now_ms;
  });
  if (late == all_.end()) return std::nullopt;
  silence_.warn(now_ms, shard_.log,
                join({"peer ", late->second.begun.peer, ": no TLS handshake in time"}));
  late->second.stream.reset();
  return take(late);
}

Handshakes::Ended Handshakes::take(All::iterator running) {
  Ended ended{std::move(running->second.begun), std::move(running->second.stream)};
  if (ended.begun.dialed) --dialed_count_;
  all_.erase(running);
  return ended;
}

uint64_t Handshakes::earliest_deadline_ms() const {
  uint64_t earliest = UINT64_MAX;
  for (const auto& [id, running] : all_) earliest = std::min(earliest, running.begun.deadline_ms);
  return earliest;
}

}  // namespace varve
