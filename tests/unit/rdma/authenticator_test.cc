// Sealed frames: nobody but the peer makes one, and none counts twice.
#include "transports/rdma/authenticator.h"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "transports/rdma/frame.h"

namespace varve {
namespace {

using Bytes = std::vector<uint8_t>;

struct Ends {
  std::unique_ptr<Authenticator> asker = make(true);
  std::unique_ptr<Authenticator> asked = make(false);

  static std::unique_ptr<Authenticator> make(bool asks, uint8_t seed = 1) {
    std::array<uint8_t, kAuthenticatorKeyBytes> keys;
    for (size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<uint8_t>(i * 7 + seed);
    return Authenticator::make(keys, asks);
  }
};

constexpr Frame kMessage{.kind = FrameKind::kEager, .header_bytes = 20, .payload_bytes = 30};
constexpr Frame kLong{.kind = FrameKind::kStaged,
                      .header_bytes = 20,
                      .payload_bytes = 100'000,
                      .address = 0x7f0011223344,
                      .key = 0xabcdef01};

// What goes over the wire; `staged` stays.
Bytes sealed(Authenticator& by, const Frame& frame = kMessage, const Bytes& staged = {}) {
  const size_t payload = frame.kind == FrameKind::kStaged ? 0 : frame.payload_bytes;
  Bytes bytes(kFrameBytes + frame.header_bytes + payload, 9);
  encode_frame(frame, bytes.data());
  const auto plain_bytes = static_cast<uint32_t>(bytes.size());
  bytes.resize(plain_bytes + size_t{2} * kSealBytes);
  const uint32_t sealed_bytes = by.seal(bytes.data(), plain_bytes, staged);
  REQUIRE(sealed_bytes == plain_bytes + (staged.empty() ? 1 : 2) * kSealBytes);
  bytes.resize(sealed_bytes);
  return bytes;
}

bool opens(Authenticator& by, const Bytes& bytes, Authenticator::PayloadSeal& seal) {
  std::span<const uint8_t> frame = bytes;
  const bool good = by.open(frame, seal) == nullptr;
  Frame decoded;
  if (good) REQUIRE(decode_frame(frame, decoded) == nullptr);
  return good;
}

bool opens(Authenticator& by, const Bytes& bytes) {
  Authenticator::PayloadSeal seal;
  return opens(by, bytes, seal);
}

Bytes with_flipped(Bytes bytes, size_t bit) {
  bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1 << bit % 8));
  return bytes;
}

std::string hex(const Bytes& bytes, size_t from) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = from; i < bytes.size(); ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("the tags behind the frames of a connection are these") {
  Ends ends;
  CHECK(hex(sealed(*ends.asker), 82) == "b91f6702842d520981719355c97c6623");
  CHECK(hex(sealed(*ends.asker, kLong, Bytes(kLong.payload_bytes, 5)), 52) ==
        "0d02f9fc043403b042cf74bdabb38d6cda929deb2d7eba4a7ab095dae7e71855");
  CHECK(hex(sealed(*ends.asked, {.freed = 1}), 32) == "b4c31e2c2dcfd2b7edc2bfec32507522");
}

TEST_CASE("sealed frames of both directions are opened in order, and give the frame back") {
  Ends ends;
  const Bytes payload(kLong.payload_bytes, 5);
  for (int i = 0; i < 300; ++i) {
    const Bytes there = sealed(*ends.asker);
    const Bytes back = sealed(*ends.asked, {.kind = FrameKind::kNews, .freed = 1});
    const Bytes staged = sealed(*ends.asker, kLong, payload);
    REQUIRE(opens(*ends.asked, there));
    REQUIRE(opens(*ends.asker, back));
    Authenticator::PayloadSeal seal;
    REQUIRE(opens(*ends.asked, staged, seal));
    REQUIRE(ends.asked->is_payload(seal, payload));
  }
}

TEST_CASE("a bit that flips in frame, header, eager payload or a tag is noticed") {
  const Bytes payload(kLong.payload_bytes, 5);
  for (const bool staged : {false, true}) {
    const auto message = [&](Authenticator& by) {
      return staged ? sealed(by, kLong, payload) : sealed(by);
    };
    const size_t bits = message(*Ends().asker).size() * 8;
    for (size_t bit = 0; bit < bits; ++bit) {
      Ends ends;
      REQUIRE_FALSE(opens(*ends.asked, with_flipped(message(*ends.asker), bit)));
    }
  }
}

TEST_CASE(
    "a payload that is read counts when it is what went with its own frame, to the last bit") {
  Ends ends;
  Bytes payload(kLong.payload_bytes, 5);
  Authenticator::PayloadSeal first;
  Authenticator::PayloadSeal second;
  REQUIRE(opens(*ends.asked, sealed(*ends.asker, kLong, payload), first));
  REQUIRE(opens(*ends.asked, sealed(*ends.asker, kLong, payload), second));
  CHECK(first.tag != second.tag);
  CHECK(ends.asked->is_payload(second, payload));
  CHECK(ends.asked->is_payload(first, payload));
  CHECK_FALSE(ends.asked->is_payload({second.number, first.tag}, payload));
  CHECK_FALSE(ends.asker->is_payload(first, payload));
  CHECK_FALSE(ends.asked->is_payload(first, std::span(payload).first(payload.size() - 1)));
  for (const size_t bit : {size_t{0}, payload.size() * 4 + 3, payload.size() * 8 - 1})
    CHECK_FALSE(ends.asked->is_payload(first, with_flipped(payload, bit)));
}

TEST_CASE("a frame and a payload of the same bytes have different tags") {
  Ends ends;
  const Bytes news = sealed(*ends.asker, {});
  const Authenticator::PayloadSeal seal = [&] {
    Authenticator::PayloadSeal made;
    std::copy_n(&news[kFrameBytes], kSealBytes, made.tag.begin());
    return made;
  }();
  CHECK_FALSE(ends.asked->is_payload(seal, std::span(news).first(kFrameBytes)));
}

TEST_CASE("a peer that has keys and leaves the payload's tag out is refused") {
  Ends ends;
  // Nothing to be read, as it says to its own authenticator.
  CHECK_FALSE(opens(*ends.asked, sealed(*ends.asker, {.kind = FrameKind::kStaged})));
}

TEST_CASE("behind a frame that was refused none is opened") {
  Ends ends;
  const Bytes first = sealed(*ends.asker);
  const Bytes second = sealed(*ends.asker);
  const Bytes third = sealed(*ends.asker);
  REQUIRE(opens(*ends.asked, first));
  SECTION("that was changed") {
    REQUIRE_FALSE(opens(*ends.asked, with_flipped(second, 300)));
  }
  SECTION("that is too short to count") {
    REQUIRE_FALSE(opens(*ends.asked, Bytes(20)));
    CHECK_FALSE(opens(*ends.asked, second));
  }
  CHECK_FALSE(opens(*ends.asked, third));
}

TEST_CASE("a frame that was sent before, is missing, overtakes or comes back is refused") {
  Ends ends;
  const Bytes first = sealed(*ends.asker);
  const Bytes second = sealed(*ends.asker);
  SECTION("sent before") {
    REQUIRE(opens(*ends.asked, first));
    CHECK_FALSE(opens(*ends.asked, first));
  }
  SECTION("missing") {
    CHECK_FALSE(opens(*ends.asked, second));
  }
  SECTION("comes back to who has sent it") {
    CHECK_FALSE(opens(*ends.asker, first));
  }
  SECTION("of another connection") {
    const auto stranger = Ends::make(true, 2);
    CHECK_FALSE(opens(*ends.asked, sealed(*stranger)));
  }
  SECTION("without a tag, or with a part of one") {
    for (size_t cut = 1; cut <= first.size(); ++cut) {
      Ends fresh;
      CHECK_FALSE(opens(*fresh.asked, Bytes(first.begin(), first.end() - static_cast<long>(cut))));
    }
  }
}

}  // namespace varve
