#include "core/daemon/volume_keys.h"

#include <functional>

#include "core/base/text.h"
#include "core/daemon/blocking.h"

namespace varve {

Status VolumeKeys::no_key_file() const {
  return {ErrorCode::kInvalidArgument,
          "this node has no key file: its config has no [encryption] with a key_file"};
}

Task<Status> VolumeKeys::reload(UringLoop& loop) {
  if (path_.empty()) co_return no_key_file();
  std::function<Result<KeyRing>()> read = [path = path_] { return KeyRing::read(path); };
  Result<KeyRing> ring = co_await run_blocking(loop, std::move(read));
  if (!ring.ok()) co_return ring.status();
  ring_.emplace(std::move(*ring));
  co_return Status();
}

Result<KeyWrapper> VolumeKeys::wrapper(const Store& store, const std::string& asked) const {
  if (!ring_) return no_key_file();
  Result<std::string> name = ring_->choose(asked);
  if (!name.ok()) return name.status();
  return KeyWrapper(
      [this, disk = store.disk(), name = std::move(*name)](VolumeId volume) -> Result<WrappedKey> {
        const Result<Secret> key = BlockCipher::make_key();
        if (!key.ok()) return key.status();
        auto wrapped = ring_->wrap(name, {disk, volume}, *key);
        if (!wrapped.ok()) return wrapped.status();
        return WrappedKey{name, std::move(*wrapped)};
      });
}

Result<KeyRewrapper> VolumeKeys::rewrapper(const Store& store, const std::string& asked) const {
  if (!ring_) return no_key_file();
  Result<std::string> name = ring_->choose(asked);
  if (!name.ok()) return name.status();
  return KeyRewrapper([this, disk = store.disk(),
                       name = std::move(*name)](const VolumeKey& now) -> Result<WrappedKey> {
    const KeyUse use{disk, now.family};
    const Result<Secret> key = ring_->unwrap(now.wrapped.wrapping_key, use, now.wrapped.bytes);
    if (!key.ok()) return key.status();
    auto wrapped = ring_->wrap(name, use, *key);
    if (!wrapped.ok()) return wrapped.status();
    return WrappedKey{name, std::move(*wrapped)};
  });
}

Result<std::shared_ptr<BlockCipher>> VolumeKeys::open(const Store& store, VolumeId volume) const {
  if (!ring_) return no_key_file();
  const Result<VolumeKey> held = store.volume_key(volume);
  if (!held.ok()) return held.status();
  const Result<Secret> key =
      ring_->unwrap(held->wrapped.wrapping_key, {store.disk(), held->family}, held->wrapped.bytes);
  if (!key.ok()) return key.status();
  auto cipher = BlockCipher::make(*key);
  if (!cipher.ok()) return cipher.status();
  return std::shared_ptr<BlockCipher>(std::move(*cipher));
}

Result<std::shared_ptr<BlockCipher>> VolumeKeys::cipher(const Store& store,
                                                        const VolumeInfo& volume) const {
  if (volume.wrapping_key.empty()) return std::shared_ptr<BlockCipher>();
  auto cipher = open(store, volume.id);
  if (cipher.ok()) return cipher;
  return Status(ErrorCode::kUnsupported,
                text("volume ", volume.name, " is encrypted under wrapping key ",
                     volume.wrapping_key, " and cannot be opened: ", cipher.status().message()));
}

}  // namespace varve
