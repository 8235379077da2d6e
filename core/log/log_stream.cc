#include "core/log/log_stream.h"

#include <cstring>

#include "core/base/mutant.h"

namespace varve {

LogStream::LogStream(LogWriter& writer, StreamKind kind, uint8_t moves)
    : writer_(writer),
      kind_(kind),
      moves_(moves),
      work_(writer.runtime().ready),
      idle_(writer.runtime().ready),
      answered_(writer.runtime().ready) {
  writer_.tasks().start(run());
}

LogStream::~LogStream() {
  VARVE_CHECK(stopped_);
}

void LogStream::append(Append& append) {
  VARVE_CHECK(!stopping_);
  VARVE_CHECK(append.entry.data_blocks() <= writer_.geometry().append_blocks_max());
  queue_.push_back(append);
  ++appended_count_;
  queued_blocks_ += append.entry.data_blocks();
  work_.wake_one();
}

Task<Status> LogStream::append_all(std::vector<Append>& appends) {
  Latch done(writer_.runtime().ready, appends.size());
  for (Append& each : appends) {
    each.done = &done;
    append(each);
  }
  co_await done;
  for (const Append& each : appends)
    if (each.result != ErrorCode::kOk) co_return each.result;
  co_return Status();
}

bool LogStream::fits(uint32_t entry_count, uint32_t data_blocks) const {
  const Footer& footer = segment_->footer;
  const uint32_t entries = static_cast<uint32_t>(footer.entries.size()) + entry_count;
  const uint32_t blocks = static_cast<uint32_t>(footer.crcs.size()) + data_blocks;
  return segment_->used_blocks + batch_header_blocks(entry_count, data_blocks) + data_blocks +
             seal_blocks_for(entries, blocks) <=
         writer_.geometry().slot_blocks();
}

bool LogStream::has_room(uint32_t data_blocks) const {
  return segment_ != nullptr && fits(1, data_blocks);
}

uint32_t LogStream::room_blocks() const {
  if (segment_ == nullptr) return 0;
  const uint32_t dense = writer_.geometry().dense_blocks();
  return dense - std::min(dense, segment_->used_blocks);
}

UnsealedSegment* LogStream::detach_segment() {
  return std::exchange(segment_, nullptr);
}

bool LogStream::must_wait() const {
  // A catalog's header is durable before its first batch: recovery counts on it.
  if (kind_ == StreamKind::kCatalog) return !flights_.empty();
  const uint32_t most = writer_.batches_in_flight_max();
  // One at a time means one.
  const bool full = most > 1 && queued_blocks_ >= writer_.geometry().append_blocks_max();
  return batches_in_flight_ >= (full ? most * kFullBatchesFactor : most);
}

// Users' batches only: what others write makes room.
uint64_t LogStream::pace_ns() {
  if (kind_ != StreamKind::kUser || !writer_.pacer().reclaiming()) return 0;
  return writer_.pacer().wait_ns(writer_.user_room_blocks(), writer_.room_range());
}

Task<void> LogStream::run() {
  Runtime& runtime = writer_.runtime();
  while (true) {
    if (queue_.empty()) {
      if (stopping_ && flights_.empty()) break;
      co_await work_.wait();
    } else if (writer_.failed()) {
      fail_queue(ErrorCode::kIoError);
    } else if (must_wait()) {
      co_await work_.wait();
    } else if (const uint64_t wait_ns = pace_ns(); wait_ns > 0) {
      co_await work_.wait_until(runtime.timers, runtime.clock.monotonic_ns() + wait_ns);
    } else if (segment_ != nullptr && fits(1, queue_.front().entry.data_blocks())) {
      start_batch();
    } else {
      const Status opened = co_await open_segment();
      if (!opened.ok()) fail_queue(opened.code());
    }
  }
  if (seal_at_stop_) finish_segment();
  stopped_ = true;
  idle_.wake_all();
}

void LogStream::finish_segment() {
  if (segment_ == nullptr) return;
  UnsealedSegment& filled = *detach_segment();
  filled.full = true;
  writer_.slots().at(filled.slot).state = SlotState::kSealing;
  seal_if_done(filled);
}

Task<Status> LogStream::open_segment() {
  // The full one is sealed first: while this stream waits for a slot, it can be cleaned.
  finish_segment();
  const Result<uint32_t> slot = co_await writer_.acquire_slot(kind_, moves_);
  if (!slot.ok()) co_return slot.status();
  segment_ = &writer_.add_unsealed(*slot);
  auto flight = std::make_unique<Flight>();
  flight->segment = segment_;
  flight->end_block = 1;
  flight->buffer = AlignedBuffer(kBlockBytes);
  flight->vectors = {{flight->buffer.data(), kBlockBytes}};
  flight->bytes = kBlockBytes;
  const SegmentHeader header{.slot = *slot,
                             .generation = segment_->generation,
                             .stream = kind_,
                             .open = writer_.open_list(),
                             .moves = moves_};
  encode_segment_header(header, writer_.geometry().seed, flight->buffer.span());
  ++segment_->flights;
  ++writer_.stats().header_blocks;
  Flight* started = flight.get();
  flights_.push_back(std::move(flight));
  writer_.tasks().start(write(started, writer_.geometry().offset(*slot, 0)));
  co_return Status();
}

void LogStream::start_batch() {
  auto flight = std::make_unique<Flight>();
  flight->segment = segment_;
  flight->batch = true;
  uint32_t entry_count = 0;
  uint32_t data_blocks = 0;
  choose_appends(*flight, entry_count, data_blocks);
  const uint32_t start_block = segment_->used_blocks;
  lay_out(*flight, entry_count, data_blocks);
  ++batches_in_flight_;
  ++segment_->flights;
  Flight* started = flight.get();
  flights_.push_back(std::move(flight));
  writer_.tasks().start(write(started, writer_.geometry().offset(segment_->slot, start_block)));
  if (VARVE_MUTANT(kAcknowledgeBeforeDurable) ||
      (VARVE_MUTANT(kReuseSlotEarly) && kind_ == StreamKind::kRelocated))
    answer(started->appends, ErrorCode::kOk, true);
}

void LogStream::choose_appends(Flight& flight, uint32_t& entry_count, uint32_t& data_blocks) {
  while (!queue_.empty() && entry_count < kBatchEntriesMax) {
    Append& next = queue_.front();
    const uint32_t more = next.entry.data_blocks();
    if (data_blocks + more > kBatchDataBlocksMax || !fits(entry_count + 1, data_blocks + more))
      break;
    queue_.pop_front();
    queued_blocks_ -= more;
    flight.appends.push_back(next);
    ++entry_count;
    data_blocks += more;
  }
}

void LogStream::lay_out(Flight& flight, uint32_t entry_count, uint32_t data_blocks) {
  UnsealedSegment& segment = *segment_;
  Footer& footer = segment.footer;
  const uint32_t header_blocks = batch_header_blocks(entry_count, data_blocks);
  const size_t header_bytes = static_cast<size_t>(header_blocks) * kBlockBytes;
  const size_t first_entry = footer.entries.size();
  const size_t first_crc = footer.crcs.size();
  uint32_t position = segment.used_blocks + header_blocks;
  flight.buffer = take_buffer();
  flight.vectors.push_back({flight.buffer.data(), header_bytes});
  std::byte* copy_to = flight.buffer.data() + header_bytes;
  Slot& slot = writer_.slots().at(segment.slot);
  for (Append& append : flight.appends) {
    append.slot = segment.slot;
    append.entry.position = append.entry.has_data() ? static_cast<uint16_t>(position) : 0;
    const uint32_t blocks = append.entry.data_blocks();
    position += blocks;
    footer.entries.push_back(append.entry);
    footer.crcs.insert(footer.crcs.end(), append.crcs, append.crcs + blocks);
    place_data(flight, copy_to, append);
    segment.sequence_max = std::max(segment.sequence_max, append.entry.sequence);
    segment.data_sequences.add(append.entry);
    slot.data_sequences.add(append.entry);
  }
  const BatchHeader header{.slot = segment.slot,
                           .generation = segment.generation,
                           .start_block = segment.used_blocks,
                           .data_blocks = data_blocks,
                           .header_blocks = static_cast<uint16_t>(header_blocks),
                           .entry_count = static_cast<uint16_t>(entry_count),
                           .wall_seconds = writer_.runtime().clock.wall_seconds(),
                           .open = writer_.open_list()};
  encode_batch_header(header, std::span(footer.entries).subspan(first_entry),
                      std::span(footer.crcs).subspan(first_crc), writer_.geometry().seed,
                      flight.buffer.span().first(header_bytes));
  writer_.stats().header_blocks += header_blocks;
  if (kind_ == StreamKind::kUser) writer_.pacer().took(position - segment.used_blocks);
  segment.used_blocks = position;
  flight.end_block = position;
  flight.bytes = header_bytes + static_cast<uint64_t>(data_blocks) * kBlockBytes;
}

void LogStream::place_data(Flight& flight, std::byte*& copy_to, const Append& append) {
  const uint32_t blocks = append.entry.data_blocks();
  if (blocks == 0) return;
  const size_t bytes = static_cast<size_t>(blocks) * kBlockBytes;
  const bool aligned = reinterpret_cast<uintptr_t>(append.data) % kBlockBytes == 0;
  if (blocks > kCopiedBlocksMax && aligned) {
    flight.vectors.push_back({const_cast<std::byte*>(append.data), bytes});
    return;
  }
  std::memcpy(copy_to, append.data, bytes);
  iovec& last = flight.vectors.back();
  if (static_cast<std::byte*>(last.iov_base) + last.iov_len == copy_to)
    last.iov_len += bytes;
  else
    flight.vectors.push_back({copy_to, bytes});
  copy_to += bytes;
}

Task<void> LogStream::write(Flight* flight, uint64_t offset) {
  ++writer_.stats().device_writes;
  const Status status = co_await writer_.device().write_vectors(
      offset, flight->vectors, flight->bytes, !VARVE_MUTANT(kDropDsync));
  flight->result = status.code();
  flight->written = true;
  if (VARVE_MUTANT(kPublishOutOfOrder)) answer(flight->appends, flight->result, true);
  release();
}

void LogStream::release() {
  while (!flights_.empty() && flights_.front()->written) {
    const std::unique_ptr<Flight> flight = std::move(flights_.front());
    flights_.pop_front();
    if (flight->result != ErrorCode::kOk) writer_.fail();
    release_flight(*flight);
  }
  work_.wake_one();
}

void LogStream::release_flight(Flight& flight) {
  UnsealedSegment& segment = *flight.segment;
  const bool failed = writer_.failed();
  if (!failed) segment.durable_blocks = flight.end_block;
  if (!flight.batch && !failed)  // the slot's former content can no longer come back
    writer_.slots().at(segment.slot).data_sequences = segment.data_sequences;
  if (flight.batch) {
    --batches_in_flight_;
    if (!failed && kind_ == StreamKind::kUser) ++writer_.stats().user_batches;
    spare_buffers_.push_back(std::move(flight.buffer));
  }
  answer(flight.appends, failed ? ErrorCode::kIoError : ErrorCode::kOk, !failed);
  --segment.flights;
  seal_if_done(segment);
}

void LogStream::answer(AppendQueue& appends, ErrorCode result, bool publish) {
  while (!appends.empty()) {
    Append& append = appends.front();
    appends.pop_front();
    append.result = result;
    if (publish) writer_.sink().durable(kind_, append);
    append.done->count_down();
    ++answered_count_;
  }
  if (!answered_.empty()) answered_.wake_all();
}

Task<void> LogStream::drained() {
  const uint64_t target = appended_count_;
  while (answered_count_ < target) co_await answered_.wait();
}

void LogStream::fail_queue(ErrorCode result) {
  queued_blocks_ = 0;
  answer(queue_, result, false);
}

void LogStream::seal_if_done(UnsealedSegment& segment) {
  if (segment.full && segment.flights == 0) writer_.tasks().start(seal_segment(&segment));
}

Task<void> LogStream::seal_segment(UnsealedSegment* segment) {
  segment->full = false;  // sealing has begun: not a second time
  if (writer_.failed()) co_return;
  const Status status = co_await writer_.seal(*segment);
  if (!status.ok()) {
    writer_.fail();
    co_return;
  }
  const uint32_t slot = segment->slot;
  writer_.remove_unsealed(*segment);
  writer_.slots().set_sealed(slot);
}

AlignedBuffer LogStream::take_buffer() {
  if (spare_buffers_.empty()) {
    const uint32_t data_blocks = std::min(kBatchDataBlocksMax, writer_.geometry().slot_blocks());
    const size_t bytes = size_t{kBatchHeaderBlocksMax + data_blocks} * kBlockBytes;
    writer_.stats().buffer_bytes += bytes;
    return AlignedBuffer(bytes);
  }
  AlignedBuffer buffer = std::move(spare_buffers_.back());
  spare_buffers_.pop_back();
  return buffer;
}

Task<void> LogStream::stop(bool seal) {
  stopping_ = true;
  seal_at_stop_ = seal;
  work_.wake_one();
  while (!stopped_) co_await idle_.wait();
}

}  // namespace varve
