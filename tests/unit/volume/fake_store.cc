#include "tests/unit/volume/fake_store.h"

#include <algorithm>
#include <cstring>

#include "core/base/crc32c.h"

namespace varve {

Task<void> StoreCore::pause() {
  const uint64_t count = max_pauses == 0 ? 0 : random.below(max_pauses + 1);
  for (uint64_t i = 0; i < count; ++i) co_await steps.wait();
}

Store::Store(std::unique_ptr<StoreCore> core) : core_(std::move(core)) {}
Store::~Store() = default;

Task<Result<std::unique_ptr<Store>>> Store::open(Runtime& runtime, BlockDevice& device,
                                                 StoreOptions) {
  auto core =
      std::make_unique<StoreCore>(runtime.random, runtime.ready, device.size_bytes() / kBlockBytes);
  static_cast<FakeDevice&>(device).core = core.get();
  co_return std::unique_ptr<Store>(new Store(std::move(core)));
}

Task<Status> Store::write(VolumeId id, BlockRange range, const std::byte* data,
                          const uint32_t* crcs) {
  VARVE_CHECK(id == kFakeVolume && range.end() <= core_->mapped.size());
  co_await core_->pause();
  if (core_->write_answer != ErrorCode::kOk) co_return core_->write_answer;
  ++core_->write_count;
  core_->largest_write_blocks = std::max(core_->largest_write_blocks, range.count);
  for (uint64_t i = 0; i < range.count; ++i) {
    const std::byte* block = data + i * kBlockBytes;
    if (crc32c({block, kBlockBytes}) != crcs[i]) ++core_->crc_errors;
    std::memcpy(&core_->bytes[(range.first + i) * kBlockBytes], block, kBlockBytes);
    core_->mapped[range.first + i] = true;
    if (core_->random.chance(1, 2)) co_await core_->pause();
  }
  co_await core_->pause();
  co_return Status();
}

Task<Status> Store::read(VolumeView view, BlockRange range, std::byte* out) {
  VARVE_CHECK(view.volume == kFakeVolume && range.end() <= core_->mapped.size());
  if (reinterpret_cast<uintptr_t>(out) % kBlockBytes != 0) ++core_->unaligned_read_count;
  co_await core_->pause();
  if (core_->read_answer != ErrorCode::kOk) co_return core_->read_answer;
  for (uint64_t i = 0; i < range.count; ++i) {
    std::memcpy(out + i * kBlockBytes, &core_->bytes[(range.first + i) * kBlockBytes], kBlockBytes);
    if (core_->random.chance(1, 2)) co_await core_->pause();
  }
  co_await core_->pause();
  co_return Status();
}

Task<Status> Store::trim(VolumeId id, BlockRange range) {
  VARVE_CHECK(id == kFakeVolume && range.end() <= core_->mapped.size());
  co_await core_->pause();
  for (uint64_t i = range.first; i < range.end(); ++i) {
    std::memset(&core_->bytes[i * kBlockBytes], 0, kBlockBytes);
    core_->mapped[i] = false;
    if (core_->random.chance(1, 2)) co_await core_->pause();
  }
  co_await core_->pause();
  co_return Status();
}

Status Store::block_status(VolumeView view, BlockRange range,
                           std::vector<BlockStatusRun>& runs) const {
  VARVE_CHECK(view.volume == kFakeVolume && range.end() <= core_->mapped.size());
  for (uint64_t i = range.first; i < range.end(); ++i) {
    if (i == range.first || runs.back().data != core_->mapped[i])
      runs.push_back({0, core_->mapped[i]});
    ++runs.back().block_count;
  }
  return {};
}

Task<void> Store::space_freed() {
  if (!core_->space_closed) co_await core_->space.wait();
}

FakeShard::FakeShard(uint64_t seed, uint64_t block_count) : random(seed) {
  FakeDevice device(block_count);
  auto opened = await(Store::open(runtime, device, {}));
  store = std::move(*opened);
  core = device.core;
}

FakeShard::~FakeShard() {
  close_store();
}

void FakeShard::run() {
  while (ready.run_ready() > 0 || (core != nullptr && !core->steps.empty()))
    if (core != nullptr) core->steps.wake_one();
}

}  // namespace varve
