// RDMA with certificates: who is let in, who is not, and that nobody else's frames are taken.
#include <rdma/rdma_cma.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "tests/conformance/transport/rdma_raw_peer.h"
#include "tests/conformance/transport/wire.h"
#include "tests/unit/tls/pki.h"
#include "transports/rdma/limits.h"
#include "transports/rdma/session.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;
using Credentials = std::shared_ptr<const TlsCredentials>;

constexpr Greeting kWithTls{32, 8192, true};

// What the host has told the plugin.
Credentials of_the_node() {
  const varve_host host = host_for(nullptr);
  Credentials loaded;
  REQUIRE(TlsCredentials::load({host.tls_ca_file, host.tls_cert_file, host.tls_key_file}, loaded)
              .empty());
  return loaded;
}

// The plugin has no news of its own when the peer's event comes: it is looked for every moment.
void expect_event(Wire& wire, RawRdmaPeer& peer, int event) {
  wire.settle();
  for (int i = 0; i < 400 && !peer.has_event(); ++i) wire.settle();
  REQUIRE(peer.await_event() == event);
}

// Somebody who says that he has [tls], and is connected.
struct Stranger {
  explicit Stranger(Wire& of) : wire(of), peer(wire.address(), raw_greeting(kWithTls)) {
    expect_event(wire, peer, RDMA_CM_EVENT_ESTABLISHED);
  }
  void await_end() { expect_event(wire, peer, RDMA_CM_EVENT_DISCONNECTED); }

  Wire& wire;
  RawRdmaPeer peer;
};

// One that goes on with a handshake.
struct Dialer : Stranger {
  Dialer(Wire& of, Credentials credentials)
      : Stranger(of), session(std::move(credentials), true, kWithTls, kWithTls) {
    session.step();
    talk();
  }
  void talk() {
    std::vector<uint8_t> piece(8192);
    while (const size_t bytes = session.take(piece)) {
      const Frame frame{.kind = FrameKind::kHandshake,
                        .payload_bytes = static_cast<uint32_t>(bytes)};
      REQUIRE(peer.send(raw_frame(
          frame, std::string(piece.begin(), piece.begin() + static_cast<ptrdiff_t>(bytes)))));
    }
    wire.settle();
  }
  void listen() {
    const std::span<const uint8_t> sent = peer.await_bytes();
    REQUIRE(is_handshake_frame(sent));
    REQUIRE(session.give(sent.subspan(kFrameBytes)) == nullptr);
    session.step();
    talk();
  }
  // Until the right side has accepted it.
  void prove() {
    while (!session.done()) listen();
    wire.run_until([&] { return !wire.right().accepted.empty(); });
    connection = wire.right().accepted.back();
    keys = session.authenticator();
    std::span<const uint8_t> news = peer.await_bytes();
    Authenticator::PayloadSeal seal;
    REQUIRE(keys->open(news, seal) == nullptr);
  }
  std::string sealed(const Frame& frame, const std::string& rest) {
    std::string bytes = raw_frame(frame, rest);
    const auto plain_bytes = static_cast<uint32_t>(bytes.size());
    const bool staged = frame.kind == FrameKind::kStaged;
    bytes.resize(plain_bytes + size_t{2} * kSealBytes);
    bytes.resize(keys->seal(reinterpret_cast<uint8_t*>(bytes.data()), plain_bytes,
                            {peer.readable(), staged ? frame.payload_bytes : 0}));
    return bytes;
  }

  RdmaSession session;
  std::unique_ptr<Authenticator> keys;
  uint64_t connection = 0;
};

constexpr Frame kMessage{.kind = FrameKind::kEager, .header_bytes = 5};

// An instance of the same plugin on another node, which has these certificates, or none.
struct OtherNode {
  explicit OtherNode(const TlsFiles& files = {}) : host(host_for(&log)) {
    host.tls_ca_file = files.configured() ? files.ca.c_str() : nullptr;
    host.tls_cert_file = files.configured() ? files.cert.c_str() : nullptr;
    host.tls_key_file = files.configured() ? files.key.c_str() : nullptr;
    const varve_option option{"allow_plaintext", "true"};
    REQUIRE(table.instance_create(&host, &option, 1, &instance, nullptr, 0) == VARVE_OK);
    side = std::make_unique<TransportSide>(table, instance);
  }
  ~OtherNode() {
    side.reset();
    table.instance_destroy(instance);
  }
  // How a connect of it, or of somebody else to it, ends.
  int32_t result_of(Wire& wire, TransportSide& by, const std::string& address) {
    const uint64_t op_id = by.connect(address);
    for (int i = 0; i < 2000 && !by.connected.contains(op_id); ++i) {
      wire.settle();
      side->poll();
    }
    REQUIRE(by.connected.contains(op_id));
    return by.connected[op_id].first;
  }

  const varve_transport& table = transport_under_test();
  std::string log;
  varve_host host;
  varve_transport_instance* instance = nullptr;
  std::unique_ptr<TransportSide> side;
};

}  // namespace

TEST_CASE("both sides are told who the other is, before anything else") {
  Wire wire;
  CHECK_THAT(wire.log(), ContainsSubstring("nothing is encrypted"));
  const auto [left, right] = wire.connect();
  CHECK(wire.left().names[left] == "n1");
  CHECK(wire.right().names[right] == "n1");
}

TEST_CASE("with certificates, plain text has to be allowed at once or the plugin is not used") {
  varve_host host = host_for(nullptr);
  varve_transport_instance* instance = nullptr;
  char why[256] = "";
  CHECK(transport_under_test().instance_create(&host, nullptr, 0, &instance, why, sizeof(why)) ==
        VARVE_E_INVALID);
  CHECK_THAT(why, ContainsSubstring("allow_plaintext = true"));
}

TEST_CASE("a node with certificates and one without refuse each other, and both say why") {
  Wire wire;
  OtherNode plain;
  CHECK(plain.result_of(wire, *plain.side, wire.address()) == VARVE_E_NOT_FOUND);
  CHECK_THAT(plain.log, ContainsSubstring("it has [tls], and this node has not"));
  CHECK_THAT(wire.log(), ContainsSubstring("it has no [tls], and this node has"));
  const std::string before = wire.log();
  CHECK(plain.result_of(wire, wire.left(), plain.side->listen()) == VARVE_E_NOT_FOUND);
  CHECK_THAT(wire.log().substr(before.size()),
             ContainsSubstring("it has no [tls], and this node has"));
  CHECK_THAT(plain.log, ContainsSubstring("is refused: it has [tls], and this node has not"));
  CHECK(wire.right().accepted.empty());
  CHECK(plain.side->accepted.empty());
}

TEST_CASE("who says that he has [tls] and makes no handshake is refused, with the reason") {
  Wire wire;
  wire.post_both(1, 65536);
  const auto handshake = [](const std::string& bytes) {
    return raw_frame(
        {.kind = FrameKind::kHandshake, .payload_bytes = static_cast<uint32_t>(bytes.size())},
        bytes);
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {raw_frame(kMessage, "hello"), "it speaks before it has proven who it is"},
      {raw_frame({.freed = 0}), "it speaks before"},
      {raw_frame({.kind = FrameKind::kHandshake, .payload_bytes = 1, .freed = 1}, "x"), "freed"},
      {std::string(100, 'x'), "magic"},
      {handshake("GET / HTTP/1.1\r\n\r\n"), "does not speak TLS 1.3"},
      {handshake(std::string("\x16\x03\x01\xff\xff\x01", 6)), "TLS"},
  };
  for (const auto& [bytes, finding] : cases) {
    INFO(finding);
    const std::string before = wire.log();
    Stranger stranger(wire);
    REQUIRE(stranger.peer.send(bytes));
    stranger.await_end();
    CHECK_THAT(wire.log().substr(before.size()), ContainsSubstring(finding));
  }
  CHECK(wire.right().accepted.empty());
  wire.connect();
}

TEST_CASE("certificates of others are refused on both sides, with the reason") {
  Wire wire;
  Pki others;
  {
    Dialer guest(wire, others.credentials("lab", TlsRole::kNode, "n2"));
    // Another authority: the guest does not believe the node either, and says so first.
    while (!guest.session.failed()) guest.listen();
    CHECK_THAT(guest.session.why(), ContainsSubstring("certificate is not good"));
    guest.await_end();
    CHECK_THAT(wire.log(), ContainsSubstring("it refuses this side"));
  }
  {
    const std::string before = wire.log();
    // Believes the node, whose authority does not know him.
    const TlsFiles files = others.issue("lab", TlsRole::kNode, "n2");
    const varve_host host = host_for(nullptr);
    REQUIRE(std::system(("cat " + std::string(host.tls_ca_file) + " >>" + files.ca).c_str()) == 0);
    Credentials stranger;
    REQUIRE(TlsCredentials::load(files, stranger).empty());
    Dialer guest(wire, stranger);
    while (!guest.session.failed()) guest.listen();
    CHECK_THAT(guest.session.why(), ContainsSubstring("it refuses this side"));
    guest.await_end();
    CHECK_THAT(wire.log().substr(before.size()), ContainsSubstring("certificate is not good"));
  }
  CHECK(wire.right().accepted.empty());
}

TEST_CASE("certificates that were replaced count from the next connection on") {
  Wire wire;
  Pki others;
  const varve_host host = host_for(nullptr);
  TlsFiles files = others.issue("lab", TlsRole::kNode, "n1");
  const TlsFiles foreign = others.issue("lab", TlsRole::kNode, "n1");
  const auto copy = [](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to + ".copy",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::rename(to + ".copy", to);
  };
  copy(host.tls_ca_file, files.ca);
  copy(host.tls_cert_file, files.cert);
  copy(host.tls_key_file, files.key);
  OtherNode node(files);
  CHECK(node.result_of(wire, *node.side, wire.address()) == VARVE_OK);
  CHECK(node.side->names.begin()->second == "n1");
  copy(foreign.ca, files.ca);
  copy(foreign.cert, files.cert);
  copy(foreign.key, files.key);
  // They are looked at once a second.
  int32_t result = VARVE_OK;
  for (int i = 0; i < 100 && result == VARVE_OK; ++i)
    result = node.result_of(wire, *node.side, wire.address());
  CHECK(result == VARVE_E_NOT_FOUND);
  CHECK_THAT(node.log, ContainsSubstring("certificate is not good"));
  CHECK(node.side->closed.empty());
}

TEST_CASE("frames of the proven peer arrive, and nothing that somebody else has made of them") {
  Wire wire;
  Dialer guest(wire, of_the_node());
  guest.prove();
  CHECK(wire.right().names[guest.connection] == "n1");
  const std::string first = guest.sealed(kMessage, "first");
  std::string next = guest.sealed(kMessage, "again");
  REQUIRE(guest.peer.send(first));
  wire.run_until([&] { return !wire.right().received.empty(); });
  CHECK(wire.right().received.front().header == "first");
  std::string finding = "not the peer's";
  SECTION("sent before") {
    next = first;
  }
  SECTION("out of its order") {
    next = guest.sealed(kMessage, "third");
  }
  SECTION("not sealed") {
    next = raw_frame(kMessage, "hello");
    finding = "too short";
  }
  SECTION("with another header") {
    next[kFrameBytes] = static_cast<char>(next[kFrameBytes] ^ 1);
  }
  SECTION("with another payload") {
    Frame with_payload = kMessage;
    with_payload.payload_bytes = 100;
    next = guest.sealed(with_payload, "third" + std::string(100, 'x'));
    next[kFrameBytes + 5] = 'y';
    wire.right().post(65536);
  }
  SECTION("pointing to other memory") {
    // The checksum is right.
    const Frame staged{.kind = FrameKind::kStaged,
                       .header_bytes = 5,
                       .payload_bytes = 5000,
                       .address = reinterpret_cast<uintptr_t>(guest.peer.readable()),
                       .key = guest.peer.readable_key()};
    next.replace(0, kFrameBytes, raw_frame(staged));
    wire.right().post(65536);
  }
  SECTION("a handshake frame") {
    next = raw_frame({.kind = FrameKind::kHandshake, .payload_bytes = 40}, std::string(40, 'x'));
  }
  REQUIRE(guest.peer.send(next));
  wire.run_until([&] { return wire.right().closed.contains(guest.connection); });
  CHECK(wire.right().closed[guest.connection] == VARVE_E_DAMAGED);
  CHECK(wire.right().received.size() == 1);
  CHECK_THAT(wire.log(), ContainsSubstring(finding));
  wire.connect();
}

TEST_CASE("a payload that is read is the one that the peer has sealed, or ends the connection") {
  Wire wire;
  Dialer guest(wire, of_the_node());
  guest.prove();
  for (int i = 0; i < 3; ++i) wire.right().post(65536);
  const Frame staged{.kind = FrameKind::kStaged,
                     .header_bytes = 5,
                     .payload_bytes = 20'000,
                     .address = reinterpret_cast<uintptr_t>(guest.peer.readable()),
                     .key = guest.peer.readable_key()};
  std::fill_n(guest.peer.readable(), staged.payload_bytes, 'p');
  REQUIRE(guest.peer.send(guest.sealed(staged, "first")));
  wire.run_until([&] { return !wire.right().received.empty(); });
  CHECK(wire.right().received.front().payload == std::string(staged.payload_bytes, 'p'));
  // It is read when the plugin has a turn: what is behind it has arrived by then.
  REQUIRE(guest.peer.send(guest.sealed(staged, "again")));
  REQUIRE(guest.peer.send(guest.sealed(kMessage, "third")));
  guest.peer.readable()[staged.payload_bytes - 1] = 'q';
  wire.run_until([&] { return wire.right().closed.contains(guest.connection); });
  CHECK(wire.right().closed[guest.connection] == VARVE_E_DAMAGED);
  CHECK(wire.right().received.size() == 1);
  CHECK_THAT(wire.log(), ContainsSubstring("not what it has sealed"));
  wire.connect();
}

TEST_CASE("who says nothing is dropped after the time for connections") {
  Wire wire(Wire::Options{{"connect_timeout_ms", "3000"}});
  std::vector<std::unique_ptr<Stranger>> silent;
  for (size_t i = 0; i < 3; ++i) silent.push_back(std::make_unique<Stranger>(wire));
  wire.connect();
  for (auto& stranger : silent) {
    wire.run_until([&] { return stranger->peer.has_event(); });
    stranger->await_end();
  }
  CHECK_THAT(wire.log(), ContainsSubstring("no TLS handshake in time"));
  CHECK(wire.right().accepted.size() == 1);
}

TEST_CASE("many who say nothing keep nobody out: the oldest gives way") {
  Wire wire(Wire::Options{{"connect_timeout_ms", "600000"}});
  std::vector<std::unique_ptr<Stranger>> silent;
  for (size_t i = 0; i < kMaxHandshakes; ++i) silent.push_back(std::make_unique<Stranger>(wire));
  // Nobody gives way to one that is refused at once.
  RawRdmaPeer refused(wire.address(), raw_greeting(kWithTls), 0);
  expect_event(wire, refused, RDMA_CM_EVENT_REJECTED);
  CHECK_FALSE(silent.front()->peer.has_event());
  for (size_t i = 0; i < 2; ++i) silent.push_back(std::make_unique<Stranger>(wire));
  CHECK_THAT(wire.log(), ContainsSubstring("too many TLS handshakes"));
  silent.front()->await_end();
  wire.settle();
  CHECK_FALSE(silent.back()->peer.has_event());
  wire.connect();
  CHECK(wire.right().accepted.size() == 1);
}

}  // namespace varve
