// VolumeModel: random clients of one volume against a model. Every value that a read returns must
// be the last acknowledged one of its place, or that of a change in flight. A lost update, an
// undone write or a mixed block shows as a value that is neither.
//
// Thread rule: one shard's thread. Ownership: borrows runtime and store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/units.h"
#include "core/runtime/task_group.h"
#include "core/volume/space_gate.h"
#include "core/volume/volume.h"

namespace varve {

class VolumeModel {
 public:
  static constexpr uint64_t kBlockCount = 4;  // so few that requests meet

  // `wrap`, when given, puts something between the volume and the store.
  using Backend = std::unique_ptr<BlockBackend>;
  VolumeModel(Runtime& runtime, Store& store, VolumeId id,
              const std::function<Backend(Backend)>& wrap = {});

  // Clients run until each has done its steps.
  void start(TaskGroup& group, int client_count, int step_count);
  SpaceGate& gate() { return gate_; }
  bool idle() const { return share_->locks.empty(); }
  uint64_t wrong_count() const { return wrong_count_; }
  uint64_t change_count() const { return change_count_; }

 private:
  // The unit: requests begin and end at multiples of it, eight to a block.
  static constexpr uint64_t kCellBytes = 512;
  static constexpr uint64_t kCellsPerBlock = kBlockBytes / kCellBytes;
  static constexpr uint64_t kCellCount = kBlockCount * kCellsPerBlock;

  struct Change {
    uint32_t value = 0;
    uint64_t begin = 0;
    uint64_t end = UINT64_MAX;  // not acknowledged yet
  };
  struct CellRange {
    uint64_t first = 0;
    uint64_t count = 0;
    uint64_t end() const { return first + count; }
  };

  Task<void> client(int step_count);
  Task<void> step(Volume* volume, AlignedBuffer* buffer);
  Task<void> read(Volume* volume, CellRange range, std::span<std::byte> bytes);
  Task<void> change(Volume* volume, CellRange range, std::span<std::byte> bytes);
  CellRange draw_range();
  static CellRange whole_blocks_inside(CellRange range);
  std::vector<size_t> begin(CellRange range, uint32_t value);
  void end(CellRange range, const std::vector<size_t>& places);
  bool allowed(uint64_t cell, uint32_t value, uint64_t begun) const;
  void check(CellRange range, std::span<const std::byte> bytes, uint64_t begun);

  Runtime& runtime_;
  SpaceGate gate_;
  std::shared_ptr<VolumeShare> share_;
  std::vector<std::vector<Change>> cells_{kCellCount};
  uint64_t time_ = 0;
  uint32_t last_value_ = 0;
  uint64_t wrong_count_ = 0;
  uint64_t change_count_ = 0;
};

}  // namespace varve
