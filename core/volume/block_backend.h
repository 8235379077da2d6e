// BlockBackend: where the blocks of one open volume are: in a store of this node, or in the
// cluster.
//
// Ranges lie inside the volume and inside one extent; data is at most kPieceBytesMax. A write comes
// with one CRC-32C per block. What a call acknowledged is durable.
//
// Thread rule: one shard's thread. Ownership: as of a Task: memory stays the caller's and unchanged
// until the task ends. Errors: those of the store, or of the cluster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/runtime/task.h"
#include "core/store/store.h"
#include "core/volume/space_gate.h"

namespace varve {

class BlockBackend {
 public:
  virtual ~BlockBackend() = default;

  // `out` is 4 KiB-aligned.
  virtual Task<Status> read(BlockRange range, std::byte* out) = 0;
  // kNoSpace: await space(), then try again.
  virtual Task<Status> write(BlockRange range, const std::byte* data, const uint32_t* crcs) = 0;
  virtual Task<Status> trim(BlockRange range) = 0;
  // Appends runs that cover the range.
  virtual Task<Status> block_status(BlockRange range, std::vector<BlockStatusRun>* runs) = 0;

  // True: write() makes its own CRCs, and those that it is given may be null.
  virtual bool makes_crcs() const { return false; }

  // Ends when a write that got kNoSpace may try again, or wake_space_waiters() was called.
  virtual Task<void> space() = 0;
  virtual void wake_space_waiters() = 0;
  // Nobody waits for space any more: the node is about to end.
  virtual bool closed() const = 0;
  // Whoever opens the volume next needs another backend: somebody else has it now.
  virtual bool lost() const = 0;
};

// A volume of a store of this node, or a snapshot of one, which is never written. Borrows store and
// gate.
class StoreBackend final : public BlockBackend {
 public:
  StoreBackend(Store& store, SpaceGate& gate, VolumeView view)
      : store_(store), gate_(gate), view_(view) {}

  Task<Status> read(BlockRange range, std::byte* out) override {
    return store_.read(view_, range, out);
  }
  Task<Status> write(BlockRange range, const std::byte* data, const uint32_t* crcs) override {
    VARVE_CHECK(view_.generation == kHead);
    return store_.write(view_.volume, range, data, crcs);
  }
  Task<Status> trim(BlockRange range) override {
    VARVE_CHECK(view_.generation == kHead);
    return store_.trim(view_.volume, range);
  }
  Task<Status> block_status(BlockRange range, std::vector<BlockStatusRun>* runs) override {
    co_return store_.block_status(view_, range, *runs);
  }
  Task<void> space() override { return gate_.wait(); }
  void wake_space_waiters() override { gate_.wake_all(); }
  bool closed() const override { return gate_.closed(); }
  bool lost() const override { return false; }

 private:
  Store& store_;
  SpaceGate& gate_;
  const VolumeView view_;
};

}  // namespace varve
