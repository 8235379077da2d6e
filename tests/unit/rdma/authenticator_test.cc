// Sealed frames: nobody but the peer makes one, and none counts twice.
#include "transports/rdma/authenticator.h"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
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

Bytes sealed(Authenticator& by, const Frame& frame = kMessage) {
  const size_t payload = frame.kind == FrameKind::kStaged ? 0 : frame.payload_bytes;
  Bytes bytes(kFrameBytes + frame.header_bytes + payload + kSealBytes, 9);
  encode_frame(frame, bytes.data());
  const size_t end = bytes.size() - kSealBytes;
  REQUIRE(by.seal({bytes.data(), size_t{kFrameBytes} + frame.header_bytes}, &bytes[end]));
  return bytes;
}

bool opens(Authenticator& by, const Bytes& bytes) {
  std::span<const uint8_t> frame = bytes;
  const bool good = by.open(frame) == nullptr;
  if (good) REQUIRE(frame.size() == bytes.size() - kSealBytes);
  return good;
}

}  // namespace

TEST_CASE("sealed frames of both directions are opened in order, and give the frame back") {
  Ends ends;
  for (int i = 0; i < 1000; ++i) {
    const Bytes there = sealed(*ends.asker);
    const Bytes back = sealed(*ends.asked, {.kind = FrameKind::kNews, .freed = 1});
    REQUIRE(opens(*ends.asked, there));
    REQUIRE(opens(*ends.asker, back));
  }
}

TEST_CASE("a bit that flips in frame, header or tag is noticed, wherever it is") {
  const size_t covered = size_t{kFrameBytes} + kMessage.header_bytes;
  const size_t payload_end = covered + kMessage.payload_bytes;
  for (size_t bit = 0; bit < (payload_end + kSealBytes) * 8; ++bit) {
    Ends ends;
    Bytes bytes = sealed(*ends.asker);
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1 << bit % 8));
    const bool in_payload = bit / 8 >= covered && bit / 8 < payload_end;
    REQUIRE(opens(*ends.asked, bytes) == in_payload);  // the payload is the message layer's
  }
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
