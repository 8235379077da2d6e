#include "core/crypto/block_cipher.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/base/text.h"
#include "core/base/units.h"

namespace varve {
namespace {

using Bytes = std::vector<std::byte>;

// Sanitizers make mlock() do nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMemoryIsLocked = false;
#else
constexpr bool kMemoryIsLocked = true;
#endif

int digit(char c) {
  return c <= '9' ? c - '0' : c - 'a' + 10;
}

Bytes from_hex(std::string_view words) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < words.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(digit(words[i]) * 16 + digit(words[i + 1])));
  return bytes;
}

Secret secret_of(const Bytes& bytes) {
  Result<Secret> secret = Secret::make(bytes.size());
  REQUIRE(secret.ok());
  std::copy(bytes.begin(), bytes.end(), secret->reveal().begin());
  return std::move(*secret);
}

std::unique_ptr<BlockCipher> cipher_of(const Secret& key) {
  auto cipher = BlockCipher::make(key);
  REQUIRE(cipher.ok());
  return std::move(*cipher);
}

// The key of IEEE 1619-2007's vectors 10 to 14.
std::unique_ptr<BlockCipher> ieee_cipher() {
  return cipher_of(
      secret_of(from_hex("2718281828459045235360287471352662497757247093699959574966967627"
                         "3141592653589793238462643383279502884197169399375105820974944592")));
}

// Their plaintext: 00 01 ... ff, again and again. Their data unit has 512 bytes; a longer one
// begins with the same ciphertext.
Bytes counting_block() {
  Bytes block(kBlockBytes);
  for (size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(i);
  return block;
}

void check_vector(uint64_t number, std::string_view ciphertext) {
  const std::unique_ptr<BlockCipher> cipher = ieee_cipher();
  const Bytes plain = counting_block();
  Bytes out(kBlockBytes);
  cipher->encrypt(number, 1, plain.data(), out.data());
  const Bytes expected = from_hex(ciphertext);
  CHECK(std::equal(expected.begin(), expected.end(), out.begin()));
  cipher->decrypt(number, 1, out.data(), out.data());
  CHECK(out == plain);
}

Bytes random_bytes(size_t count) {
  const Result<Secret> key = BlockCipher::make_key();
  REQUIRE(key.ok());
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = key->reveal()[i % BlockCipher::kKeyBytes];
  return bytes;
}

}  // namespace

TEST_CASE("AES-256-XTS gives the ciphertexts of IEEE 1619-2007") {
  check_vector(
      0xff,
      "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b5d31e276f8fe4a8d66b317f9ac68"
      "3f44680a86ac35adfc3345befecb4bb188fd5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21"
      "d4a741b0c5cd4d5fff9dac89aeba122961d03a757123e9870f8acf1000020887891429ca2a3e7a7d7df7b1035516"
      "5c8b9a6d0a7de8b062c4500dc4cd120c0f7418dae3d0b5781c34803fa75421c790dfe1de1834f280d7667b327f6c"
      "8cd7557e12ac3a0f93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec583e9645e07b"
      "8d9670655ba5bbcfecc6dc3966380ad8fecb17b6ba02469a020a84e18e8f84252070c13e9f1f289be54fbc481457"
      "778f616015e1327a02b140f1505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae9be6"
      "9a2ffeceb1bec9de244fbe15992b11b77c040f12bd8f6a975a44a0f90c29a9abc3d4d893927284c58754cce29452"
      "9f8614dcd2aba991925fedc4ae74ffac6e333b93eb4aff0479da9a410e4450e0dd7ae4c6e2910900575da401fc07"
      "059f645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed43851ad77f16f541dfd269d50d6a"
      "5f14fb0aab1cbb4c1550be97f7ab4066193c4caa773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6"
      "e693e148c151");
  check_vector(0xffff, "77a31251618a15e6b92d1d66dffe7b50b50bad552305ba0217a610688eff7e11");
  check_vector(0xffffffffff, "64497e5a831e4a932c09be3e5393376daa599548b816031d224bbf50a818ed23");
}

TEST_CASE("blocks are encrypted one by one, in place or elsewhere, each under its own number") {
  const Result<Secret> key = BlockCipher::make_key();
  REQUIRE(key.ok());
  const std::unique_ptr<BlockCipher> cipher = cipher_of(*key);
  constexpr uint64_t kCount = 5;
  const Bytes plain = random_bytes(kCount * kBlockBytes);
  Bytes together(plain.size());
  cipher->encrypt(1000, kCount, plain.data(), together.data());
  Bytes apart = plain;
  for (uint64_t i = kCount; i-- > 0;)
    cipher->encrypt(1000 + i, 1, apart.data() + i * kBlockBytes, apart.data() + i * kBlockBytes);
  CHECK(apart == together);
  // The blocks hold the same bytes: their ciphertexts have nothing in common.
  for (uint64_t i = 1; i < kCount; ++i)
    CHECK(std::memcmp(together.data(), together.data() + i * kBlockBytes, 16) != 0);
  Bytes back(plain.size());
  cipher->decrypt(1000, kCount, together.data(), back.data());
  CHECK(back == plain);
  cipher->decrypt(1000, kCount, together.data(), together.data());
  CHECK(together == plain);
  // Another number, or another key, gives noise.
  cipher->decrypt(1001, 1, apart.data(), back.data());
  CHECK(std::memcmp(back.data(), plain.data(), 16) != 0);
  const Result<Secret> other = BlockCipher::make_key();
  REQUIRE(other.ok());
  cipher_of(*other)->decrypt(1000, 1, apart.data(), back.data());
  CHECK(std::memcmp(back.data(), plain.data(), 16) != 0);
}

TEST_CASE("keys that XTS does not allow are refused") {
  CHECK(BlockCipher::make(secret_of(Bytes(64, std::byte{7}))).code() ==
        ErrorCode::kInvalidArgument);
  CHECK(BlockCipher::make(secret_of(Bytes(32, std::byte{7}))).code() ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("a secret moves, never copies, and its pages stay out of core dumps and swap") {
  static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
  Secret secret = secret_of(Bytes(32, std::byte{9}));
  const void* const where = secret.reveal().data();
  const Secret moved = std::move(secret);
  CHECK(moved.reveal().data() == where);
  CHECK(moved.size() == 32);
  std::ifstream maps("/proc/self/smaps");
  std::string line;
  char begin[32];
  std::snprintf(begin, sizeof begin, "%lx", reinterpret_cast<unsigned long>(where));
  while (std::getline(maps, line) && !line.starts_with(begin)) {
  }
  while (std::getline(maps, line) && !line.starts_with("VmFlags:")) {
  }
  CHECK(line.find(" dd") != std::string::npos);  // not dumped
  if (kMemoryIsLocked) CHECK(line.find(" lo") != std::string::npos);
  CHECK(line.find(" dc") != std::string::npos);  // not copied by fork
}

}  // namespace varve
