// DiskAlone: what a full store asks of its SSD, without the store, for what the disk itself does to
// evenness: small durable writes in order, several at once, and beside them blocks read anywhere
// and written elsewhere in pieces of 1 MiB, in proportion.
//
// Thread rule: one shard's thread. Ownership: borrows runtime and device.
// Errors: what fails is printed, and ends the load with false.
#pragma once

#include <cstdint>

#include "core/base/aligned_buffer.h"
#include "core/device/block_device.h"
#include "core/runtime/random.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task_group.h"
#include "tests/sim/steady_tally.h"

namespace varve {

struct DiskAloneOptions {
  uint64_t warm_up_seconds = 5;
  uint64_t seconds = 120;  // that are counted
  uint32_t depth = 32;     // blocks on the way
  double moved = 1.7;      // blocks, for each written: a store of 80 % live blocks
};

class DiskAlone {
 public:
  DiskAlone(Runtime& runtime, BlockDevice& device, const DiskAloneOptions& options);

  Task<bool> write();
  SteadyTally& tally() { return tally_; }

 private:
  Task<void> commit();
  Task<void> move(uint64_t from, uint64_t to);
  // The next piece of a half of the device, which is written again and again.
  uint64_t next(uint64_t& at, uint64_t bytes, bool upper_half) const;
  void note(const Status& status);

  Runtime& runtime_;
  BlockDevice& device_;
  const DiskAloneOptions options_;
  Random random_{17};
  AlignedBuffer payload_;
  TaskGroup tasks_;
  SteadyTally tally_;
  uint64_t warm_ns_;
  uint64_t written_at_ = 0;
  uint64_t moved_at_ = 0;
  double owed_blocks_ = 0;
  bool failed_ = false;
};

}  // namespace varve
