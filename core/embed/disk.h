// Disk: where an embedded engine's store lives, a path or a device of the caller's.
//
// Thread rule: plain values; the functions on the thread whose loop it is.
// Ownership: `device` is borrowed and outlives whatever was opened on it.
#pragma once

#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/device/block_device.h"
#include "core/embed/varve.h"
#include "core/runtime/uring_loop.h"

namespace varve {

struct Disk {
  std::string path;                      // used when there is no device
  const varve_device* device = nullptr;  // may be null
  bool power_protected = false;
};

// Errors of UringDevice::open. The loop outlives what is returned.
Result<std::unique_ptr<BlockDevice>> open_disk(UringLoop& loop, const Disk& disk);

// Writes an empty store over the whole disk, on the calling thread. Errors of open_disk() and
// Store::format(); kUnsupported without io_uring.
Status format_disk(const Disk& disk);

}  // namespace varve
