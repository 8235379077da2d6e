#include "core/daemon/admin_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <map>
#include <thread>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/daemon/admin_api.h"
#include "core/daemon/admin_http.h"
#include "core/daemon/admin_listener.h"
#include "core/daemon/admin_peer.h"
#include "core/daemon/admin_workers.h"
#include "plugins/tls/line_limiter.h"

namespace varve {
namespace {

constexpr size_t kStrangersMax = 256;  // whose request is not welcome yet; the oldest gives way
constexpr size_t kPeersMax = 512;      // in all
constexpr int kAcceptsPerTurn = 64;
constexpr int64_t kAcceptRestMs = 100;  // with no descriptors left
constexpr int64_t kWatchMs = 60'000;    // the certificate
constexpr int64_t kStopMs = 5'000;      // for taking the last answers

int64_t now_ms() {
  using std::chrono::duration_cast, std::chrono::milliseconds, std::chrono::steady_clock;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

class AdminServer::Impl {
 public:
  Impl(const ListenAddress& address, AdminBackend& backend, AdminGate& gate)
      : address_(address), backend_(backend), gate_(gate), door_(gate) {}

  Status listen() {
    auto listener = open_admin_listener(address_);
    if (!listener.ok()) return listener.status();
    listener_ = std::move(*listener);
    if (!wake_.valid()) return {ErrorCode::kIoError, "the admin API gets no descriptor"};
    workers_ = std::make_unique<AdminWorkers>(backend_, [this] { wake(); });
    thread_ = std::thread([this] { run(); });
    return {};
  }

  void stop() {
    if (!thread_.joinable()) return;
    stopping_ = true;
    wake();
    thread_.join();
    workers_.reset();
    if (address_.is_unix()) unlink(address_.unix_path.c_str());
  }

 private:
  using State = AdminPeer::State;
  using Peers = std::map<uint64_t, AdminPeer>;  // the oldest first

  void wake() {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
  }

  void run() {
    int64_t end = INT64_MAX;
    while (now_ms() < end) {
      if (stopping_ && end == INT64_MAX) {
        end = now_ms() + kStopMs;
        listener_.reset();
        forget_unasked();
      }
      if (stopping_ && peers_.empty()) break;
      wait(end);
      take_answers();
      end_late();
      std::erase_if(peers_, [](const auto& peer) { return peer.second.state() == State::kGone; });
      if (now_ms() < next_watch_ms_) continue;
      next_watch_ms_ = now_ms() + kWatchMs;
      gate_.watch_certificate(now_ms(), time(nullptr));
    }
    peers_.clear();
  }

  // Sleeps until there is news, and deals with it.
  void wait(int64_t end) {
    int64_t until = std::min(end, next_watch_ms_);
    polled_.assign({{wake_.get(), POLLIN, 0}, {-1, POLLIN, 0}});
    if (now_ms() >= accept_again_ms_)
      polled_[1].fd = listener_.get();
    else
      until = std::min(until, accept_again_ms_);
    for (const auto& [id, peer] : peers_) {
      // poll() would tell again and again that a peer has hung up that waits for its answer.
      const short interest = peer.interest();
      polled_.push_back({interest == 0 ? -1 : peer.socket(), interest, 0});
      until = std::min(until, peer.deadline_ms());
    }
    const int64_t left = std::clamp<int64_t>(until - now_ms(), 0, kWatchMs);
    if (poll(polled_.data(), polled_.size(), static_cast<int>(left)) <= 0) return;
    uint64_t count = 0;
    if (polled_[0].revents != 0 && read(wake_.get(), &count, sizeof count) < 0) return;
    size_t at = 2;
    for (auto& [id, peer] : peers_) {
      if (polled_[at++].revents == 0) continue;
      peer.go_on(now_ms());
      after(id, peer);
    }
    if (polled_[1].revents != 0) accept_peers();
  }

  void after(uint64_t id, AdminPeer& peer) {
    say(peer);
    if (peer.state() != State::kWhole) return;
    std::string request = peer.take_request();
    auto refusal = door_.turn_away(request, peer.asker(), now_ms());
    if (!refusal) {
      peer.welcome();
      workers_->give({id, std::move(request)});
      return;
    }
    if (!refusal->why.empty()) refused(peer, refusal->why);
    peer.answer(std::move(refusal->bytes), now_ms());
  }

  void say(AdminPeer& peer) {
    if (const std::string why = peer.take_news(); !why.empty()) refused(peer, why);
  }
  void refused(const AdminPeer& peer, const std::string& why) {
    LineLimiter& limiter = why == kTlsHungUp || why.ends_with(" in time") ? silence_ : refusals_;
    const auto line = limiter.line(static_cast<uint64_t>(now_ms()),
                                   text("refused ", peer.asker().address, ": ", why));
    if (line) log_warn("admin", *line);
  }

  void accept_peers() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.valid() && (errno == ECONNABORTED || errno == EINTR)) continue;
      if (!socket.valid()) {
        if (errno == EAGAIN) return;
        const std::string why = text("cannot accept clients: ", std::strerror(errno));
        const auto line = refusals_.line(static_cast<uint64_t>(now_ms()), why);
        if (line) log_warn("admin", *line);
        accept_again_ms_ = now_ms() + kAcceptRestMs;
        return;
      }
      if (!make_room()) continue;
      peers_.try_emplace(++last_id_, std::move(socket), gate_.credentials(now_ms()),
                         gate_.takes_tokens(), scratch_, now_ms());
    }
  }

  // Whoever has proven who he is, or may ask, stays.
  bool make_room() {
    size_t strangers = 0;
    Peers::iterator oldest = peers_.end();
    for (auto at = peers_.begin(); at != peers_.end(); ++at) {
      if (at->second.known()) continue;
      if (strangers++ == 0) oldest = at;
    }
    if (strangers < kStrangersMax && peers_.size() < kPeersMax) return true;
    if (oldest == peers_.end()) return false;
    if (oldest->second.state() < State::kAsked)
      refused(oldest->second, "gives way, because there are too many: no request in time");
    peers_.erase(oldest);
    return true;
  }

  void take_answers() {
    for (AdminWorkers::Answer& answer : workers_->take_answers()) {
      const auto found = peers_.find(answer.id);
      if (found == peers_.end()) continue;
      found->second.answer(std::move(answer.bytes), now_ms());
    }
  }

  void end_late() {
    for (auto& [id, peer] : peers_) {
      if (peer.deadline_ms() > now_ms()) continue;
      peer.time_is_up();
      say(peer);
    }
  }

  void forget_unasked() {
    std::erase_if(peers_, [](const auto& peer) { return peer.second.state() < State::kAsked; });
  }

  const ListenAddress address_;
  AdminBackend& backend_;
  AdminGate& gate_;
  AdminDoor door_;
  UniqueFd listener_;
  const UniqueFd wake_ = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  std::atomic<bool> stopping_ = false;
  std::unique_ptr<AdminWorkers> workers_;
  std::thread thread_;

  // The thread's own.
  TlsScratch scratch_;
  Peers peers_;
  uint64_t last_id_ = 0;
  std::vector<pollfd> polled_;
  int64_t accept_again_ms_ = 0;
  int64_t next_watch_ms_ = 0;
  LineLimiter refusals_;
  LineLimiter silence_;  // apart, so that those who say nothing hide nobody
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminServer::~AdminServer() {
  impl_->stop();
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(const ListenAddress& address,
                                                        AdminBackend& backend, AdminGate& gate) {
  auto impl = std::make_unique<Impl>(address, backend, gate);
  VARVE_TRY(impl->listen());
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

void AdminServer::stop() {
  impl_->stop();
}

std::vector<std::string> AdminServer::routes() {
  std::vector<std::string> routes;
  for (const AdminRoute& route : admin_routes())
    routes.push_back(text(route.method, " ", route.path));
  return routes;
}

}  // namespace varve
