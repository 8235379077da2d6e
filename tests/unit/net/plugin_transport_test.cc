#include "core/net/plugin_transport.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <vector>

#include "core/base/aligned_buffer.h"

namespace varve {
namespace {

constexpr size_t kBufferBytes = 65536;
constexpr uint64_t kMessages = 500;

std::unique_ptr<PluginLibrary> load(const std::string& path) {
  auto library = PluginLibrary::open(path);
  REQUIRE(library.ok());
  return std::move(*library);
}

// Answers every request with its own payload, from the buffer that it came in.
class Echo : public TransportSink {
 public:
  explicit Echo(Transport& transport) : transport_(transport), arena_(8 * kBufferBytes) {
    transport.set_sink(*this);
    REQUIRE(transport.register_memory(arena_.span()).ok());
    for (uint64_t i = 0; i < 8; ++i) post(i);
  }

  void connected(uint64_t, ErrorCode, ConnectionId) override { FAIL("nobody asked for it"); }
  void accepted(ConnectionId connection) override { connections.push_back(connection); }
  void received(ConnectionId connection, std::span<const std::byte> header, uint64_t buffer,
                uint32_t payload_bytes) override {
    const std::span<const std::byte> payload = slot(buffer - 1).first(payload_bytes);
    REQUIRE(transport_.send(connection, header, {&payload, 1}, buffer).ok());
  }
  void sent(uint64_t op_id, ErrorCode) override { post(op_id - 1); }
  void closed(ConnectionId connection, ErrorCode) override { std::erase(connections, connection); }
  void writable(ConnectionId) override {}

  std::vector<ConnectionId> connections;

 private:
  std::span<std::byte> slot(uint64_t index) {
    return arena_.span().subspan(index * kBufferBytes, kBufferBytes);
  }
  void post(uint64_t index) { REQUIRE(transport_.post_receive(slot(index), index + 1).ok()); }

  Transport& transport_;
  AlignedBuffer arena_;
};

// Sends requests, four at a time, and checks what comes back.
class Asker : public TransportSink {
 public:
  explicit Asker(Transport& transport) : transport_(transport), arena_(5 * kBufferBytes) {
    transport.set_sink(*this);
    REQUIRE(transport.register_memory(arena_.span()).ok());
    for (size_t i = 0; i < arena_.size(); ++i)
      arena_.span()[i] = static_cast<std::byte>(i * 7 + i / 251);
    for (uint64_t i = 1; i <= 4; ++i) post(i);
  }

  void connected(uint64_t op_id, ErrorCode result, ConnectionId connection) override {
    connects.push_back({op_id, result});
    if (result != ErrorCode::kOk) return;
    connection_ = connection;
    for (int i = 0; i < 4; ++i) ask();
  }
  void accepted(ConnectionId) override { FAIL("it does not listen"); }
  void received(ConnectionId connection, std::span<const std::byte> header, uint64_t buffer,
                uint32_t payload_bytes) override {
    CHECK(connection == connection_);
    REQUIRE(header.size() == sizeof(uint64_t));
    uint64_t number = 0;
    std::memcpy(&number, header.data(), sizeof(number));
    CHECK(number == answer_count);
    const auto sent = payload_of(number);
    REQUIRE(payload_bytes == sent.size());
    CHECK(std::memcmp(slot(buffer).data(), sent.data(), sent.size()) == 0);
    ++answer_count;
    post(buffer);
    if (ask_count_ < kMessages) ask();
  }
  void sent(uint64_t, ErrorCode result) override {
    if (result == ErrorCode::kOk) ++sent_count;
  }
  void closed(ConnectionId, ErrorCode why) override { closed_why.push_back(why); }
  void writable(ConnectionId) override {}

  std::vector<std::pair<uint64_t, ErrorCode>> connects;
  std::vector<ErrorCode> closed_why;
  uint64_t answer_count = 0;
  uint64_t sent_count = 0;

 private:
  // Slot 0 is what requests are sent from.
  std::span<std::byte> slot(uint64_t index) {
    return arena_.span().subspan(index * kBufferBytes, kBufferBytes);
  }
  std::span<const std::byte> payload_of(uint64_t number) {
    return slot(0).subspan(number * 13, 1 + number * 97);
  }
  void post(uint64_t index) { REQUIRE(transport_.post_receive(slot(index), index).ok()); }
  void ask() {
    const uint64_t number = ask_count_++;
    std::byte header[sizeof(number)];
    std::memcpy(header, &number, sizeof(number));
    const std::span<const std::byte> payload = payload_of(number);
    REQUIRE(transport_.send(connection_, header, {&payload, 1}, number).ok());
  }

  Transport& transport_;
  AlignedBuffer arena_;
  ConnectionId connection_ = 0;
  uint64_t ask_count_ = 0;
};

}  // namespace

TEST_CASE("two shards exchange requests and answers over tcp") {
  auto loop = UringLoop::create();
  REQUIRE(loop.ok());
  const auto library = load(VARVE_TCP_PLUGIN);
  auto server = PluginTransport::create(*library, {}, 0);
  auto client = PluginTransport::create(*library, {}, 1);
  REQUIRE(server.ok());
  REQUIRE(client.ok());
  Echo echo(**server);
  Asker asker(**client);
  const auto address = (*server)->listen("127.0.0.1:0");
  REQUIRE(address.ok());
  (*loop)->add_poller(**server);
  (*loop)->add_poller(**client);

  CHECK((*client)->connect("no address", 1).code() == ErrorCode::kInvalidArgument);
  REQUIRE((*client)->connect(*address, 2).ok());
  (*loop)->run_until([&] { return asker.answer_count == kMessages; });
  CHECK(asker.connects == std::vector<std::pair<uint64_t, ErrorCode>>{{2, ErrorCode::kOk}});
  (*server)->disconnect(echo.connections.front());
  (*loop)->run_until([&] { return !asker.closed_why.empty() && echo.connections.empty(); });
  CHECK(asker.closed_why == std::vector{ErrorCode::kClosed});
  CHECK(asker.sent_count == kMessages);
  const std::byte header{};
  CHECK((*client)->send(1, {&header, 1}, {}, 9).code() == ErrorCode::kClosed);

  (*loop)->remove_poller(**client);
  (*loop)->remove_poller(**server);
}

TEST_CASE("a connect to nobody says unavailable") {
  auto loop = UringLoop::create();
  REQUIRE(loop.ok());
  const bool tcp = GENERATE(true, false);
  const auto library = load(tcp ? VARVE_TCP_PLUGIN : VARVE_LOOPBACK_PLUGIN);
  auto client = PluginTransport::create(*library, {}, 0);
  REQUIRE(client.ok());
  Asker asker(**client);
  (*loop)->add_poller(**client);
  // A port that was free a moment ago.
  std::string nobody = "loopback:nobody";
  if (tcp) {
    auto listener = PluginTransport::create(*library, {}, 0);
    nobody = *(*listener)->listen("127.0.0.1:0");
  }
  REQUIRE((*client)->connect(nobody, 5).ok());
  (*loop)->run_until([&] { return !asker.connects.empty(); });
  CHECK(asker.connects.front() == std::pair<uint64_t, ErrorCode>{5, ErrorCode::kUnavailable});
  (*loop)->remove_poller(**client);
}

TEST_CASE("what a plugin refuses is told in its words") {
  const auto library = load(VARVE_TCP_PLUGIN);
  const ServiceOption option{"keepalive", "5"};
  const auto refused = PluginTransport::create(*library, {&option, 1}, 0);
  CHECK(refused.status().message() ==
        "keepalive: unknown option; known are keepalive_s, user_timeout_ms, connect_timeout_ms, "
        "allow_plaintext, kernel_tls");
  auto transport = PluginTransport::create(*library, {}, 0);
  REQUIRE(transport.ok());
  CHECK((*transport)->listen("0.0.0.0:0").status().message() ==
        "listen: \"0.0.0.0:0\" is reachable from other machines and TLS is not configured; add "
        "[tls], "
        "use a loopback address, or set allow_plaintext = true");
}

}  // namespace varve
