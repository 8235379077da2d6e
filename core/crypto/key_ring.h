// KeyRing: the wrapping keys of one key file.
//
// The file is for the daemon's eyes only: a regular file, at most 64 KiB, mode 0600 or stricter.
// One key a line, its name and 32 bytes in base64:
//
//     2026-a 3q2+7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
//
// Empty lines and those that begin with "#" are skipped. A name has 1 to 64 letters, digits, '.',
// '_' and '-', the first a letter or digit. Errors name file and line, never what stands there.
//
// Thread rule: plain value; read() blocks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/crypto/secret.h"

namespace varve {

// What a wrapped key is for; wrapped for one use, it is good for no other.
struct KeyUse {
  Uuid store{};       // the disk group that the volume is on
  VolumeId family{};  // the volume, or the one that it was cloned from in the first place
};

class KeyRing {
 public:
  // Blocks. kNotFound, kIoError, kInvalidArgument, kUnavailable (see Secret).
  static Result<KeyRing> read(const std::string& path);

  std::vector<std::string> names() const;  // in the file's order
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // The name to wrap with when none was asked for: the only one there is. kInvalidArgument.
  Result<std::string> choose(const std::string& asked) const;

  // kInvalidArgument: there is no wrapping key of this name, or (unwrap) it is not the one that was
  // used. kNewerFormat.
  Result<std::vector<std::byte>> wrap(const std::string& name, KeyUse use, const Secret& key) const;
  Result<Secret> unwrap(const std::string& name, KeyUse use,
                        std::span<const std::byte> wrapped) const;

 private:
  explicit KeyRing(std::string path) : path_(std::move(path)) {}
  Status parse(std::string_view words);
  Status parse_line(std::string_view line);
  const Secret* find(std::string_view name) const;
  Status missing(std::string_view name) const;

  std::string path_;
  std::vector<std::pair<std::string, Secret>> keys_;
};

}  // namespace varve
