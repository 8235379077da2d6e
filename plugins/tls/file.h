// Small files that say who is to be believed, or prove who we are.
//
// Thread rule: any thread; blocks on the file. Errors: a sentence with the file's name; empty means
// success.
#pragma once

#include <cstdint>
#include <string>

namespace varve {

// `secret`: refused when others than its owner and group have any right on it.
std::string read_tls_file(const std::string& path, bool secret, std::string& content);

// Which version of a file is there; two that are equal are the same one.
struct FileStamp {
  uint64_t file = 0;
  int64_t changed_s = 0;
  int64_t changed_ns = 0;
  int64_t bytes = 0;
  bool operator==(const FileStamp&) const = default;

  static FileStamp of(const std::string& path);  // all zeroes: it cannot be seen
};

}  // namespace varve
