// Hdd: one of the HDDs that the config names for a disk group: part of its store, or not, and why.
//
// Thread rule: the shard's thread. Ownership: borrows the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/device/uring_device.h"
#include "core/runtime/task.h"
#include "core/runtime/uring_loop.h"

namespace varve {

// An HDD's cache is flushed whatever the SSD's may be trusted with.
inline constexpr Durability kHddDurability = Durability::kFlush;

struct Hdd {
  std::string path;
  std::unique_ptr<UringDevice> device;  // null unless it is, or may be, part of the store
  std::string reason;                   // why it is not
};

// A daemon that was killed holds its devices until the kernel has ended its requests in flight; the
// next one waits until then before it believes that somebody else has the device.
uint64_t patience_end_ms(UringLoop& loop);
// As UringDevice::open; kBusy only after `patience_end_ms`.
Task<Result<std::unique_ptr<UringDevice>>> open_patiently(UringLoop& loop, std::string path,
                                                          Durability durability,
                                                          uint64_t patience_end_ms);

// Why the device is none of the HDDs of the disk group whose SSD is `ssd`; "" where its superblock
// says that it is. Writes nothing.
struct HddVerdict {
  std::string stranger;
  bool blank = false;  // it is none of Varve's at all
};
Task<HddVerdict> judge_hdd(BlockDevice& device, Uuid ssd);

// Opens it and keeps the device if it is one of the disk group's, else the reason. Never fails.
Task<void> find_hdd(UringLoop& loop, Hdd* hdd, Uuid ssd, uint64_t patience_end_ms);

}  // namespace varve
