// The superblocks of a device, all copies together.
#pragma once

#include <span>

#include "core/device/block_device.h"
#include "core/format/superblock.h"
#include "core/runtime/task.h"

namespace varve {

// Writes `block`, 4 KiB, to the places of all copies.
Task<Status> write_superblocks(BlockDevice& device, std::span<const std::byte> block);
// The first good copy; otherwise what is most worth telling about the bad ones.
Task<Result<Superblock>> read_superblock(BlockDevice& device);

}  // namespace varve
