#include "tests/conformance/metadata/tap.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <vector>

namespace varve {
namespace {

sockaddr_in address_of(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// False: the end.
bool send_all(int to, const char* bytes, size_t count) {
  while (count > 0) {
    const ssize_t sent = send(to, bytes, count, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    count -= static_cast<size_t>(sent);
  }
  return true;
}

bool move_some(int from, int to) {
  char bytes[16384];
  const ssize_t count = recv(from, bytes, sizeof bytes, 0);
  return count > 0 && send_all(to, bytes, static_cast<size_t>(count));
}

bool swallow_some(int from) {
  char bytes[16384];
  return recv(from, bytes, sizeof bytes, 0) > 0;
}

void add_one(int to) {
  const uint64_t one = 1;
  REQUIRE(write(to, &one, sizeof one) == sizeof one);
}

}  // namespace

Tap::Tap(int server_port, Mode mode)
    : server_port_(server_port),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      wake_fd_(eventfd(0, EFD_CLOEXEC)),
      done_fd_(eventfd(0, EFD_CLOEXEC)),
      mode_(mode) {
  sockaddr_in address = address_of(0);
  socklen_t bytes = sizeof address;
  REQUIRE(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), bytes) == 0);
  REQUIRE(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &bytes) == 0);
  REQUIRE(listen(listener_.get(), 16) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

Tap::~Tap() {
  ending_ = true;
  add_one(wake_fd_.get());
  thread_.join();
}

void Tap::set(Mode mode) {
  mode_ = mode;
  add_one(wake_fd_.get());
  uint64_t count = 0;
  REQUIRE(read(done_fd_.get(), &count, sizeof count) == sizeof count);
}

void Tap::accept_one() {
  UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const Mode mode = mode_;
  if (!client.valid() || mode == Mode::kCut) return;
  Pair pair{std::move(client), UniqueFd()};
  if (mode == Mode::kPass || mode == Mode::kHoldReplies) {
    pair.server = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = address_of(server_port_);
    if (connect(pair.server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
        0) {
      return;
    }
  }
  pairs_.push_back(std::move(pair));
}

bool Tap::serve(Pair& pair, bool client_ready, bool server_ready) {
  static const std::string garbage(3000, '\xa5');
  switch (mode_.load()) {
    case Mode::kCut:
      return false;
    case Mode::kGarbage:
      return !client_ready || (swallow_some(pair.client.get()) &&
                               send_all(pair.client.get(), garbage.data(), garbage.size()));
    case Mode::kSilent:
      return !client_ready || swallow_some(pair.client.get());
    case Mode::kPass:
    case Mode::kHoldReplies:
      if (!pair.server.valid()) return false;
      if (client_ready && !move_some(pair.client.get(), pair.server.get())) return false;
      return !server_ready || move_some(pair.server.get(), pair.client.get());
  }
  return false;
}

void Tap::run() {
  while (!ending_) {
    std::vector<pollfd> ready{{wake_fd_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      ready.push_back({pair.client.get(), POLLIN, 0});
      ready.push_back({mode_ == Mode::kPass ? pair.server.get() : -1, POLLIN, 0});
    }
    ::poll(ready.data(), ready.size(), -1);
    size_t at = 2;
    std::erase_if(pairs_, [this, &ready, &at](Pair& pair) {
      const bool client_ready = ready[at].revents != 0, server_ready = ready[at + 1].revents != 0;
      at += 2;
      return !serve(pair, client_ready, server_ready);
    });
    if (ready[1].revents != 0) accept_one();
    if (ready[0].revents != 0) {
      uint64_t count = 0;
      [[maybe_unused]] const ssize_t bytes = read(wake_fd_.get(), &count, sizeof count);
      if (mode_ == Mode::kCut) pairs_.clear();
      const uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = write(done_fd_.get(), &one, sizeof one);
    }
  }
}

}  // namespace varve
