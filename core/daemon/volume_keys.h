// VolumeKeys: the data keys of this node's encrypted volumes, made and opened by the wrapping keys
// of its key file.
//
// Data keys exist in the clear only while a volume is made, opened or wrapped anew, and in the
// ciphers of open volumes.
//
// Thread rule: the shard's thread; the file is read on another one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/crypto/block_cipher.h"
#include "core/crypto/key_ring.h"
#include "core/runtime/task.h"
#include "core/runtime/uring_loop.h"
#include "core/store/store.h"

namespace varve {

class VolumeKeys {
 public:
  // `path`: the key file; empty: the node has none, and no ring.
  VolumeKeys(std::string path, std::optional<KeyRing> ring)
      : path_(std::move(path)), ring_(std::move(ring)) {}

  // Reads the key file again: it may have more keys now. On an error the former keys stay.
  Task<Status> reload(UringLoop& loop);
  // False: it is not there, or the node has no key file.
  bool has(std::string_view wrapping_key) const { return ring_ && ring_->has(wrapping_key); }

  // For a new volume of the store. `asked` may be empty where there is only one wrapping key.
  Result<KeyWrapper> wrapper(const Store& store, const std::string& asked) const;
  Result<KeyRewrapper> rewrapper(const Store& store, const std::string& asked) const;
  // Null: the volume is not encrypted. kUnsupported: it cannot be opened, and why.
  Result<std::shared_ptr<BlockCipher>> cipher(const Store& store, const VolumeInfo& volume) const;

 private:
  Status no_key_file() const;
  Result<std::shared_ptr<BlockCipher>> open(const Store& store, VolumeId volume) const;

  const std::string path_;
  std::optional<KeyRing> ring_;
};

}  // namespace varve
