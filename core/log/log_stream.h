// LogStream: group commit into one open segment after another.
//
// A batch is what arrived while earlier ones were on the way; there is no timer. Up to
// batches_in_flight_max batches are on the way at once, four times as many while what waits would
// fill a batch anyway: waiting longer would not make it larger. Appends are published and answered
// strictly in order, so that the map never shows what a crash could still take back.
//
// Payloads of up to 16 KiB are copied once into the batch; longer aligned ones are written from
// where they are.
//
// Thread rule: one shard's thread.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/log/append.h"
#include "core/log/log_writer.h"

namespace varve {

inline constexpr uint32_t kCopiedBlocksMax = 4;
inline constexpr uint32_t kFullBatchesFactor = 4;

class LogStream {
 public:
  // `moves`: of a relocated stream, as in its segments' headers.
  LogStream(LogWriter& writer, StreamKind kind, uint8_t moves);
  ~LogStream();

  // Puts `append` behind the others; its latch is counted down when it is durable or has failed.
  void append(Append& append);
  // The same for all of them; ends when the last one is answered. What failed first, or kOk.
  Task<Status> append_all(std::vector<Append>& appends);

  // Ends when everything appended so far is durable, or has failed.
  Task<void> drained();

  // Whether a run of `data_blocks` fits into the open segment.
  bool has_room(uint32_t data_blocks) const;
  StreamKind kind() const { return kind_; }
  // What the open segment can still take, about.
  uint32_t room_blocks() const;
  // The open segment is left as it is, unsealed; the next append opens another. May be null.
  UnsealedSegment* detach_segment();

  // Ends when nothing waits or is on the way; seals the open segment if `seal`.
  Task<void> stop(bool seal);

 private:
  // One device write: a segment header or a batch.
  struct Flight {
    UnsealedSegment* segment = nullptr;
    uint32_t end_block = 0;
    bool batch = false;
    bool written = false;
    ErrorCode result = ErrorCode::kOk;
    AppendQueue appends;
    AlignedBuffer buffer;
    std::vector<iovec> vectors;
    uint64_t bytes = 0;
  };

  Task<void> run();
  bool must_wait() const;
  // How long the next batch waits to leave room to others.
  uint64_t pace_ns();
  Task<Status> open_segment();
  // No batch follows in the open segment, if there is one.
  void finish_segment();
  bool fits(uint32_t entry_count, uint32_t data_blocks) const;
  // Moves what fits from the queue into a batch and starts to write it.
  void start_batch();
  void choose_appends(Flight& flight, uint32_t& entry_count, uint32_t& data_blocks);
  void lay_out(Flight& flight, uint32_t entry_count, uint32_t data_blocks);
  void place_data(Flight& flight, std::byte*& copy_to, const Append& append);
  Task<void> write(Flight* flight, uint64_t offset);
  // Publishes and answers what is durable, in order.
  void release();
  void release_flight(Flight& flight);
  void answer(AppendQueue& appends, ErrorCode result, bool publish);
  void fail_queue(ErrorCode result);
  void seal_if_done(UnsealedSegment& segment);
  Task<void> seal_segment(UnsealedSegment* segment);
  AlignedBuffer take_buffer();

  LogWriter& writer_;
  const StreamKind kind_;
  const uint8_t moves_;
  UnsealedSegment* segment_ = nullptr;
  AppendQueue queue_;
  uint64_t queued_blocks_ = 0;  // data blocks of the queue
  uint64_t appended_count_ = 0;
  uint64_t answered_count_ = 0;
  std::deque<std::unique_ptr<Flight>> flights_;
  uint32_t batches_in_flight_ = 0;
  std::vector<AlignedBuffer> spare_buffers_;
  bool stopping_ = false;
  bool seal_at_stop_ = false;
  bool stopped_ = false;
  WaitList work_;      // the run loop sleeps here
  WaitList idle_;      // stop() sleeps here
  WaitList answered_;  // drained() sleeps here
};

}  // namespace varve
