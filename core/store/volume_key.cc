// The wrapped keys of encrypted volumes, which the store keeps and does not understand.
#include "core/base/text.h"
#include "core/store/store_core.h"

namespace varve {

Result<VolumeKey> StoreCore::volume_key(VolumeId id) const {
  const VolumeRecord* const volume = catalog_.find(id);
  if (volume == nullptr) return ErrorCode::kNotFound;
  const WrappedKey* const key = catalog_.key(id);
  if (key == nullptr)
    return Status(ErrorCode::kNotFound, text("volume ", volume->name, " is not encrypted"));
  return VolumeKey{catalog_.family(id), *key};
}

Task<Status> StoreCore::rewrap_key(VolumeId id, KeyRewrapper rewrap) {
  if (!enter()) co_return ErrorCode::kClosed;
  const Catalog::Change make = [&](CatalogPayload& change) -> Status {
    const Result<VolumeKey> now = volume_key(id);
    if (!now.ok()) return now.status();
    Result<WrappedKey> next = rewrap(*now);
    if (!next.ok()) return next.status();
    change.keys.push_back({now->family, std::move(*next)});
    return {};
  };
  const Status status = co_await catalog_.change(make);
  leave();
  co_return status;
}

}  // namespace varve
