// The bytes between two RDMA plugins do not change, and what is wrong with them is told.
#include "transports/rdma/frame.h"

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <string>
#include <vector>

#include "plugins/abi/transport.h"

namespace varve {
namespace {

std::string hex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::vector<uint8_t> encoded(const Frame& frame, size_t behind) {
  std::vector<uint8_t> bytes(kFrameBytes + behind);
  encode_frame(frame, bytes.data());
  return bytes;
}

std::string finding(const Frame& frame, size_t behind) {
  Frame decoded;
  const char* const wrong = decode_frame(encoded(frame, behind), decoded);
  return wrong == nullptr ? "" : wrong;
}

}  // namespace

TEST_CASE("the bytes of greeting and frame are these") {
  std::array<uint8_t, kGreetingBytes> greeting;
  encode_greeting({32, 8192}, greeting.data());
  CHECK(hex(greeting) == "56525652000200200000200000000000dfc97002");
  encode_greeting({32, 8192, true}, greeting.data());
  CHECK(hex(greeting) == "565256520002002000002000000000012da2f301");
  const Frame frame{.kind = FrameKind::kStaged,
                    .header_bytes = 17,
                    .payload_bytes = 100'000,
                    .freed = 3,
                    .address = 0x7f0011223344,
                    .key = 0xabcdef01};
  CHECK(hex(encoded(frame, 0)) ==
        "5652564d00020011000186a00000000300007f0011223344abcdef014b2cfbd6");
}

TEST_CASE("what is encoded is decoded, whatever the manager appends to a greeting") {
  std::vector<uint8_t> bytes(196);
  encode_greeting({7, 4096}, bytes.data());
  Greeting greeting;
  REQUIRE(decode_greeting(bytes, greeting) == nullptr);
  CHECK((greeting == Greeting{7, 4096}));
  encode_greeting({7, 4096, true}, bytes.data());
  REQUIRE(decode_greeting(bytes, greeting) == nullptr);
  CHECK((greeting == Greeting{7, 4096, true}));
  const Frame frame{.kind = FrameKind::kEager, .header_bytes = 5, .payload_bytes = 9, .freed = 2};
  Frame decoded;
  REQUIRE(decode_frame(encoded(frame, 14), decoded) == nullptr);
  CHECK(decoded == frame);
}

TEST_CASE("every flipped bit of a frame and of a greeting is noticed") {
  const Frame frame{.kind = FrameKind::kEager, .header_bytes = 5, .payload_bytes = 9, .freed = 2};
  const std::vector<uint8_t> good = encoded(frame, 14);
  std::array<uint8_t, kGreetingBytes> greeting;
  encode_greeting({32, 8192, true}, greeting.data());
  Frame decoded;
  Greeting decoded_greeting;
  for (size_t bit = 0; bit < kFrameBytes * 8; ++bit) {
    std::vector<uint8_t> bad = good;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1 << bit % 8));
    CHECK(decode_frame(bad, decoded) != nullptr);
  }
  for (size_t bit = 0; bit < kGreetingBytes * 8; ++bit) {
    auto bad = greeting;
    bad[bit / 8] = static_cast<uint8_t>(bad[bit / 8] ^ (1 << bit % 8));
    CHECK(decode_greeting(bad, decoded_greeting) != nullptr);
  }
}

TEST_CASE("frames that no peer may send are told apart") {
  using Catch::Matchers::ContainsSubstring;
  const Frame good{.kind = FrameKind::kEager, .header_bytes = 5, .payload_bytes = 9};
  CHECK(finding(good, 14).empty());
  CHECK_THAT(finding(good, 13), ContainsSubstring("another length"));
  CHECK_THAT(finding(good, 15), ContainsSubstring("another length"));
  Frame bad = good;
  bad.payload_bytes = VARVE_PAYLOAD_BYTES_MAX + 1;
  CHECK_THAT(finding(bad, 14), ContainsSubstring("too long a payload"));
  bad = good;
  bad.header_bytes = VARVE_HEADER_BYTES_MAX + 1;
  CHECK_THAT(finding(bad, 14), ContainsSubstring("header of a wrong length"));
  bad = good;
  bad.key = 1;
  CHECK_THAT(finding(bad, 14), ContainsSubstring("odd address"));
  bad = good;
  bad.kind = FrameKind::kNews;
  CHECK_THAT(finding(bad, 14), ContainsSubstring("header of a wrong length"));
  bad = {.kind = FrameKind::kStaged, .header_bytes = 1};
  CHECK_THAT(finding(bad, 1), ContainsSubstring("without the payload"));
  bad = {.payload_bytes = 1};
  CHECK_THAT(finding(bad, 1), ContainsSubstring("news with a payload"));
  const Frame handshake{.kind = FrameKind::kHandshake, .payload_bytes = 100};
  CHECK(finding(handshake, 100).empty());
  CHECK(is_handshake_frame(encoded(handshake, 100)));
  CHECK_FALSE(is_handshake_frame(encoded(good, 14)));
  bad = handshake;
  bad.payload_bytes = 0;
  CHECK_THAT(finding(bad, 0), ContainsSubstring("without the payload"));
  bad = handshake;
  bad.header_bytes = 1;
  CHECK_THAT(finding(bad, 101), ContainsSubstring("header of a wrong length"));
}

TEST_CASE("a greeting of another version is told as that, however long it is") {
  Greeting greeting;
  // Version 1 had no flags.
  std::vector<uint8_t> old = {0x56, 0x52, 0x56, 0x52, 0x00, 0x01, 0x00, 0x20,
                              0x00, 0x00, 0x20, 0x00, 0xb1, 0x14, 0xcf, 0xf1};
  CHECK(std::string(decode_greeting(old, greeting)) == "it speaks another version");
  old.resize(196);
  CHECK(std::string(decode_greeting(old, greeting)) == "it speaks another version");
}

TEST_CASE("of two sides one of which has [tls], each is told which") {
  CHECK(tls_mismatch(true, true) == nullptr);
  CHECK(tls_mismatch(false, false) == nullptr);
  CHECK(std::string(tls_mismatch(true, false)) == "it has [tls], and this node has not");
  CHECK(std::string(tls_mismatch(false, true)) == "it has no [tls], and this node has");
}

}  // namespace varve
