// disk_add: makes a disk group's device ready: looks at what is there, makes the file if it is one,
// writes an empty store.
//
// Nothing is written while anything known is found on the device, unless `wipe`.
//
// Thread rule: the shard's thread; what blocks runs on a thread of its own.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/daemon/disk_group.h"
#include "core/daemon/node_status.h"
#include "core/runtime/task.h"
#include "core/runtime/uring_loop.h"

namespace varve {

struct AddDisk {
  std::string disk_group;      // name or path, as in the config
  uint64_t size_bytes = 0;     // of the file to make; 0: the device, or the file as it is
  uint32_t segment_bytes = 0;  // 0: by the device's size
  bool wipe = false;           // what is there may go
};

// 64 MiB, less on small devices, so that the cleaner has a hundred segments to choose from.
uint32_t default_segment_bytes(uint64_t device_bytes);

// REQUIRES: `group` is in begin_format(). `operation` is told step and progress; loop, group and
// operation outlive the task. The group is not opened here. `cluster`: that it will belong to;
// zero: none.
Task<Status> format_disk(UringLoop& loop, const DiskGroup& group, AddDisk request, Uuid cluster,
                         OperationStatus& operation);

}  // namespace varve
