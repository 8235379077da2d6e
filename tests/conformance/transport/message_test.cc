// What is sent arrives: whole, once, in order.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <random>

#include "tests/conformance/transport/wire.h"

namespace varve {
namespace {

struct Sent {
  std::string header;
  std::string payload;
};

std::string joined(const std::vector<std::string>& pieces) {
  std::string out;
  for (const std::string& piece : pieces) out += piece;
  return out;
}

size_t random_payload_bytes(std::mt19937_64& random) {
  switch (random() % 8) {
    case 0:
    case 1:
      return 0;
    case 2:
      return 1 + random() % 100;
    case 3:
    case 4:
      return 4096;
    case 5:
      return 1 + random() % 20'000;
    case 6:
      return 65536;
    default:
      return random() % 16 == 0 ? VARVE_PAYLOAD_BYTES_MAX : 1 + random() % 300'000;
  }
}

// `bytes` in up to four pieces.
std::vector<std::string> random_pieces(std::mt19937_64& random, size_t bytes) {
  std::vector<std::string> pieces;
  while (bytes > 0) {
    const bool last = pieces.size() + 1 == VARVE_MESSAGE_SLICES_MAX || random() % 2 == 0;
    const size_t piece = last ? bytes : 1 + random() % bytes;
    pieces.push_back(pattern(random(), piece));
    bytes -= piece;
  }
  return pieces;
}

void post_mixed(TransportSide& side) {
  for (int i = 0; i < 16; ++i) side.post(4096);
  for (int i = 0; i < 8; ++i) side.post(65536);
  for (int i = 0; i < 4; ++i) side.post(VARVE_PAYLOAD_BYTES_MAX);
}

// One direction of the talk below.
struct Talk {
  TransportSide& from;
  TransportSide& to;
  uint64_t connection;
  std::deque<Sent> expected{};
  size_t sent_count = 0;

  void send_some(std::mt19937_64& random, size_t message_count) {
    for (uint64_t burst = 1 + random() % 40; burst > 0 && sent_count < message_count; --burst) {
      const auto pieces = random_pieces(random, random_payload_bytes(random));
      Sent sent{pattern(random(), 1 + random() % VARVE_HEADER_BYTES_MAX), joined(pieces)};
      const int32_t result = from.send(connection, sent.header, pieces, random() % 600);
      if (result == VARVE_E_AGAIN) return;
      REQUIRE(result == VARVE_OK);
      ++sent_count;
      expected.push_back(std::move(sent));
    }
  }
  void check_received() {
    for (; !to.received.empty(); to.received.pop_front(), expected.pop_front()) {
      REQUIRE_FALSE(expected.empty());
      const Received& message = to.received.front();
      const Sent& sent = expected.front();
      REQUIRE(message.header == sent.header);
      REQUIRE(message.payload.size() == sent.payload.size());
      REQUIRE(memcmp(message.payload.data(), sent.payload.data(), sent.payload.size()) == 0);
    }
  }
};

}  // namespace

TEST_CASE("messages of every shape arrive whole and in order, in both directions") {
  Wire wire;
  wire.left().poll_capacity = GENERATE(1u, 7u, 64u);
  const auto [left, right] = wire.connect();
  post_mixed(wire.left());
  post_mixed(wire.right());
  std::mt19937_64 random(7);
  constexpr size_t kMessages = 600;
  Talk there{wire.left(), wire.right(), left};
  Talk back{wire.right(), wire.left(), right};
  wire.run_until([&] {
    there.send_some(random, kMessages);
    back.send_some(random, kMessages);
    there.check_received();
    back.check_received();
    return there.sent_count == kMessages && back.sent_count == kMessages &&
           there.expected.empty() && back.expected.empty() && wire.left().sends_in_flight() == 0 &&
           wire.right().sends_in_flight() == 0;
  });
  CHECK(wire.left().sends_ok == kMessages);
  CHECK(wire.right().sends_ok == kMessages);
  CHECK(wire.left().posted() == 28);
  CHECK(wire.right().posted() == 28);
}

TEST_CASE("the smallest and the largest message arrive") {
  Wire wire;
  const uint64_t left = wire.connect().first;
  wire.right().post(4096);
  wire.right().post(VARVE_PAYLOAD_BYTES_MAX);
  const std::string longest = pattern(1, VARVE_HEADER_BYTES_MAX);
  const std::string largest = pattern(2, VARVE_PAYLOAD_BYTES_MAX);
  REQUIRE(wire.left().send(left, "x") == VARVE_OK);
  REQUIRE(wire.left().send(left, longest, {largest}) == VARVE_OK);
  REQUIRE(wire.left().send(left, longest) == VARVE_OK);
  REQUIRE(wire.left().send(left, "y", {"z"}, 1) == VARVE_OK);
  wire.run_until([&] { return wire.right().received.size() == 4; });
  CHECK(wire.right().received[0].header == "x");
  CHECK(wire.right().received[1].header == longest);
  CHECK((wire.right().received[1].payload == largest));
  CHECK(wire.right().received[2].payload.empty());
  CHECK(wire.right().received[3].payload == "z");
}

TEST_CASE("the header may be changed as soon as send has returned") {
  Wire wire;
  const uint64_t left = wire.connect().first;
  std::string header = "first";
  REQUIRE(wire.left().send(left, header) == VARVE_OK);
  header.assign("wrong");
  wire.run_until([&] { return !wire.right().received.empty(); });
  CHECK(wire.right().received.front().header == "first");
}

TEST_CASE("a payload goes into the smallest buffer that can hold it") {
  Wire wire;
  wire.right().repost = false;
  const uint64_t left = wire.connect().first;
  for (const uint64_t bytes : {65536, 4096, 1 << 20, 8192, 4096}) wire.right().post(bytes);
  for (const size_t bytes : {4096, 4097, 1, 100, 5000})
    REQUIRE(wire.left().send(left, "h", {pattern(bytes, bytes)}) == VARVE_OK);
  wire.run_until([&] { return wire.right().received.size() == 5; });
  const std::vector<uint64_t> wanted{4096, 8192, 4096, 65536, 1 << 20};
  for (size_t i = 0; i < 5; ++i) CHECK(wire.right().received[i].buffer_bytes == wanted[i]);
}

}  // namespace varve
