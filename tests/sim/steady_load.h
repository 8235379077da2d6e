// SteadyLoad: random writes without a pause on a store that has to make room all the time, counted
// by ticks once it has settled. The same on simulated disks (steady_run) and on real ones
// (steady_bench).
//
// Thread rule: one shard's thread. Ownership: borrows runtime, devices and case. Units: blocks of
// 4 KiB, nanoseconds.
// Errors: what fails is printed, and ends the load with false.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/runtime/random.h"
#include "core/runtime/task_group.h"
#include "core/store/store.h"
#include "tests/sim/block_chooser.h"
#include "tests/sim/steady_tally.h"

namespace varve {

struct SteadyCase {
  std::string_view name;
  uint32_t live_percent = 80;  // the volume, of what all slots of the SSD hold
  uint32_t hot_percent = 100;  // of the volume's blocks are overwritten
  double warm_up = 2;          // overwrites of all of those before counting
  uint64_t hdd_share = 0;      // the HDD, in SSDs
  bool fresh = false;          // each block is written once only, and not before
  bool scrub = false;
  bool snapshot = false;  // taken when the volume has been written once; deleted while counting
};

inline constexpr SteadyCase kSteadyCases[] = {
    {.name = "cleaning"},
    {.name = "full", .live_percent = 92},
    {.name = "scrub", .scrub = true},
    {.name = "snapshot", .live_percent = 53, .hot_percent = 50, .snapshot = true},
    {.name = "hdd", .live_percent = 150, .warm_up = 4, .hdd_share = 3},
    {.name = "drain", .live_percent = 400, .warm_up = 0.4, .hdd_share = 6, .fresh = true},
    {.name = "room", .live_percent = 40},
    {.name = "room-hdd", .live_percent = 40, .hdd_share = 3},
};

struct SteadyOptions {
  uint64_t seconds = 10;  // that are counted
  uint64_t tick_ns = 100'000'000;
  uint32_t depth = 32;
  uint32_t segment_bytes = 0;
  uint64_t scrub_bytes_per_second = 0;
};

class SteadyLoad {
 public:
  SteadyLoad(Runtime& runtime, const SteadyCase& what, const SteadyOptions& options);

  // Formats the devices, `hdd` if it is not null, and writes everything once.
  Task<bool> fill(BlockDevice& ssd, BlockDevice* hdd);
  // Until it has settled, and then for the time that is counted.
  Task<bool> write();
  Task<bool> close();

  // Prints what was counted. False: it is not as even as it should be.
  bool judge();
  void print_series() const { tally_.print_series(what_.name); }
  double writes_per_second() const { return tally_.per_second(); }

 private:
  Task<bool> open(BlockDevice& ssd, BlockDevice* hdd);
  Task<void> client();
  void begin();
  Task<void> disturb();
  bool failed(const char* what, const Status& status) const;

  Runtime& runtime_;
  const SteadyCase& what_;
  const SteadyOptions options_;
  Random random_{17};
  AlignedBuffer payload_;
  std::vector<uint32_t> crcs_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<BlockChooser> chooser_;
  VolumeId volume_{};
  uint64_t blocks_ = 0;
  uint64_t warm_up_blocks_ = 0;
  std::vector<uint32_t> fresh_;  // the blocks in random order
  TaskGroup* clients_ = nullptr;
  uint64_t written_ = 0;
  SteadyTally tally_;
  StoreStats at_begin_;
  StoreStats at_end_;
  bool failed_ = false;
};

}  // namespace varve
