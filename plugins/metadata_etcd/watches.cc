#include "plugins/metadata_etcd/watches.h"

#include <algorithm>
#include <utility>

#include "plugins/metadata_etcd/limits.h"
#include "plugins/metadata_etcd/watch_stream.h"
#include "plugins/sdk/host.h"

namespace varve {
namespace {

// What an operator must mend is not tried all the time.
constexpr uint64_t kRefusedPauseMs = 1000;

Time in_time(uint64_t time_ms) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(time_ms);
}

}  // namespace

void Watches::add(const Request& request) {
  watches_.push_back({.mailbox = request.mailbox,
                      .op_id = request.op_id,
                      .number = request.watch,
                      .id = ++last_id_,
                      .prefix = request.prefix,
                      .news = WatchNews(request.revision)});
}

void Watches::remove(const Request& request) {
  const auto found = std::find_if(watches_.begin(), watches_.end(), [&request](const Watch& watch) {
    return watch.mailbox == request.mailbox && watch.number == request.watch;
  });
  if (found == watches_.end()) return;
  close(*found, 0);
  watches_.erase(found);
}

bool Watches::waiting() const {
  return std::any_of(watches_.begin(), watches_.end(),
                     [](const Watch& watch) { return watch.state != State::kOpen; });
}

Watches::Watch* Watches::find(uint64_t id) {
  const auto found = std::find_if(watches_.begin(), watches_.end(),
                                  [id](const Watch& watch) { return watch.id == id; });
  return found == watches_.end() ? nullptr : &*found;
}

void Watches::look(Time now) {
  std::erase_if(watches_, [this](Watch& watch) {
    if (!watch.mailbox->closed()) return false;
    close(watch, 0);
    return true;
  });
  for (Watch& watch : watches_) {
    const bool late = watch.state == State::kOpening && now >= watch.open_by;
    const bool lost = watch.state != State::kWaiting && !members_.usable(*watch.server);
    const bool old = watch.state == State::kOpen && watch.lives != horizon_.lives();
    if (late) members_.failed(*watch.server, {0, "a watch was not answered"});
    if (late || lost || old) close(watch, 0);
    if (watch.state == State::kWaiting && now >= watch.next_try && login_.ready()) {
      if (Server* server = members_.pick(); server != nullptr) ask(watch, *server);
    }
    tell(watch);
  }
}

void Watches::tell(Watch& watch) {
  if (!watch.news.any()) return;
  if (watch.mailbox->watch_is_full(watch.number)) {
    watch.mailbox->set_behind();
    return;
  }
  watch.mailbox->put_of_watch(watch.number, watch.news.take(watch.op_id));
  if (watch.news.any()) watch.mailbox->set_behind();
}

void Watches::close(Watch& watch, uint64_t pause_ms) {
  if (watch.stream != nullptr) watch.stream->cancel();
  watch.stream = nullptr;
  watch.server = nullptr;
  watch.state = State::kWaiting;
  watch.next_try = in_time(pause_ms);
  watch.news.interrupted();
}

void Watches::ask(Watch& watch, Server& server) {
  watch.state = State::kAsking;
  watch.server = &server;
  watch.token = login_.token();
  const uint64_t before = horizon_.revision();
  server.ask_revision(watch.token, [this, id = watch.id, before](const Reply& reply) {
    Watch* found = find(id);
    if (found != nullptr && found->state == State::kAsking) open(*found, before, reply);
  });
}

void Watches::open(Watch& watch, uint64_t before, const Reply& reply) {
  if (judge(reply.failure) != Verdict::kDone) {
    interrupted(watch, reply.failure);
    return;
  }
  if (!members_.belongs(*watch.server, reply.cluster_id)) {
    close(watch, kRetryWatchMs);
    return;
  }
  horizon_.take(before, reply.revision);
  const bool older =
      watch.lives != 0 && (watch.lives != horizon_.lives() || reply.raft_term < watch.term);
  if (older || reply.revision < watch.news.known()) watch.news.missed(reply.revision);
  watch.lives = horizon_.lives();
  watch.term = reply.raft_term;
  watch.state = State::kOpening;
  watch.open_by = in_time(kWatchOpenMs);
  watch.stream = watch.server->watch(watch.prefix, watch.news.known(), watch.token,
                                     [this, id = watch.id](WatchMessage message) {
                                       Watch* found = find(id);
                                       if (found != nullptr) hear(*found, std::move(message));
                                     });
}

void Watches::hear(Watch& watch, WatchMessage message) {
  if (message.ended) {
    watch.stream = nullptr;
    interrupted(watch, message.failure);
    return;
  }
  if (!members_.belongs(*watch.server, message.cluster_id)) {
    close(watch, kRetryWatchMs);
    return;
  }
  if (message.canceled) {
    canceled(watch, message);
    return;
  }
  watch.state = State::kOpen;
  if (message.created) return;
  trouble_.strange(message.strange_count);
  const bool progress = message.entries.empty() && message.strange_count == 0;
  watch.news.add(std::move(message.entries));
  // Of a message with changes the revision is the server's, which may be ahead of them.
  if (!message.incomplete) watch.news.complete(progress ? message.revision : 0);
}

void Watches::canceled(Watch& watch, const WatchMessage& message) {
  if (message.compacted > 0) {
    watch.news.missed(std::max(message.compacted, watch.news.known()));
    close(watch, 0);
    return;
  }
  // It is the words that tell whether it helps to log in.
  const Verdict verdict = judge({-1, message.reason});
  const bool login = login_.needed() && message.reason.find("auth") != std::string::npos;
  if (login || verdict == Verdict::kLogin) login_.refuse(watch.token);
  trouble_.trouble(join({watch.server->url(), ": a watch was ended: ", message.reason}));
  close(watch, kRefusedPauseMs);
}

void Watches::interrupted(Watch& watch, const Failure& failure) {
  switch (judge(failure)) {
    case Verdict::kLogin:
      login_.refuse(watch.token);
      break;
    case Verdict::kRefused:
      trouble_.trouble(join({watch.server->url(), ": ", failure.words}));
      close(watch, kRefusedPauseMs);
      return;
    case Verdict::kElsewhere:
    case Verdict::kDoubt:
      members_.failed(*watch.server, failure);
      break;
    case Verdict::kDone:
    case Verdict::kRetry:
      break;
  }
  close(watch, kRetryWatchMs);
}

}  // namespace varve
