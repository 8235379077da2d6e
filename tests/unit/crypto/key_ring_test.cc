#include "core/crypto/key_ring.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>

#include "core/base/text.h"
#include "core/crypto/block_cipher.h"

namespace varve {
namespace {

constexpr std::string_view kKeyA = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr std::string_view kKeyB = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";

class KeyFile {
 public:
  explicit KeyFile(const std::string& content, mode_t mode = 0600)
      : path_(text(VARVE_TEST_FOLDER, "/keys-", getpid())) {
    std::ofstream(path_, std::ios::binary) << content;
    chmod(path_.c_str(), mode);
  }
  ~KeyFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

KeyRing ring_of(const std::string& content) {
  const KeyFile file(content);
  Result<KeyRing> ring = KeyRing::read(file.path());
  REQUIRE(ring.ok());
  return std::move(*ring);
}

std::string error_of(const std::string& content, mode_t mode = 0600) {
  const KeyFile file(content, mode);
  const Result<KeyRing> ring = KeyRing::read(file.path());
  REQUIRE_FALSE(ring.ok());
  std::string message(ring.status().message());
  CHECK(message.find(file.path()) != std::string::npos);
  // Nothing of a key, whole or not.
  for (const std::string_view key : {kKeyA, kKeyB})
    for (size_t at = 0; at + 8 < key.size(); ++at)
      CHECK(message.find(key.substr(at, 8)) == std::string::npos);
  return message;
}

bool contains(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

std::string line(std::string_view name, std::string_view key) {
  return text(name, " ", key, "\n");
}

bool same(const Secret& left, const Secret& right) {
  return std::ranges::equal(left.reveal(), right.reveal());
}

constexpr KeyUse kUse{.store = {std::byte{1}, std::byte{2}}, .family = VolumeId{7}};

}  // namespace

TEST_CASE("a key file has comments, empty lines and any spaces between name and key") {
  const KeyRing ring = ring_of(text("# ours\r\n\n", line("2026-a", kKeyA), "  b\t ", kKeyB, "\r"));
  CHECK(ring.names() == std::vector<std::string>{"2026-a", "b"});
  CHECK(ring.has("b"));
  CHECK_FALSE(ring.has("c"));
}

TEST_CASE("a key file that is wrong is refused with its place and without what stands there") {
  CHECK(contains(error_of(""), "has 0 bytes"));
  CHECK(contains(error_of("# nothing\n"), "no key in it"));
  CHECK(contains(error_of(line("a", kKeyA) + text(kKeyB, "\n")), ":2: no name in front of a key"));
  CHECK(contains(error_of(text(kKeyA.substr(0, 43), " x\n")), ":1: the key is cut off"));
  CHECK(contains(error_of(text("a ", kKeyA.substr(0, 20))), ":1: the key is cut off or damaged"));
  CHECK(contains(error_of(text("a ", kKeyA, kKeyB)), "cut off or damaged"));
  CHECK(contains(error_of(text("a ", kKeyA.substr(0, 40), "!!!=")), "cut off or damaged"));
  // Its last digit has bits beyond the 32nd byte.
  CHECK(contains(error_of(text("a ", kKeyA.substr(0, 42), "9=")), "cut off or damaged"));
  CHECK(contains(error_of(line("a", kKeyA) + line("a", kKeyB)), ":2: its name is used twice"));
  CHECK(contains(error_of(line("a/b", kKeyA)), "no name"));
  CHECK(contains(error_of(std::string(70000, '#')), "has 70000 bytes"));
}

TEST_CASE("a key file that others may read, or that is none, is refused") {
  for (const mode_t mode : {0644, 0640, 0604, 0620, 0601})
    CHECK(contains(error_of(line("a", kKeyA), mode), "chmod 600"));
  CHECK(KeyRing::read("/nonexistent/keys").code() == ErrorCode::kNotFound);
  const Result<KeyRing> folder = KeyRing::read(VARVE_TEST_FOLDER);
  CHECK(contains(std::string(folder.status().message()), "is no regular file"));
}

TEST_CASE("the only wrapping key is the one that is meant; of several one must be named") {
  const KeyRing one = ring_of(line("a", kKeyA));
  CHECK(*one.choose("") == "a");
  CHECK(*one.choose("a") == "a");
  CHECK(contains(std::string(one.choose("b").status().message()), "no wrapping key b; it has a"));
  const KeyRing two = ring_of(line("a", kKeyA) + line("b", kKeyB));
  CHECK(*two.choose("b") == "b");
  CHECK(contains(std::string(two.choose("").status().message()), "has 2 wrapping keys"));
}

TEST_CASE("a wrapped key comes back under its key, for its use, unchanged, and only so") {
  const KeyRing ring = ring_of(line("a", kKeyA) + line("b", kKeyB));
  const Result<Secret> key = BlockCipher::make_key();
  REQUIRE(key.ok());
  const auto wrapped = ring.wrap("a", kUse, *key);
  REQUIRE(wrapped.ok());
  CHECK(wrapped->size() == 1 + 12 + 64 + 16);
  CHECK(std::search(wrapped->begin(), wrapped->end(), key->reveal().begin(),
                    key->reveal().begin() + 8) == wrapped->end());
  const auto unwrapped = ring.unwrap("a", kUse, *wrapped);
  REQUIRE(unwrapped.ok());
  CHECK(same(*unwrapped, *key));
  // Twice is two nonces.
  CHECK(*ring.wrap("a", kUse, *key) != *wrapped);

  const KeyRing other = ring_of(line("a", kKeyB));
  const Status wrong = other.unwrap("a", kUse, *wrapped).status();
  CHECK(wrong.code() == ErrorCode::kInvalidArgument);
  CHECK(contains(std::string(wrong.message()), "wrapping key a does not fit"));
  CHECK_FALSE(ring.unwrap("b", kUse, *wrapped).ok());
  CHECK_FALSE(ring.unwrap("a", {.store = kUse.store, .family = VolumeId{8}}, *wrapped).ok());
  CHECK_FALSE(ring.unwrap("a", {.store = {}, .family = kUse.family}, *wrapped).ok());
  CHECK(contains(std::string(ring.unwrap("c", kUse, *wrapped).status().message()),
                 "has no wrapping key c; it has a, b"));
  for (size_t i = 0; i < wrapped->size(); ++i) {
    std::vector<std::byte> damaged = *wrapped;
    damaged[i] ^= std::byte{0x10};
    CHECK_FALSE(ring.unwrap("a", kUse, damaged).ok());
    CHECK_FALSE(ring.unwrap("a", kUse, {wrapped->data(), i}).ok());
  }
}

}  // namespace varve
