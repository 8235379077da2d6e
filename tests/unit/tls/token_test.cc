#include "plugins/tls/token.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>

#include "tests/unit/tls/pki.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr const char* kFirst = "0123456789abcdef";
constexpr const char* kSecond = "fedcba9876543210";

}  // namespace

TEST_CASE("a token is one line that nobody else may read") {
  const Pki pki;
  const std::string path = pki.folder() + "/token";
  std::string token;
  const auto read = [&](const std::string& content, unsigned mode) {
    std::filesystem::remove(path);
    write_text(path, content, mode);
    token.clear();
    return read_token(path, token);
  };
  CHECK(read(std::string(kFirst) + "\n", 0600).empty());
  CHECK(token == kFirst);
  CHECK(read(kFirst, 0640).empty());
  for (const unsigned mode : {0644u, 0604u, 0660u}) {
    CHECK_THAT(read(kFirst, mode), ContainsSubstring("others may use it"));
  }
  for (const std::string& bad : {std::string("short"), std::string(257, 'a'), std::string(),
                                 std::string(kFirst) + "\n\n", std::string(kFirst) + " x"}) {
    CHECK_THAT(read(bad, 0600), ContainsSubstring("is no token"));
    CHECK(token.empty());
  }
  std::filesystem::remove(path);
  CHECK_THAT(read_token(path, token), ContainsSubstring("No such file"));
}

TEST_CASE("a token is taken from its header only") {
  CHECK(bearer_token(std::string("Bearer ") + kFirst) == kFirst);
  CHECK(bearer_token(std::string("bearer ") + kFirst) == kFirst);
  for (const char* bad : {"", "Bearer", "Bearer ", "Bearer short", "Basic 0123456789abcdef",
                          "0123456789abcdef", "Bearer 0123456789abcdef x"}) {
    CHECK(bearer_token(bad).empty());
  }
}

TEST_CASE("a replaced token counts from then on, and a bad one changes nothing") {
  const Pki pki;
  const std::string path = pki.folder() + "/token";
  const auto replace = [&](const std::string& content) {
    write_text(path + ".new", content, 0600);
    std::filesystem::rename(path + ".new", path);
  };
  TokenSource source;
  CHECK_FALSE(source.is(""));
  replace(kFirst);
  REQUIRE(source.open(path).empty());
  CHECK(source.is(kFirst));
  CHECK_FALSE(source.is(kSecond));
  CHECK_FALSE(source.is(""));
  bool bad = false;
  CHECK(source.look(0, bad).empty());
  replace("short");
  CHECK(source.look(999, bad).empty());
  CHECK_THAT(source.look(1000, bad), ContainsSubstring("the one before stays"));
  CHECK(bad);
  CHECK(source.look(2000, bad).empty());
  CHECK(source.is(kFirst));
  replace(kSecond);
  CHECK_THAT(source.look(3000, bad), ContainsSubstring("read again"));
  CHECK_FALSE(bad);
  CHECK(source.is(kSecond));
  CHECK_FALSE(source.is(kFirst));
}

}  // namespace varve
