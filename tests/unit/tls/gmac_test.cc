#include "plugins/tls/gmac.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

namespace varve {
namespace {

using Key = std::array<uint8_t, Gmac::kKeyBytes>;

constexpr auto kFrame = Gmac::Domain::kFrame;
constexpr auto kPayload = Gmac::Domain::kPayload;

std::string tag_of(const Key& key, uint64_t number, const std::string& text,
                   Gmac::Domain domain = kFrame) {
  static constexpr char kDigits[] = "0123456789abcdef";
  Gmac gmac;
  REQUIRE(gmac.open(key));
  Gmac::Tag tag;
  const auto* const bytes = reinterpret_cast<const uint8_t*>(text.data());
  REQUIRE(gmac.tag(domain, number, {bytes, text.size()}, tag.data()));
  std::string out;
  for (const uint8_t byte : tag) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("tags are those of GMAC, with domain and number as nonce") {
  // Test case 1 of GCM's specification.
  CHECK(tag_of({}, 0, "") == "58e2fccefa7e3061367f1d57a4e7455a");
  // As `openssl mac` has it.
  Key counted;
  for (size_t i = 0; i < counted.size(); ++i) counted[i] = static_cast<uint8_t>(i);
  CHECK(tag_of(counted, 7, "Varve authenticates this") == "da58c50be11f6bc6a7f9b8dbac3432ba");
  CHECK(tag_of(counted, 7, "Varve authenticates this", kPayload) ==
        "90aa17a892f33a98cd7bd208dfe9ed2d");
}

TEST_CASE("a tag is right for its bytes, its number, its domain and its key alone") {
  Gmac gmac;
  Gmac other;
  REQUIRE(gmac.open(Key{1}));
  REQUIRE(other.open(Key{2}));
  std::vector<uint8_t> bytes(60, 3);
  Gmac::Tag tag;
  REQUIRE(gmac.tag(kFrame, 5, bytes, tag.data()));
  CHECK(gmac.is_tag(kFrame, 5, bytes, tag.data()));
  CHECK_FALSE(gmac.is_tag(kPayload, 5, bytes, tag.data()));
  CHECK_FALSE(gmac.is_tag(kFrame, 6, bytes, tag.data()));
  CHECK_FALSE(other.is_tag(kFrame, 5, bytes, tag.data()));
  CHECK_FALSE(gmac.is_tag(kFrame, 5, std::span(bytes).first(59), tag.data()));
  for (size_t bit = 0; bit < Gmac::kTagBytes * 8; ++bit) {
    Gmac::Tag wrong = tag;
    wrong[bit / 8] = static_cast<uint8_t>(wrong[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(gmac.is_tag(kFrame, 5, bytes, wrong.data()));
  }
}

}  // namespace varve
