#include "core/embed/disk.h"

#include <algorithm>
#include <bit>

#include "core/device/uring_device.h"
#include "core/embed/custom_device.h"
#include "core/store/store.h"

namespace varve {
namespace {

// The defaults of `varve disk add`.
constexpr uint64_t kSegmentCountWanted = 128;
constexpr uint64_t kSegmentBytesMin = 64 * kKiB;
constexpr uint64_t kSegmentBytesMax = 64 * kMiB;

uint32_t segment_bytes_for(uint64_t disk_bytes) {
  const uint64_t even = std::bit_floor(disk_bytes / kSegmentCountWanted);
  return static_cast<uint32_t>(std::clamp(even, kSegmentBytesMin, kSegmentBytesMax));
}

}  // namespace

Result<std::unique_ptr<BlockDevice>> open_disk(UringLoop& loop, const Disk& disk) {
  if (disk.device != nullptr)
    return std::unique_ptr<BlockDevice>(std::make_unique<CustomDevice>(loop, *disk.device));
  auto opened = UringDevice::open(loop, disk.path,
                                  disk.power_protected ? Durability::kPlp : Durability::kFlush);
  if (!opened.ok()) return opened.status();
  return std::unique_ptr<BlockDevice>(std::move(*opened));
}

Status format_disk(const Disk& disk) {
  const Result<std::unique_ptr<UringLoop>> loop = UringLoop::create();
  if (!loop.ok()) return loop.status();
  const Result<std::unique_ptr<BlockDevice>> device = open_disk(**loop, disk);
  if (!device.ok()) return device.status();
  FormatOptions options;
  options.segment_bytes = segment_bytes_for((*device)->size_bytes());
  return (*loop)->run(Store::format((*loop)->runtime(), **device, std::move(options)));
}

}  // namespace varve
