#include "core/daemon/hdd.h"

#include <poll.h>

#include <functional>

#include "core/base/text.h"
#include "core/cluster/record_text.h"
#include "core/daemon/blocking.h"
#include "core/store/superblocks.h"

namespace varve {
namespace {

constexpr uint64_t kBusyPatienceMs = 5000;
constexpr int kBusyRetryMs = 10;

uint64_t clock_ms(UringLoop& loop) {
  return loop.runtime().clock.monotonic_ns() / 1'000'000;
}

}  // namespace

uint64_t patience_end_ms(UringLoop& loop) {
  return clock_ms(loop) + kBusyPatienceMs;
}

Task<Result<std::unique_ptr<UringDevice>>> open_patiently(UringLoop& loop, std::string path,
                                                          Durability durability,
                                                          uint64_t patience_end_ms) {
  auto device = UringDevice::open(loop, path, durability);
  while (device.code() == ErrorCode::kBusy && clock_ms(loop) < patience_end_ms) {
    std::function<int()> pause = [] { return poll(nullptr, 0, kBusyRetryMs); };
    co_await run_blocking(loop, std::move(pause));
    device = UringDevice::open(loop, path, durability);
  }
  co_return device;
}

Task<HddVerdict> judge_hdd(BlockDevice& device, Uuid ssd) {
  const HddVerdict blank{"it is not formatted", true};
  if (device.size_bytes() < 3 * kSuperblockSpacing) co_return blank;  // too small for any of ours
  const Result<Superblock> superblock = co_await read_superblock(device);
  if (superblock.code() == ErrorCode::kNotFormatted) co_return blank;
  if (!superblock.ok()) co_return HddVerdict{std::string(superblock.status().message())};
  if ((superblock->incompatible_features & kFeatureCold) == 0)
    co_return HddVerdict{"it is the SSD of a disk group"};
  if (superblock->group != ssd)
    co_return HddVerdict{
        text("it is an HDD of another disk group (", uuid_text(superblock->group), ")")};
  co_return HddVerdict{};
}

Task<void> find_hdd(UringLoop& loop, Hdd* hdd, Uuid ssd, uint64_t patience_end_ms) {
  auto device = co_await open_patiently(loop, hdd->path, kHddDurability, patience_end_ms);
  if (!device.ok()) {
    hdd->reason = device.status().message();
    co_return;
  }
  const HddVerdict verdict = co_await judge_hdd(**device, ssd);
  hdd->reason = verdict.stranger;
  if (verdict.stranger.empty()) hdd->device = std::move(*device);
}

}  // namespace varve
