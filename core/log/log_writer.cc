#include "core/log/log_writer.h"

#include <algorithm>

#include "core/base/aligned_buffer.h"
#include "core/base/mutant.h"
#include "core/log/log_stream.h"

namespace varve {
LogWriter::LogWriter(Runtime& runtime, BlockDevice& device, const Geometry& geometry,
                     SlotTable& slots, DurableSink& sink, uint32_t batches_in_flight_max)
    : runtime_(runtime),
      device_(device),
      geometry_(geometry),
      slots_(slots),
      sink_(sink),
      batches_in_flight_max_(batches_in_flight_max),
      unsealed_removed_(runtime.ready),
      pacer_(runtime.clock),
      tasks_(runtime.ready) {
  streams_.push_back(std::make_unique<LogStream>(*this, StreamKind::kUser, uint8_t{0}));
  streams_.push_back(std::make_unique<LogStream>(*this, StreamKind::kCatalog, uint8_t{0}));
  for (uint8_t moves = 1; moves <= geometry.relocated_streams; ++moves)
    streams_.push_back(std::make_unique<LogStream>(*this, StreamKind::kRelocated, moves));
}

LogWriter::~LogWriter() = default;

uint32_t LogWriter::floor_slots(StreamKind stream) {
  switch (stream) {
    case StreamKind::kUser:
      return kRelocationReserveSlots + kCatalogReserveSlots;
    case StreamKind::kRelocated:
      return kCatalogReserveSlots;
    default:
      return 0;
  }
}

Task<Result<uint32_t>> LogWriter::acquire_slot(StreamKind stream, uint8_t moves) {
  // Room in every open list for one more segment of each stream.
  const uint32_t unsealed_max = kOpenSegmentsMax - geometry_.stream_count();
  while (true) {
    if (failed_) co_return ErrorCode::kIoError;
    if (unsealed_.size() >= unsealed_max) {
      co_await unsealed_removed_.wait();
      continue;
    }
    // The word is out of date: what is being sealed can be cleaned then, and the cleaner will say.
    if (cleaning_stalled_ && slots_.any_sealing()) cleaning_stalled_ = false;
    if (slots_.free_count() > floor_slots(stream)) {
      if (const auto slot = slots_.acquire(stream, moves)) co_return *slot;
    } else if (stream == StreamKind::kRelocated ||  // the cleaner must not wait for itself
               (cleaning_stalled_ && (!relief_ || !relief_()))) {
      co_return ErrorCode::kNoSpace;
    }
    slots_.changed().wake_all();
    co_await slots_.freed().wait();
  }
}

int64_t LogWriter::user_room_blocks() const {
  const auto dense = static_cast<int64_t>(geometry_.dense_blocks());
  const int64_t slots = int64_t{slots_.free_count()} - floor_slots(StreamKind::kUser);
  int64_t room = slots * dense + static_cast<int64_t>(slots_.reclaimed_blocks());
  for (const auto& stream : streams_)
    if (stream->kind() != StreamKind::kCatalog) room += stream->room_blocks();
  return room;
}

RoomRange LogWriter::room_range() const {
  const int64_t dense = geometry_.dense_blocks();
  return {.low = geometry_.held_back_slots() * dense, .high = geometry_.runway_slots() * dense};
}

Task<void> LogWriter::rest(uint64_t began_ns) {
  const uint64_t now_ns = runtime_.clock.monotonic_ns();
  // The read cache's share is for nobody else to fill.
  const int64_t share = int64_t{slots_.cache_share()} * geometry_.dense_blocks();
  const uint64_t rest_ns =
      SpacePacer::rest_ns(now_ns - began_ns, user_room_blocks() - share, room_range());
  const uint64_t end_ns = now_ns + rest_ns;
  // With no more slots free than that somebody waits for one, or will.
  while (slots_.free_count() > floor_slots(StreamKind::kUser) &&
         runtime_.clock.monotonic_ns() < end_ns)
    co_await slots_.changed().wait_until(runtime_.timers, end_ns);
}

void LogWriter::set_cleaning_stalled(bool stalled) {
  const bool news = stalled && !cleaning_stalled_;
  cleaning_stalled_ = stalled;
  // Only then: who waits for relief would wake the cleaner, and that them, for ever.
  if (news) slots_.freed().wake_all();
}

void LogWriter::fail() {
  if (!failed_) sink_.log_failed();
  failed_ = true;
  slots_.freed().wake_all();
  slots_.changed().wake_all();
  unsealed_removed_.wake_all();
}

OpenList LogWriter::open_list() const {
  OpenList list;
  for (const auto& segment : unsealed_) {
    if (segment->durable_blocks == 0) continue;
    if (list.count == kOpenSegmentsMax) break;  // only a recovery has so many, from a broken disk
    list.segments[list.count++] = {segment->slot, segment->generation, segment->durable_blocks, 0};
  }
  return list;
}

UnsealedSegment& LogWriter::add_unsealed(uint32_t slot) {
  auto segment = std::make_unique<UnsealedSegment>();
  segment->slot = slot;
  segment->generation = slots_.at(slot).generation;
  unsealed_.push_back(std::move(segment));
  return *unsealed_.back();
}

void LogWriter::remove_unsealed(UnsealedSegment& segment) {
  std::erase_if(unsealed_, [&](const auto& held) { return held.get() == &segment; });
  unsealed_removed_.wake_all();
}

Task<Status> LogWriter::seal(UnsealedSegment& segment) {
  Trailer trailer{.slot = segment.slot,
                  .generation = segment.generation,
                  .data_sequence_min = segment.data_sequences.volumes,
                  .sequence_max = segment.sequence_max,
                  .used_blocks = segment.used_blocks,
                  .open = open_list()};
  const uint32_t blocks = seal_blocks_for(static_cast<uint32_t>(segment.footer.entries.size()),
                                          static_cast<uint32_t>(segment.footer.crcs.size()));
  AlignedBuffer buffer(static_cast<size_t>(blocks) * kBlockBytes);
  encode_footer(trailer, segment.footer, geometry_.seed, buffer.span());
  const uint32_t start_block = geometry_.slot_blocks() - blocks;
  VARVE_CHECK(segment.used_blocks <= start_block);
  ++stats_.device_writes;
  stats_.footer_blocks += blocks;
  co_return co_await device_.write(geometry_.offset(segment.slot, start_block), buffer.span(),
                                   !VARVE_MUTANT(kDropDsync));
}

Task<void> LogWriter::stop() {
  co_await stream(StreamKind::kUser).stop(true);
  for (uint32_t moves = 1; moves <= geometry_.relocated_streams; ++moves)
    co_await relocated(moves).stop(true);
  co_await stream(StreamKind::kCatalog).stop(false);
  co_await tasks_.done();
}

}  // namespace varve
