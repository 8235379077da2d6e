#include "core/volume/volume_table.h"

#include <algorithm>

namespace varve {

Task<Result<std::shared_ptr<Volume>>> VolumeTable::open(std::string name, VolumeOpening how) {
  if (closed_) co_return ErrorCode::kClosed;
  const Result<VolumeDirectory::Found> found = directory_.find(name);
  if (!found.ok()) co_return found.status();
  const bool read_only = how.read_only || found->generation != kHead;
  if (found->opener == nullptr) co_return std::make_shared<Volume>(share_of(*found), read_only);
  auto opened = co_await found->opener->open(std::move(name), how.force);
  if (!opened.ok()) co_return opened.status();
  co_return std::make_shared<Volume>(std::move(*opened), read_only);
}

std::shared_ptr<VolumeShare> VolumeTable::share_of(const VolumeDirectory::Found& found) {
  std::erase_if(shares_, [](const auto& entry) { return entry.second.expired(); });
  std::weak_ptr<VolumeShare>& place = shares_[{found.store, found.id, found.generation}];
  std::shared_ptr<VolumeShare> share = place.lock();
  if (share != nullptr) return share;
  std::unique_ptr<SpaceGate>& gate = gates_[found.store];
  if (gate == nullptr) gate = std::make_unique<SpaceGate>(runtime_, *found.store);
  const VolumeView view(found.id, found.generation);
  std::unique_ptr<BlockBackend> backend = std::make_unique<StoreBackend>(*found.store, *gate, view);
  if (found.cipher != nullptr)
    backend = std::make_unique<EncryptedBackend>(std::move(backend), found.cipher, ciphertexts_);
  share = std::make_shared<VolumeShare>(runtime_, std::move(backend), found.size_bytes);
  place = share;
  return share;
}

void VolumeTable::grown(const Store& store, VolumeId id, uint64_t size_bytes) {
  const auto held = shares_.find({&store, id, kHead});
  if (held == shares_.end()) return;
  if (const std::shared_ptr<VolumeShare> share = held->second.lock())
    share->size_bytes = std::max(share->size_bytes, size_bytes);
}

bool VolumeTable::in_use(const Store& store, VolumeView view) const {
  const auto share = shares_.find({&store, view.volume, view.generation});
  return share != shares_.end() && !share->second.expired();
}

uint64_t VolumeTable::waiting_for_space_count(const Store& store) const {
  const auto gate = gates_.find(&store);
  return gate == gates_.end() ? 0 : gate->second->waiting_count();
}

void VolumeTable::end_waits() {
  closed_ = true;
  for (auto& [store, gate] : gates_) gate->close();
}

Task<void> VolumeTable::drained() {
  for (auto& [store, gate] : gates_) co_await gate->drained();
}

}  // namespace varve
