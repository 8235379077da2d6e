// What a message costs in system calls, between two contexts that poll, arm and sleep as a host
// makes them do.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <memory>
#include <vector>

#include "transports/tcp/context.h"

namespace {

struct Calls {
  uint64_t sends = 0;
  uint64_t receives = 0;
  uint64_t looks = 0;    // epoll_wait
  uint64_t changes = 0;  // epoll_ctl
};
Calls calls;

}  // namespace

extern "C" {
ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
ssize_t __real_recvmsg(int fd, msghdr* message, int flags);
int __real_epoll_wait(int fd, epoll_event* events, int count, int timeout);
int __real_epoll_ctl(int fd, int change, int of, epoll_event* event);

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  ++calls.sends;
  return __real_sendmsg(fd, message, flags);
}
ssize_t __wrap_recvmsg(int fd, msghdr* message, int flags) {
  ++calls.receives;
  return __real_recvmsg(fd, message, flags);
}
int __wrap_epoll_wait(int fd, epoll_event* events, int count, int timeout) {
  ++calls.looks;
  return __real_epoll_wait(fd, events, count, timeout);
}
int __wrap_epoll_ctl(int fd, int change, int of, epoll_event* event) {
  ++calls.changes;
  return __real_epoll_ctl(fd, change, of, event);
}
}

namespace varve {
namespace {

constexpr size_t kArenaBytes = 8 << 20;
constexpr size_t kSlotBytes = 65536;

const varve_host kHost{sizeof(varve_host),
                       VARVE_ABI_MAJOR,
                       VARVE_ABI_MINOR,
                       0,
                       nullptr,
                       [](void*, uint32_t, const char*) {}};

// One side: its answer to a message is a message.
struct Side {
  Side() : log(&kHost), tcp(options, tls, log) {
    REQUIRE(tcp.memory().add(arena.get(), kArenaBytes, &memory) == VARVE_OK);
    for (uint64_t i = 1; i <= 64; ++i) post(i);
  }
  varve_slice slot(uint64_t index, uint64_t bytes) {
    return {arena.get() + index * kSlotBytes, bytes, memory};
  }
  void post(uint64_t op_id) {
    const varve_slice buffer = slot(op_id, kSlotBytes);
    REQUIRE(tcp.receive_post(buffer, op_id) == VARVE_OK);
  }
  void send() {
    varve_message message{};
    const uint8_t header[64] = {};
    message.struct_size = sizeof(message);
    message.header = header;
    message.header_bytes = sizeof(header);
    message.slice_count = payload_bytes > 0 ? 1 : 0;
    message.slices[0] = slot(0, payload_bytes);
    REQUIRE(tcp.send(connection, message, 1) == VARVE_OK);
  }
  // True: something was done or is pending.
  bool turn() {
    varve_transport_event events[64];
    const int32_t count = tcp.poll(events, 64);
    for (int32_t i = 0; i < count; ++i) {
      const varve_transport_event& event = events[i];
      if (event.kind == VARVE_EVENT_CONNECTED || event.kind == VARVE_EVENT_ACCEPTED)
        connection = event.connection;
      if (event.kind != VARVE_EVENT_RECEIVED) continue;
      ++received;
      if (event.op_id != 0) post(event.op_id);
      if (answers_left > 0) {
        --answers_left;
        send();
      }
    }
    return count > 0 || tcp.arm();
  }

  std::unique_ptr<char, decltype(&std::free)> arena{
      static_cast<char*>(std::aligned_alloc(4096, kArenaBytes)), &std::free};
  TcpOptions options;
  PluginTls tls;
  HostLog log;
  TcpContext tcp;
  uint64_t memory = 0;
  uint64_t connection = 0;
  uint64_t payload_bytes = 0;  // of what it sends
  uint64_t received = 0;
  uint64_t answers_left = 0;
};

struct Pair {
  Pair() {
    std::string address;
    REQUIRE(server.tcp.listen("127.0.0.1:0", address).empty());
    REQUIRE(client.tcp.connect(address, 1) == VARVE_OK);
    run_until([&] { return client.connection != 0 && server.connection != 0; });
  }
  template <typename Done>
  void run_until(const Done& done) {
    while (!done()) {
      const bool busy = client.turn();
      if (server.turn() || busy) continue;
      pollfd ready[2] = {{client.tcp.wait_fd(), POLLIN, 0}, {server.tcp.wait_fd(), POLLIN, 0}};
      REQUIRE(::poll(ready, 2, 10'000) > 0);
    }
  }
  // Requests with a payload and answers without, `depth` at a time; the calls of both sides.
  Calls exchange(uint64_t request_bytes, uint64_t answer_bytes, uint64_t depth, uint64_t count) {
    client.payload_bytes = request_bytes;
    server.payload_bytes = answer_bytes;
    server.answers_left = count;
    client.answers_left = count - depth;
    client.received = 0;
    calls = {};
    for (uint64_t i = 0; i < depth; ++i) client.send();
    run_until([&] { return client.received == count; });
    return calls;
  }

  Side client;
  Side server;
};

}  // namespace

TEST_CASE("a request and its answer cost each side one send and one receive, and hardly a look") {
  Pair pair;
  constexpr uint64_t kCount = 500;
  for (const uint64_t bytes : {0, 100, 4096, 16384, 65536}) {
    pair.exchange(bytes, 0, 1, 10);  // buffers of the kernel and our own find their size
    for (const bool answer_is_large : {false, true}) {
      const uint64_t request_bytes = answer_is_large ? 0 : bytes;
      const uint64_t answer_bytes = answer_is_large ? bytes : 0;
      const Calls used = pair.exchange(request_bytes, answer_bytes, 1, kCount);
      INFO(bytes << " bytes: " << used.sends << " sends, " << used.receives << " receives, "
                 << used.looks << " looks");
      CHECK(used.sends == 2 * kCount);
      CHECK(used.receives <= 2 * kCount + kCount / 10);
      CHECK(used.looks <= kCount / 5);
      CHECK(used.changes == 0);
    }
  }
}

TEST_CASE("requests that are on their way together share their calls") {
  Pair pair;
  constexpr uint64_t kCount = 3200;
  for (const uint64_t bytes : {0, 4096}) {
    pair.exchange(bytes, 0, 32, 320);
    const Calls used = pair.exchange(bytes, 0, 32, kCount);
    INFO(bytes << " bytes: " << used.sends << " sends, " << used.receives << " receives, "
               << used.looks << " looks");
    CHECK(used.sends + used.receives + used.looks < kCount / 2);
  }
}

}  // namespace varve
