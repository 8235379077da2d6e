// Workload: clients of one store in one life, at the plan's queue depth, every answer judged by the
// model as it comes.
//
// Thread rule: its loop's thread. Ownership: borrows everything; owns the clients' buffers. Start
// the clients, step the loop until ended(), then finish().
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/runtime/task_group.h"
#include "core/store/store.h"
#include "tests/sim/block_model.h"
#include "tests/sim/fault_counts.h"
#include "tests/sim/report.h"
#include "tests/sim/seed_plan.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_loop.h"

namespace varve {

class Workload {
 public:
  Workload(SimLoop& loop, const SimDevice& device, Store& store, BlockModel& model,
           const SeedPlan& plan, const Report& report, FaultCounts& counts, uint64_t seed);

  void start();
  bool ended() const { return clients_.running() == 0; }
  uint32_t ops_started() const { return ops_started_; }
  // After the clients have ended: reads everything and judges the store at rest.
  Task<void> finish();

 private:
  struct Buffer {
    std::unique_ptr<std::byte[]> memory;
    std::byte* blocks = nullptr;  // 4 KiB-aligned
  };
  // The fullest the store was, as far as seen, while a write was under way.
  struct OpenWrite {
    uint64_t blocks_peak = 0;
  };

  Task<void> set_up();
  Task<void> client(uint32_t index);
  Task<void> one_op(Buffer& buffer);
  Task<void> write(Buffer& buffer);
  Task<void> read(Buffer& buffer, uint32_t volume, BlockRange range);
  Task<void> trim(uint32_t volume, BlockRange range);
  Task<void> trim_something();
  Task<void> create();
  Task<void> remove();
  Task<void> grow();
  Task<void> set_tier();
  Task<void> change_views();
  Task<void> snapshot();
  // Reads every snapshot of the cut in full.
  Task<void> pin(uint32_t cut);
  Task<void> read_snapshot(Buffer& buffer);
  Task<bool> read_view(std::byte* into, VolumeView view, uint32_t family, BlockRange range,
                       std::vector<BlockValue>& values);
  Task<void> drop_snapshot();
  Task<void> drop_part(uint32_t cut, uint32_t part);
  Task<void> roll_back();
  Task<void> clone();
  Task<void> refused_write(uint32_t op, const OpenWrite& open);
  void status();
  void see_fullness();
  uint32_t draw_volume();  // 0: there is none
  BlockRange draw_range(uint32_t volume, uint64_t count);
  uint64_t draw_count();
  uint64_t volume_size_blocks() const;
  uint64_t largest_volume_blocks() const;
  bool gone(uint32_t volume) const;
  bool in_doubt(const Status& status, uint32_t volume) const;
  bool filling_up() const;
  std::string new_volume_name();
  void check_at_rest();

  SimLoop& loop_;
  const SimDevice& device_;
  Store& store_;
  BlockModel& model_;
  const SeedPlan& plan_;
  const Report& report_;
  FaultCounts& counts_;
  Random random_;
  const uint64_t life_;  // makes the names of snapshots unique
  TaskGroup clients_;
  std::vector<Buffer> buffers_;
  std::vector<OpenWrite*> open_writes_;
  uint32_t ops_started_ = 0;
  uint32_t names_used_ = 0;
  uint64_t next_sequential_ = 0;
  uint32_t active_ = 0;  // clients that neither ended nor wait for space
  bool waiter_ = false;  // one client waits for space
  bool pinning_ = false;
  bool growing_ = false;
};

}  // namespace varve
