// Damage: what a broken disk does to bytes that were durable, at most once in a store's life.
//
// Either bytes of one 4 KiB block change, or one acknowledged batch is silently missing. Only
// batches that something durable names are hit: the very last one is not to be told from a torn
// write. What the damage may do to answers is worked out here, from the image as it was before.
//
// Thread rule: plain values.
#pragma once

#include <string>
#include <vector>

#include "core/runtime/random.h"
#include "tests/sim/block_model.h"
#include "tests/sim/fault_counts.h"
#include "tests/sim/image_layout.h"
#include "tests/sim/sim_device.h"

namespace varve {

struct Damage {
  bool done = false;
  bool may_refuse = false;           // open() may say kDamaged
  std::vector<DamagedBlock> blocks;  // may answer kDamaged
  std::string what;                  // for the report
};

// Changes the first `ssd_bytes` of `image`, or not, when there is nothing fit to be damaged.
// `history`: durable writes that are still on the image as they were written.
Damage inflict_damage(DiskImage& image, uint64_t ssd_bytes, const std::deque<DurableWrite>& history,
                      Random& random, FaultCounts& counts);

}  // namespace varve
