// LogWriter: the writing end of a disk group's log: its streams, and what they share.
//
// Each stream appends to an open segment of its own. The segments that are not sealed yet are known
// here, because every header names them all and how much of each is durable.
//
// Thread rule: one shard's thread. Ownership: everything passed in is borrowed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/device/block_device.h"
#include "core/log/append.h"
#include "core/log/geometry.h"
#include "core/log/slot_table.h"
#include "core/log/space_pacer.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task_group.h"

namespace varve {

class LogStream;

// A segment between opening and sealing.
struct UnsealedSegment {
  uint32_t slot = 0;
  uint32_t generation = 0;
  uint32_t used_blocks = 1;     // placed so far, from the slot's start
  uint32_t durable_blocks = 0;  // durable without a gap
  uint32_t flights = 0;         // device writes on the way
  bool full = false;            // no batch follows; seal when the last is durable
  DataSequences data_sequences;
  Sequence sequence_max = 0;
  Footer footer;  // entries and checksums of what was placed
};

struct LogStats {
  uint64_t header_blocks = 0;
  uint64_t footer_blocks = 0;
  uint64_t user_batches = 0;
  uint64_t device_writes = 0;
  uint64_t buffer_bytes = 0;  // memory of the streams' batches, kept for the next ones
};

class LogWriter {
 public:
  LogWriter(Runtime& runtime, BlockDevice& device, const Geometry& geometry, SlotTable& slots,
            DurableSink& sink, uint32_t batches_in_flight_max);
  ~LogWriter();

  Runtime& runtime() { return runtime_; }
  BlockDevice& device() { return device_; }
  const Geometry& geometry() const { return geometry_; }
  SlotTable& slots() { return slots_; }
  DurableSink& sink() { return sink_; }
  LogStats& stats() { return stats_; }
  const LogStats& stats() const { return stats_; }
  TaskGroup& tasks() { return tasks_; }
  uint32_t batches_in_flight_max() const { return batches_in_flight_max_; }

  // How fast users may write, and how hard the cleaner works.
  SpacePacer& pacer() { return pacer_; }
  // What users can still write, with what is being reclaimed as far as that has come. Negative:
  // less is free than what is kept for others.
  int64_t user_room_blocks() const;
  RoomRange room_range() const;
  // Lets others work after a piece of reclaiming, which began then.
  Task<void> rest(uint64_t began_ns);

  // The stream of users or of the catalog.
  LogStream& stream(StreamKind kind) { return *streams_[kind == StreamKind::kUser ? 0 : 1]; }
  // The stream of what is moved for the `moves`th time, 1 to geometry().relocated_streams.
  LogStream& relocated(uint32_t moves) { return *streams_[1 + moves]; }

  // A slot for a stream, waiting for the cleaner if need be. kNoSpace: the cleaner found nothing to
  // free. kClosed: stopping.
  Task<Result<uint32_t>> acquire_slot(StreamKind stream, uint8_t moves);
  // Slots that `stream` leaves to others.
  static uint32_t floor_slots(StreamKind stream);
  // The cleaner's word: nothing can be freed until something dies (or that is over).
  void set_cleaning_stalled(bool stalled);
  bool cleaning_stalled() const { return cleaning_stalled_; }
  // Whether blocks will sink to an HDD all the same. Who waits for a slot is woken (freed()) when
  // that is no longer so.
  void set_relief(std::function<bool()> relief) { relief_ = std::move(relief); }

  // True after a device write failed: nothing more is written, what waits gets kIoError.
  bool failed() const { return failed_; }
  void fail();

  // The unsealed segments of all streams, as every header must name them.
  OpenList open_list() const;
  UnsealedSegment& add_unsealed(uint32_t slot);
  void remove_unsealed(UnsealedSegment& segment);
  // Writes the footer of a segment whose batches are all durable.
  Task<Status> seal(UnsealedSegment& segment);

  // Ends when nothing is on the way, the open segments of user and relocated data are sealed and
  // all tasks have ended. No append may follow.
  Task<void> stop();
  bool stopping() const { return stopping_; }

 private:
  Runtime& runtime_;
  BlockDevice& device_;
  const Geometry& geometry_;
  SlotTable& slots_;
  DurableSink& sink_;
  const uint32_t batches_in_flight_max_;
  std::vector<std::unique_ptr<LogStream>> streams_;  // user, catalog, relocated
  std::vector<std::unique_ptr<UnsealedSegment>> unsealed_;
  WaitList unsealed_removed_;
  LogStats stats_;
  bool failed_ = false;
  bool stopping_ = false;
  bool cleaning_stalled_ = false;
  std::function<bool()> relief_;
  SpacePacer pacer_;
  TaskGroup tasks_;
};

}  // namespace varve
