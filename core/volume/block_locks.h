// BlockLocks: keeps the read-modify-write of a partial block apart from every other change of it.
//
// A change of whole blocks holds its range shared: such changes may overlap each other, the store
// orders them. A read-modify-write holds its block exclusive: a whole write that it overlapped
// could be acknowledged after the old bytes were read, and then be undone by writing them back. Who
// comes later waits for every earlier hold, granted or not, that it conflicts with: first come,
// first served, so nobody starves; and who holds never asks for a second hold, so nothing can
// deadlock.
//
// Cost: O(1) while no exclusive hold is there or asked for; else O(holds).
// Thread rule: one shard's thread. Ownership: holds live in their coroutine; the destructor
// requires that none is left.
#pragma once

#include <boost/intrusive/list.hpp>
#include <coroutine>
#include <cstddef>

#include "core/base/ids.h"
#include "core/runtime/run_queue.h"

namespace varve {

class BlockLocks {
 public:
  enum class Mode : uint8_t { kShared, kExclusive };

  // Takes its place in the order when constructed; granted once `co_await hold` returns; given back
  // when destroyed. Must be awaited.
  class [[nodiscard]] Hold : public boost::intrusive::list_base_hook<> {
   public:
    Hold(BlockLocks& locks, BlockRange range, Mode mode);
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    bool await_ready() const noexcept { return blocker_count_ == 0; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
    void await_resume() const noexcept {}

   private:
    friend class BlockLocks;
    bool conflicts_with(const Hold& other) const;

    BlockLocks& locks_;
    BlockRange range_;
    Mode mode_;
    size_t blocker_count_ = 0;  // earlier holds that conflict and are still there
    std::coroutine_handle<> waiter_;
  };

  explicit BlockLocks(RunQueue& ready) : ready_(ready) {}
  ~BlockLocks();
  BlockLocks(const BlockLocks&) = delete;
  BlockLocks& operator=(const BlockLocks&) = delete;

  bool empty() const { return holds_.empty(); }

 private:
  void add(Hold& hold);
  void remove(Hold& hold);

  RunQueue& ready_;
  boost::intrusive::list<Hold, boost::intrusive::constant_time_size<false>> holds_;  // by arrival
  size_t exclusive_count_ = 0;
  size_t blocked_count_ = 0;  // holds that are not granted yet
};

}  // namespace varve
