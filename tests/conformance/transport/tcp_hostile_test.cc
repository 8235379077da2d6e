// Peers that do not speak the framing, speak it badly, or speak it slowly.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/conformance/transport/raw_peer.h"
#include "tests/conformance/transport/wire.h"
#include "transports/tcp/frame.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// A raw peer that the right side has accepted.
struct Guest {
  explicit Guest(Wire& of) : wire(of), peer(wire.address()) {
    const size_t before = wire.right().accepted.size();
    wire.run_until([&] { return wire.right().accepted.size() > before; });
    connection = wire.right().accepted.back();
  }
  void await_close() {
    wire.run_until([&] { return wire.right().closed.contains(connection); });
  }

  Wire& wire;
  RawPeer peer;
  uint64_t connection = 0;
};

}  // namespace

TEST_CASE("a peer that sends nonsense is closed with one line in the log") {
  Wire wire;
  wire.post_both(1, 65536);
  std::string bad_checksum = raw_message("header", "payload");
  bad_checksum[13] = static_cast<char>(bad_checksum[13] ^ 1);
  std::string flipped_length = raw_message("header", "payload");
  flipped_length[10] = static_cast<char>(flipped_length[10] ^ 1);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"GET / HTTP/1.1\r\nHost: varve\r\n\r\n", "no Varve message"},
      {std::string(1000, '\0'), "no Varve message"},
      {bad_checksum, "wrong checksum"},
      {flipped_length, "wrong checksum"},
      {raw_frame(kFrameMagic, kFrameVersion + 1, 1, 0), "another version"},
      {raw_frame(kFrameMagic, kFrameVersion, 0, 10), "too long or empty"},
      {raw_frame(kFrameMagic, kFrameVersion, VARVE_HEADER_BYTES_MAX + 1, 0), "too long or empty"},
      {raw_frame(kFrameMagic, kFrameVersion, 1, VARVE_PAYLOAD_BYTES_MAX + 1),
       "payload that is too"},
      {raw_message("good", "") + std::string(16, 'x'), "no Varve message"},
  };
  size_t lines = 0;
  for (const auto& [bytes, finding] : cases) {
    INFO(finding);
    Guest guest(wire);
    const std::string before = wire.log();
    REQUIRE(guest.peer.send(bytes) == bytes.size());
    guest.await_close();
    CHECK(wire.right().closed[guest.connection] == VARVE_E_DAMAGED);
    CHECK_THAT(wire.log().substr(before.size()), ContainsSubstring(finding));
    ++lines;
  }
  CHECK(std::count(wire.log().begin(), wire.log().end(), '\n') == static_cast<ptrdiff_t>(lines));
  CHECK(wire.right().received.size() == 1);
}

TEST_CASE("a peer that stops in the middle takes no buffer with it") {
  Wire wire;
  wire.right().repost = false;
  wire.right().post(65536);
  const std::string message = raw_message("header", pattern(1, 50'000));
  for (const size_t bytes : {1ul, 15ul, 16ul, 17ul, 22ul, 23ul, 30'000ul, message.size() - 1}) {
    Guest guest(wire);
    REQUIRE(guest.peer.send(message.substr(0, bytes)) == bytes);
    wire.settle();
    REQUIRE_FALSE(wire.right().closed.contains(guest.connection));
    if (bytes % 2 == 0) {
      guest.peer.close();
    } else {
      guest.peer.reset_connection();
    }
    guest.await_close();
    CHECK(wire.right().received.empty());
  }
  Guest whole(wire);
  REQUIRE(whole.peer.send(message) == message.size());
  wire.run_until([&] { return !wire.right().received.empty(); });
  CHECK((wire.right().received.front().payload == pattern(1, 50'000)));
}

TEST_CASE("a buffer that a lost connection gives back goes to the next that waits for one") {
  Wire wire;
  wire.right().post(8192);
  const uint64_t left = wire.connect().first;
  Guest guest(wire);
  const std::string half = raw_message("half", pattern(1, 8000)).substr(0, 4000);
  REQUIRE(guest.peer.send(half) == half.size());
  wire.settle();
  REQUIRE(wire.left().send(left, "good", {pattern(2, 8000)}) == VARVE_OK);
  wire.settle();
  REQUIRE(wire.right().received.empty());
  guest.peer.close();
  wire.run_until([&] { return !wire.right().received.empty(); });
  CHECK((wire.right().received.front().payload == pattern(2, 8000)));
}

TEST_CASE("a peer that sends one byte at a time is understood, and holds up nobody") {
  Wire wire;
  wire.post_both(4, 8192);
  const auto [left, right] = wire.connect();
  Guest slow(wire);
  const std::string bytes = raw_message("slow", pattern(2, 300)) + raw_message("next", "") +
                            raw_message("last", pattern(3, 100));
  for (size_t i = 0; i < bytes.size(); ++i) {
    REQUIRE(slow.peer.send(bytes.substr(i, 1)) == 1);
    if (i % 50 == 0) REQUIRE(wire.left().send(left, "quick", {pattern(i, 5000)}) == VARVE_OK);
    wire.settle();
  }
  std::vector<Received> from_slow;
  size_t quick = 0;
  for (const Received& message : wire.right().received) {
    if (message.connection == slow.connection) from_slow.push_back(message);
    if (message.connection == right) ++quick;
  }
  REQUIRE(from_slow.size() == 3);
  CHECK((from_slow[0].payload == pattern(2, 300)));
  CHECK(from_slow[1].header == "next");
  CHECK((from_slow[2].payload == pattern(3, 100)));
  CHECK(quick == (bytes.size() + 49) / 50);
}

TEST_CASE("messages that were whole before a connection died arrive") {
  Wire wire;
  wire.post_both(4, 8192);
  Guest guest(wire);
  const std::string bytes = raw_message("one", "1") + raw_message("two", pattern(2, 5000));
  REQUIRE(guest.peer.send(bytes) == bytes.size());
  guest.peer.close();
  guest.await_close();
  REQUIRE(wire.right().received.size() == 2);
  CHECK(wire.right().closed[guest.connection] == VARVE_E_CLOSED);
}

TEST_CASE("many messages in one piece are taken out one by one, also with little room for events") {
  Wire wire;
  wire.right().poll_capacity = 3;
  wire.post_both(2, 8192);
  Guest guest(wire);
  std::string bytes;
  for (int i = 0; i < 100; ++i)
    bytes += raw_message(std::to_string(i), i % 3 == 0 ? "" : "payload");
  REQUIRE(guest.peer.send(bytes) == bytes.size());
  wire.run_until([&] { return wire.right().received.size() == 100; });
  for (size_t i = 0; i < 100; ++i) CHECK(wire.right().received[i].header == std::to_string(i));
}

}  // namespace varve
