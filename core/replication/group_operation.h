// GroupOperation: one change of a group's blocks between its number and its end. Lives in the frame
// of whoever asked for it.
//
// Thread rule: one shard's thread.
#pragma once

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/runtime/wait_list.h"
#include "core/store/store.h"
#include "core/wire/messages.h"

namespace varve {

struct GroupOperation : boost::intrusive::list_base_hook<> {
  explicit GroupOperation(RunQueue& ready) : changed(ready) {}

  ReplicateOp op = ReplicateOp::kData;
  VolumeId volume{};
  Generation generation = 0;        // of the volume
  BlockRange range;                 // inside one extent; data: at most kMessageBlocksMax
  const std::byte* data = nullptr;  // unchanged until the end
  const uint32_t* crcs = nullptr;
  bool reserved_room = false;  // settlement, repair
  Sequence sequence = 0;
  Sequence previous = 0;  // the number given before; 0: this is the office's first

  std::vector<DiskGroupId> durable_on;
  bool committed = false;
  uint32_t task_count = 0;  // that still use this
  WaitList changed;

  bool is_durable_on(DiskGroupId id) const {
    return std::find(durable_on.begin(), durable_on.end(), id) != durable_on.end();
  }
  bool overlaps(VolumeId other, BlockRange blocks) const {
    return volume == other && range.first < blocks.end() && blocks.first < range.end();
  }
  VersionRange versions() const { return {volume, generation, range}; }
};

}  // namespace varve
