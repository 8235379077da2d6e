// disk_add: makes a disk group's devices ready: looks at what is there, makes the file if it is
// one, writes an empty store, or adds an HDD to one.
//
// Nothing is written while anything known is found on a device, unless `wipe`.
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
  std::string disk_group;       // name or path, as in the config
  uint64_t size_bytes = 0;      // of the file to make; 0: the device, or the file as it is
  uint32_t segment_bytes = 0;   // 0: by the device's size
  bool wipe = false;            // what is there may go
  std::string hdd;              // only this one, of a disk group that serves; empty: all
  uint64_t hdd_size_bytes = 0;  // of each HDD's file to make; 0: as size_bytes
};

// 64 MiB, less on small devices, so that the cleaner has a hundred segments to choose from.
uint32_t default_segment_bytes(uint64_t device_bytes);

// REQUIRES: `group` is in begin_format(). `operation` is told step and progress; loop, group and
// operation outlive the task. The group is not opened here. `cluster`: that it will belong to;
// zero: none.
Task<Status> format_disk(UringLoop& loop, const DiskGroup& group, AddDisk request, Uuid cluster,
                         OperationStatus& operation);

// Whether what is at `path` may become an HDD of the disk group whose SSD is `ssd`; zero: of one
// that is yet to be made. Writes nothing. What an earlier attempt left behind is fine.
Task<Status> check_hdd(UringLoop& loop, std::string path, AddDisk request, Uuid ssd);
// Checks it once more, then makes it an HDD of the group, which serves. kClosed: no longer.
Task<Status> add_hdd(UringLoop& loop, DiskGroup& group, std::string path, AddDisk request,
                     OperationStatus& operation);

}  // namespace varve
