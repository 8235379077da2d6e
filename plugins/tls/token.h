// The token of the admin API: a secret of one line in a file of its own, which may be replaced at
// any time. It is kept as its SHA-256 only, and compared in constant time.
//
// Thread rule: read_token any thread; TokenSource one thread at a time. Errors: a sentence with the
// file's name; empty means success. Units: `now_ms` is any clock that only goes forward.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/tls/file.h"

namespace varve {

inline constexpr std::string_view kTokenGrammar =
    "16 to 256 of letters, digits and -._~+/= in one line";

// Refused: a file that others may use, and what is no token.
std::string read_token(const std::string& path, std::string& token);

// The token in the value of the header Authorization; empty: there is none.
std::string_view bearer_token(std::string_view authorization);

class TokenSource {
 public:
  // Before anything else.
  std::string open(const std::string& path);
  bool configured() const { return !path_.empty(); }

  // The file is looked at once a second at most; what cannot be used changes nothing. Returns a
  // line for the log, most often empty; `bad` is what kind of news.
  std::string look(int64_t now_ms, bool& bad);
  bool is(std::string_view token) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  static Digest digest_of(std::string_view token);

  std::string path_;
  Digest digest_{};
  FileStamp read_;   // that digest_ came from
  FileStamp tried_;  // that could not be used
  int64_t next_look_ms_ = INT64_MIN;
};

}  // namespace varve
