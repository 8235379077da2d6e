#include "plugins/tls/token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <strings.h>

#include <algorithm>

namespace varve {
namespace {

constexpr int64_t kTokenLookMs = 1000;
constexpr size_t kTokenBytesMin = 16;
constexpr size_t kTokenBytesMax = 256;

bool is_token(std::string_view token) {
  return token.size() >= kTokenBytesMin && token.size() <= kTokenBytesMax &&
         std::all_of(token.begin(), token.end(), [](char letter) {
           return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                  (letter >= '0' && letter <= '9') ||
                  std::string_view("-._~+/=").find(letter) != std::string_view::npos;
         });
}

}  // namespace

std::string read_token(const std::string& path, std::string& token) {
  std::string content;
  std::string wrong = read_tls_file(path, true, content);
  if (wrong.empty()) {
    std::string_view line = content;
    if (line.ends_with('\n')) line.remove_suffix(1);
    if (is_token(line))
      token = line;
    else
      wrong = path + ": is no token, which is " + std::string(kTokenGrammar);
  }
  OPENSSL_cleanse(content.data(), content.size());
  return wrong;
}

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size()) return {};
  if (strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0) return {};
  authorization.remove_prefix(kScheme.size());
  return is_token(authorization) ? authorization : std::string_view();
}

TokenSource::Digest TokenSource::digest_of(std::string_view token) {
  Digest digest{};
  EVP_Digest(token.data(), token.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

std::string TokenSource::open(const std::string& path) {
  path_ = path;
  read_ = FileStamp::of(path);
  std::string token;
  std::string wrong = read_token(path, token);
  digest_ = digest_of(token);
  OPENSSL_cleanse(token.data(), token.size());
  return wrong;
}

std::string TokenSource::look(int64_t now_ms, bool& bad) {
  if (!configured() || now_ms < next_look_ms_) return {};
  next_look_ms_ = now_ms + kTokenLookMs;
  const FileStamp now = FileStamp::of(path_);
  if (now == read_ || now == tried_) return {};
  std::string token;
  const std::string wrong = read_token(path_, token);
  bad = !wrong.empty();
  if (bad) {
    tried_ = now;
    return "a new token cannot be used, the one before stays: " + wrong;
  }
  read_ = now;
  digest_ = digest_of(token);
  OPENSSL_cleanse(token.data(), token.size());
  return "the token was read again from " + path_;
}

bool TokenSource::is(std::string_view token) const {
  const Digest digest = digest_of(token);
  return configured() && !token.empty() &&
         CRYPTO_memcmp(digest.data(), digest_.data(), digest_.size()) == 0;
}

}  // namespace varve
