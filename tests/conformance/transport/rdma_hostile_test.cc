// Peers that do not speak the protocol, speak it badly, reach for memory, or are gone without a
// word. Without certificates.
#include <rdma/rdma_cma.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>

#include "tests/conformance/transport/rdma_raw_peer.h"
#include "tests/conformance/transport/wire.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// The plugin has no news of its own when the peer's event comes: it is looked for every moment.
void await_event(Wire& wire, RawRdmaPeer& peer) {
  wire.settle();
  for (int i = 0; i < 400 && !peer.has_event(); ++i) wire.settle();
}

// A raw peer that the right side has accepted.
struct Guest {
  explicit Guest(Wire& of, const Greeting& greeting = {32, 8192})
      : wire(of), peer(wire.address(), raw_greeting(greeting)) {
    const size_t before = wire.right().accepted.size();
    // The plugin's part first: then the peer's answer is only read.
    await_event(wire, peer);
    REQUIRE(peer.await_event() == RDMA_CM_EVENT_ESTABLISHED);
    wire.run_until([&] { return wire.right().accepted.size() > before; });
    connection = wire.right().accepted.back();
  }
  void await_close() {
    wire.run_until([&] { return wire.right().closed.contains(connection); });
  }

  Wire& wire;
  RawRdmaPeer peer;
  uint64_t connection = 0;
};

Frame eager(uint16_t header_bytes, uint32_t payload_bytes) {
  return {.kind = FrameKind::kEager, .header_bytes = header_bytes, .payload_bytes = payload_bytes};
}

// The plugin works as before: a payload arrives in the buffer that is posted.
void check_still_works(Wire& wire) {
  const uint64_t left = wire.connect().first;
  const size_t before = wire.right().received.size();
  REQUIRE(wire.left().send(left, "good", {pattern(9, 60'000)}) == VARVE_OK);
  wire.run_until([&] { return wire.right().received.size() > before; });
  CHECK((wire.right().received.back().payload == pattern(9, 60'000)));
}

}  // namespace

TEST_CASE("a peer with a wrong greeting is refused with one line in the log") {
  Wire wire;
  wire.post_both(1, 65536);
  std::string bad_checksum = raw_greeting();
  bad_checksum[13] = static_cast<char>(bad_checksum[13] ^ 1);
  std::string other_version = raw_greeting();
  other_version[5] = 1;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"GET / HTTP/1.1\r\nHost:", "no Varve node"},
      {bad_checksum, "checksum"},
      {other_version, "another version"},
      {raw_greeting({32, 8192, true}), "it has [tls], and this node has not"},
      {raw_greeting({1, 8192}), "too few slots"},
  };
  for (const auto& [greeting, finding] : cases) {
    INFO(finding);
    const std::string before = wire.log();
    RawRdmaPeer peer(wire.address(), greeting);
    await_event(wire, peer);
    CHECK(peer.await_event() == RDMA_CM_EVENT_REJECTED);
    CHECK_THAT(wire.log().substr(before.size()), ContainsSubstring(finding));
  }
  const std::string before = wire.log();
  RawRdmaPeer unreadable(wire.address(), raw_greeting(), 0);
  await_event(wire, unreadable);
  CHECK(unreadable.await_event() == RDMA_CM_EVENT_REJECTED);
  CHECK_THAT(wire.log().substr(before.size()), ContainsSubstring("lets nobody read"));
  CHECK(wire.right().accepted.empty());
  check_still_works(wire);
}

TEST_CASE("a peer that sends what is no frame is closed with one line in the log") {
  Wire wire;
  wire.post_both(1, 65536);
  std::string flipped = raw_frame(eager(1, 0), "h");
  flipped[7] = 2;
  Frame strange = eager(1, 0);
  strange.kind = static_cast<FrameKind>(9);
  Frame much_freed{.freed = 1};
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"x", "too short"},
      {std::string(100, 'x'), "magic"},
      {flipped, "checksum"},
      {raw_frame(strange, "h"), "unknown kind"},
      {raw_frame(eager(10, 5), "short"), "another length"},
      {raw_frame(eager(1, 0), "longer"), "another length"},
      {raw_frame(eager(0, 0)), "header of a wrong length"},
      {raw_frame(much_freed), "never had"},
      {raw_frame({.kind = FrameKind::kHandshake, .payload_bytes = 1}, "x"), "handshake"},
      {std::string(9000, 'x'), "longer than a slot"},
  };
  for (const auto& [bytes, finding] : cases) {
    INFO(finding);
    Guest guest(wire);
    const std::string before = wire.log();
    REQUIRE(guest.peer.send(bytes));
    guest.await_close();
    CHECK(wire.right().closed[guest.connection] == VARVE_E_DAMAGED);
    CHECK_THAT(wire.log().substr(before.size()), ContainsSubstring(finding));
  }
  CHECK(wire.right().received.empty());
  check_still_works(wire);
}

TEST_CASE("a peer that sends more than it was told to is closed") {
  Wire wire;
  Guest guest(wire, {4, 8192});
  // Nobody has posted a buffer: all of them wait.
  for (int i = 0; i < 5; ++i) REQUIRE(guest.peer.send(raw_frame(eager(1, 3), "hpay")));
  guest.await_close();
  CHECK(wire.right().closed[guest.connection] == VARVE_E_DAMAGED);
  CHECK_THAT(wire.log(), ContainsSubstring("more than it was told"));
}

TEST_CASE("a payload that cannot be read ends the connection and gives the buffer back") {
  Wire wire;
  wire.post_both(1, 65536);
  Frame frame{.kind = FrameKind::kStaged, .header_bytes = 1, .payload_bytes = 60'000};
  Guest guest(wire);
  frame.address = reinterpret_cast<uintptr_t>(guest.peer.readable());
  frame.key = guest.peer.readable_key();
  SECTION("a wrong key") {
    frame.key ^= 0x5a5a;
  }
  SECTION("an address beyond the peer's memory") {
    frame.address += 64 << 20;
  }
  REQUIRE(guest.peer.send(raw_frame(frame, "h")));
  guest.await_close();
  CHECK(wire.right().closed[guest.connection] == VARVE_E_IO);
  CHECK(wire.right().received.empty());
  check_still_works(wire);
}

TEST_CASE("a buffer that a lost connection gives back goes to the next that waits for one") {
  Wire wire;
  const uint64_t left = wire.connect().first;
  Guest guest(wire);
  const Frame unreadable{.kind = FrameKind::kStaged,
                         .header_bytes = 1,
                         .payload_bytes = 60'000,
                         .address = reinterpret_cast<uintptr_t>(guest.peer.readable()),
                         .key = guest.peer.readable_key() ^ 0x5a5a};
  REQUIRE(guest.peer.send(raw_frame(unreadable, "h")));
  wire.settle();
  REQUIRE(wire.left().send(left, "good", {pattern(1, 60'000)}) == VARVE_OK);
  wire.settle();
  wire.right().post(65536);
  guest.await_close();
  wire.run_until([&] { return !wire.right().received.empty(); });
  CHECK((wire.right().received.front().payload == pattern(1, 60'000)));
}

TEST_CASE("a peer may read what is staged, and nothing else; it may write nothing") {
  Wire wire;
  Guest guest(wire);
  const std::string payload = pattern(4, 50'000);
  REQUIRE(wire.right().send(guest.connection, "h", {payload}) == VARVE_OK);
  const Frame frame = guest.peer.await_frame();
  REQUIRE(frame.kind == FrameKind::kStaged);
  REQUIRE(guest.peer.touch(IBV_WR_RDMA_READ, frame.address, frame.key, 50'000) == IBV_WC_SUCCESS);
  CHECK(memcmp(guest.peer.readable(), payload.data(), payload.size()) == 0);
  SECTION("it writes") {
    CHECK(guest.peer.touch(IBV_WR_RDMA_WRITE, frame.address, frame.key, 8) ==
          IBV_WC_REM_ACCESS_ERR);
  }
  SECTION("it reads before") {
    CHECK(guest.peer.touch(IBV_WR_RDMA_READ, frame.address - 8, frame.key, 8) ==
          IBV_WC_REM_ACCESS_ERR);
  }
  SECTION("it reads the arena") {
    const auto arena = reinterpret_cast<uintptr_t>(wire.right().slice(64).data);
    CHECK(guest.peer.touch(IBV_WR_RDMA_READ, arena, frame.key, 8) == IBV_WC_REM_ACCESS_ERR);
  }
  guest.await_close();
  CHECK(wire.right().closed[guest.connection] == VARVE_E_IO);
  CHECK(wire.right().sends_failed == 1);
}

TEST_CASE("a peer that is gone without a word is noticed, also when nothing is sent") {
  Wire wire(Wire::Options{{"keepalive_s", "1"}});
  const bool sends = GENERATE(false, true);
  Guest guest(wire);
  guest.peer.vanish();
  if (sends) REQUIRE(wire.right().send(guest.connection, "anybody?") == VARVE_OK);
  guest.await_close();
  CHECK(wire.right().closed[guest.connection] == VARVE_E_IO);
  CHECK_THAT(wire.log(), ContainsSubstring("does not answer"));
}

}  // namespace varve
