// The proof that goes before the messages of a connection: it is bound to the greetings, bounded,
// and gives both sides the same keys.
#include "transports/rdma/session.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <vector>

#include "tests/unit/tls/pki.h"
#include "transports/rdma/limits.h"

namespace varve {
namespace {

using Bytes = std::vector<uint8_t>;

void pass(RdmaSession& from, RdmaSession& to, size_t piece) {
  while (from.has_output()) {
    Bytes bytes(piece);
    bytes.resize(from.take(bytes));
    REQUIRE(to.give(bytes) == nullptr);
  }
  if (to.ready()) to.step();
}

void shake(RdmaSession& asker, RdmaSession& asked, size_t piece = kEagerBytes) {
  REQUIRE(asker.ready());
  REQUIRE_FALSE(asked.ready());
  asker.step();
  for (int i = 0; i < 3; ++i) {
    pass(asker, asked, piece);
    pass(asked, asker, piece);
  }
}

// What one has sealed the other opens.
bool agree(const RdmaSession& one, const RdmaSession& two) {
  const auto sender = one.authenticator();
  const auto receiver = two.authenticator();
  REQUIRE((sender != nullptr && receiver != nullptr));
  Bytes news(kFrameBytes + kSealBytes);
  encode_frame({}, news.data());
  REQUIRE(sender->seal(news.data(), kFrameBytes, {}) == news.size());
  std::span<const uint8_t> frame = news;
  Authenticator::PayloadSeal seal;
  return receiver->open(frame, seal) == nullptr;
}

constexpr Greeting kOurs{32, 8192, true};

}  // namespace

TEST_CASE("both sides of a session know the other's name and have its keys") {
  Pki pki;
  for (const size_t piece : {256ul, 8192ul}) {
    RdmaSession asker(pki.credentials("lab", TlsRole::kNode, "n1"), true, kOurs, {16, 4096, true});
    RdmaSession asked(pki.credentials("lab", TlsRole::kNode, "n2"), false, {16, 4096, true}, kOurs);
    shake(asker, asked, piece);
    REQUIRE((asker.done() && asked.done()));
    CHECK(asker.peer_name() == "n2");
    CHECK(asked.peer_name() == "n1");
    CHECK(agree(asker, asked));
    CHECK(agree(asked, asker));
  }
}

TEST_CASE("a greeting that was changed on its way leaves the two sides with different keys") {
  Pki pki;
  RdmaSession asker(pki.credentials("lab", TlsRole::kNode, "n1"), true, kOurs, kOurs);
  RdmaSession asked(pki.credentials("lab", TlsRole::kNode, "n2"), false, kOurs, {33, 8192, true});
  shake(asker, asked);
  REQUIRE((asker.done() && asked.done()));
  CHECK_FALSE(agree(asker, asked));
  CHECK_FALSE(agree(asked, asker));
}

TEST_CASE("a session takes so many bytes and frames of a handshake and no more") {
  Pki pki;
  const auto taken = [&](size_t piece) {
    RdmaSession asked(pki.credentials("lab", TlsRole::kNode, "n2"), false, kOurs, kOurs);
    // The head of a record that never ends.
    const Bytes bytes(piece, 0x16);
    size_t frames = 0;
    const char* wrong = nullptr;
    while ((wrong = asked.give(bytes)) == nullptr && frames < 1000) ++frames;
    REQUIRE(wrong != nullptr);
    CHECK_THAT(wrong, Catch::Matchers::ContainsSubstring("too long"));
    return frames;
  };
  CHECK(taken(4096) == kHandshakeBytesMax / 4096);
  CHECK(taken(1) == kHandshakeFramesMax);
}

}  // namespace varve
