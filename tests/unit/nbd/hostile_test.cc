// Clients that are slow, greedy, broken or gone: they cost bounded memory and time.
#include <libnbd.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "plugins/nbd/limits.h"
#include "plugins/nbd/protocol.h"
#include "plugins/sdk/bytes.h"
#include "plugins/sdk/unique_fd.h"
#include "tests/unit/nbd/served.h"

namespace varve {
namespace {

constexpr uint64_t kSize = 8 << 20;

// A client that sends whatever bytes a test wants.
struct RawClient {
  explicit RawClient(const std::string& path) : fd(::socket(AF_UNIX, SOCK_STREAM, 0)) {
    const timeval patience{5, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  }
  void give(const std::string& bytes) {
    REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  std::string take(size_t bytes) {
    std::string out(bytes, '\0');
    const ssize_t got = ::recv(fd.get(), out.data(), bytes, MSG_WAITALL);
    out.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return out;
  }
  // Waits until the server has closed the connection; false when it does not within 5 seconds.
  bool closed() {
    std::string rest(4096, '\0');
    ssize_t got = 1;
    while (got > 0) got = ::recv(fd.get(), rest.data(), rest.size(), 0);
    return got == 0 || errno == ECONNRESET;
  }
  // Into the transmission phase of `volume`, without structured replies.
  void choose(const std::string& volume) {
    std::string bytes;
    append_be(bytes, kNbdClientFixedNewstyle | kNbdClientNoZeroes);
    append_be(bytes, kNbdOptionMagic);
    append_be(bytes, kNbdOptExportName);
    append_be(bytes, static_cast<uint32_t>(volume.size()));
    give(bytes + volume);
    REQUIRE(take(18 + 10).size() == 28);
  }
  UniqueFd fd;
};

std::string request(uint16_t type, uint64_t cookie, uint64_t offset, uint32_t bytes) {
  std::string out;
  append_be(out, kNbdRequestMagic);
  append_be(out, uint16_t{0});
  append_be(out, type);
  append_be(out, cookie);
  append_be(out, offset);
  append_be(out, bytes);
  return out;
}

TEST_CASE("a client that does not finish its handshake is dropped") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host, {{"handshake_timeout_ms", "50"}});
  RawClient silent(served.path());
  RawClient half(served.path());
  half.give(std::string(2, '\0'));
  CHECK(silent.closed());
  CHECK(half.closed());
  CHECK(host.logged("handshake not finished in time") != "");
}

TEST_CASE("a client that stops inside a request is dropped; one that is idle stays") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host, {{"request_timeout_ms", "50"}});
  RawClient idle(served.path());
  idle.choose("v");
  RawClient header(served.path());
  header.choose("v");
  header.give(request(kNbdCmdRead, 1, 0, 1).substr(0, 20));
  RawClient payload(served.path());
  payload.choose("v");
  payload.give(request(kNbdCmdWrite, 1, 0, 1 << 20) + std::string(1000, 'x'));
  CHECK(header.closed());
  CHECK(payload.closed());
  CHECK(eventually([&] { return host.buffer_bytes() == 0; }));
  CHECK(host.submitted(VARVE_OP_WRITE) == 0);
  idle.give(request(kNbdCmdFlush, 7, 0, 0));
  CHECK(idle.take(kNbdSimpleReplyBytes).size() == kNbdSimpleReplyBytes);
}

TEST_CASE("a client that takes no replies holds bounded memory and is dropped") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host, {{"request_timeout_ms", "100"}});
  RawClient greedy(served.path());
  greedy.choose("v");
  std::string reads;
  for (uint64_t i = 0; i < 1000; ++i) reads += request(kNbdCmdRead, i, 0, 1 << 20);
  greedy.give(reads);
  CHECK(eventually([&] { return host.logged("replies not taken in time") != ""; }));
  CHECK(host.peak_buffer_bytes() <= kMaxInFlightBytes);
  CHECK(eventually([&] { return host.buffer_bytes() == 0 && host.open_volumes() == 0; }));
}

TEST_CASE("requests beyond the limit wait in the socket") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  RawClient client(served.path());
  client.choose("v");
  host.hold(true);
  constexpr size_t kCount = 3 * kMaxInFlight;
  std::string flushes;
  for (uint64_t i = 0; i < kCount; ++i) flushes += request(kNbdCmdFlush, i, 0, 0);
  client.give(flushes);
  REQUIRE(eventually([&] { return host.held_count() == kMaxInFlight; }));
  host.release(false, 1);  // makes room for one
  REQUIRE(eventually([&] { return host.submitted(VARVE_OP_FLUSH) == kMaxInFlight + 1; }));
  host.hold(false);
  host.release();
  CHECK(client.take(kCount * kNbdSimpleReplyBytes).size() == kCount * kNbdSimpleReplyBytes);
}

TEST_CASE("clients that leave right behind half a request are noticed, each of them") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  for (int i = 0; i < 100; ++i) {
    RawClient client(served.path());
    client.choose("v");
    client.give(request(kNbdCmdFlush, 1, 0, 0).substr(0, 20));
  }
  CHECK(eventually([&] { return host.open_volumes() == 0; }));
}

TEST_CASE("bytes that are no request end the connection") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  RawClient client(served.path());
  client.choose("v");
  client.give(std::string(28, 'x'));
  CHECK(client.closed());
}

TEST_CASE("a client that leaves closes its volume; its buffers stay until its requests end") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  {
    RawClient client(served.path());
    client.choose("v");
    host.hold(true);
    client.give(request(kNbdCmdRead, 1, 0, 4096) + request(kNbdCmdWrite, 2, 0, 4096) +
                std::string(4096, 'x'));
    REQUIRE(eventually([&] { return host.held_count() == 2; }));
  }
  CHECK(eventually([&] { return host.open_volumes() == 0; }));
  CHECK(host.buffer_bytes() == 8192);
  host.hold(false);
  host.release();
  CHECK(eventually([&] { return host.buffer_bytes() == 0; }));
}

TEST_CASE("a disconnect is obeyed after the answers to what is in flight") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  RawClient client(served.path());
  client.choose("v");
  host.hold(true);
  client.give(request(kNbdCmdFlush, 1, 0, 0) + request(kNbdCmdDisconnect, 2, 0, 0));
  REQUIRE(eventually([&] { return host.held_count() == 1; }));
  host.hold(false);
  host.release();
  CHECK(client.take(100).size() == kNbdSimpleReplyBytes);
}

TEST_CASE("stop answers what is in flight, takes nothing new and closes") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  RawClient client(served.path());
  client.choose("v");
  RawClient greeting(served.path());
  REQUIRE(greeting.take(18).size() == 18);
  host.hold(true);
  client.give(request(kNbdCmdFlush, 1, 0, 0));
  REQUIRE(eventually([&] { return host.held_count() == 1; }));
  served.begin_stop();
  CHECK(greeting.closed());
  client.give(request(kNbdCmdFlush, 2, 0, 0));
  host.hold(false);
  host.release();
  CHECK(client.take(100).size() == kNbdSimpleReplyBytes);
  served.join();
}

TEST_CASE("more connections than allowed are closed at once, and others are served again later") {
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &files) == 0);
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  {
    std::vector<RawClient> clients;
    for (size_t i = 0; i < kMaxConnections; ++i) {
      clients.emplace_back(served.path());
      clients.back().choose("v");
    }
    RawClient refused(served.path());
    CHECK(refused.take(18).empty());
    CHECK(host.logged("too many clients") != "");
  }
  CHECK(eventually([&] {
    RawClient client(served.path());
    return client.take(18).size() == 18;
  }));
}

TEST_CASE("who opens many connections and says nothing keeps no client out") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  RawClient before(served.path());
  before.choose("v");
  std::vector<RawClient> silent;
  for (size_t i = 0; i < kMaxHandshakes + 10; ++i) {
    silent.emplace_back(served.path());
    REQUIRE(silent.back().take(18).size() == 18);
  }
  // The oldest have had to go.
  for (size_t i = 0; i < 10; ++i) CHECK(silent[i].closed());
  RawClient after(served.path());
  after.choose("v");
  before.give(request(kNbdCmdFlush, 1, 0, 0));
  CHECK(before.take(kNbdSimpleReplyBytes).size() == kNbdSimpleReplyBytes);
}

TEST_CASE("a socket file that nobody answers on is replaced, others are left alone") {
  TestHost host;
  host.add_volume("v", kSize);
  Served first(host);
  const std::string taken = first.path();
  PluginRunner second(host);
  CHECK(second.start({{"listen", "unix:" + taken}}).find("another process") != std::string::npos);
  const std::string stale = taken + ".stale";
  {
    UniqueFd dead(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, stale.c_str(), sizeof(address.sun_path) - 1);
    REQUIRE(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  }
  {
    PluginRunner third(host);
    CHECK(third.start({{"listen", "unix:" + stale}}) == "");
    third.request_stop();
    third.run();
    CHECK_FALSE(std::filesystem::exists(stale));
  }
  std::ofstream(stale) << "not a socket";
  PluginRunner fourth(host);
  CHECK(fourth.start({{"listen", "unix:" + stale}}).find("not a socket") != std::string::npos);
  CHECK(std::filesystem::file_size(stale) == 12);
  Nbd nbd = connect_to(taken, "v");
  CHECK(nbd_get_size(nbd.get()) == static_cast<int64_t>(kSize));
}

TEST_CASE("TCP over both address families, on a port that the kernel chose") {
  for (const char* address : {"tcp:127.0.0.1:0", "tcp:[::1]:0"}) {
    TestHost host;
    host.add_volume("v", kSize);
    Served served(host, {{"listen", address}});
    const std::string line = host.logged("listening on tcp:");
    const std::string port = line.substr(line.rfind(':') + 1);
    const char* to = std::string(address).find('[') == std::string::npos ? "127.0.0.1" : "::1";
    Nbd nbd(nbd_create());
    nbd_set_export_name(nbd.get(), "v");
    REQUIRE(nbd_connect_tcp(nbd.get(), to, port.c_str()) == 0);
    std::vector<uint8_t> bytes(4 << 20, 7);
    CHECK(nbd_pwrite(nbd.get(), bytes.data(), bytes.size(), 1, 0) == 0);
    std::vector<uint8_t> read(bytes.size());
    CHECK(nbd_pread(nbd.get(), read.data(), read.size(), 1, 0) == 0);
    CHECK(read == bytes);
  }
}

}  // namespace
}  // namespace varve
