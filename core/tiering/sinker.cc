#include "core/tiering/sinker.h"

#include <algorithm>
#include <cstring>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"

namespace varve {
namespace {

constexpr uint32_t kPieceBlocks = 1024;  // 4 MiB: one write
// What passes under an HDD's head in less than half the time of a seek.
constexpr int kColdGapBlocks = 128;
// From an SSD most are of a block or two, and what cleaning reads and writes at once is before
// them.
constexpr size_t kHotReadsInFlight = 64;
constexpr size_t kColdReadsInFlight = 4;
constexpr size_t kWritesInFlight = 2;
constexpr uint32_t kPublishedAtOnce = 256;

}  // namespace

Entry ColdMove::entry() const {
  return {.sequence = sequence,
          .volume = volume,
          .generation = generation,
          .group = group,
          .extent = static_cast<uint32_t>(block / kExtentBlocks),
          .offset = static_cast<uint16_t>(block % kExtentBlocks),
          .count = 1,
          .position = from_position};
}

Task<Status> Sinker::publish(uint32_t slot, const Content& content) {
  SlotTable& slots = writer_.slots();
  for (const Entry& entry : content.index.content().entries)
    slots.at(slot).data_sequences.add(entry);
  VARVE_CO_TRY(co_await indexes_.write(slot, content.encoded));
  co_await point(slot, content);
  slots.set_sealed(slot);
  co_return Status();
}

Task<Status> Sinker::copy(uint32_t slot, const std::vector<ColdMove>& moves, Content& content) {
  TaskGroup writes(writer_.runtime().ready);
  Status written;
  bool room = true;
  for (size_t at = 0; room && at < moves.size() && written.ok();) {
    Piece piece;
    for (; at < moves.size() && piece.moves.size() < kPieceBlocks; ++at)
      if (map_.live(moves[at].entry(), moves[at].from_slot, 0)) piece.moves.push_back(moves[at]);
    piece.read.resize(piece.moves.size());
    piece.buffer = AlignedBuffer(piece.moves.size() * kBlockBytes);
    co_await read(piece);
    const uint32_t position = content.index.block_count();
    uint32_t packed_blocks = 0;
    room = pack(piece, content, packed_blocks);
    if (packed_blocks == 0) continue;
    count_reclaimed(content);
    co_await writes.below(kWritesInFlight);
    writes.start(write(slot, position, std::move(piece.buffer), packed_blocks, &written));
  }
  co_await writes.done();
  if (!written.ok()) co_return written;
  const uint32_t generation = writer_.slots().at(slot).generation;
  content.encoded = indexes_.encode(slot, generation, content.index.content());
  VARVE_CO_TRY(co_await indexes_.write_copy(slot, content.encoded));
  co_return co_await writer_.device().flush(writer_.geometry().offset(slot, 0));
}

// Slots of the SSD only: those of HDDs are no room for writers.
void Sinker::count_reclaimed(Content& content) {
  SlotTable& slots = writer_.slots();
  for (; content.counted < content.moves.size(); ++content.counted)
    ++content.copied_blocks[content.moves[content.counted].from_slot];
  for (const auto& [slot, copied_blocks] : content.copied_blocks) {
    if (writer_.geometry().is_cold(slot)) continue;
    const uint64_t live_blocks = std::max(slots.at(slot).live_blocks, copied_blocks);
    const uint64_t all = uint64_t{writer_.geometry().dense_blocks()} * copied_blocks;
    slots.set_reclaimed(slot, static_cast<uint32_t>(all / live_blocks));
  }
}

// Whether a read that goes on to `next` costs less than another one.
bool Sinker::reads_on(const ColdMove& from, const ColdMove& last, const ColdMove& next) const {
  if (next.from_slot != from.from_slot || next.from_position <= last.from_position) return false;
  const int gap_max = writer_.geometry().is_cold(from.from_slot) ? kColdGapBlocks : 0;
  return next.from_position - last.from_position <= gap_max + 1 &&
         next.from_position - from.from_position < static_cast<int>(kPieceBlocks);
}

Task<void> Sinker::read(Piece& piece) {
  TaskGroup reads(writer_.runtime().ready);
  const std::vector<ColdMove>& moves = piece.moves;
  for (size_t first = 0; first < moves.size();) {
    size_t end = first + 1;
    while (end < moves.size() && reads_on(moves[first], moves[end - 1], moves[end])) ++end;
    const bool cold = writer_.geometry().is_cold(moves[first].from_slot);
    co_await reads.below(cold ? kColdReadsInFlight : kHotReadsInFlight);
    reads.start(read_run(&piece, first, end - first));
    first = end;
  }
  co_await reads.done();
}

Task<void> Sinker::read_run(Piece* piece, size_t first, size_t count) {
  const ColdMove& from = piece->moves[first];
  const size_t blocks = piece->moves[first + count - 1].from_position - from.from_position + 1u;
  AlignedBuffer with_gaps;
  if (blocks > count) with_gaps = AlignedBuffer(blocks * kBlockBytes);
  const auto into = blocks > count
                        ? with_gaps.span()
                        : piece->buffer.span().subspan(first * kBlockBytes, count * kBlockBytes);
  const uint64_t offset = writer_.geometry().offset(from.from_slot, from.from_position);
  const Status status = co_await writer_.device().read(offset, into);
  for (size_t i = first; i < first + count; ++i) {
    const size_t at = piece->moves[i].from_position - from.from_position;
    const auto block = into.subspan(at * kBlockBytes, kBlockBytes);
    std::byte* const to = piece->buffer.data() + i * kBlockBytes;
    if (block.data() != to) std::memcpy(to, block.data(), kBlockBytes);
    if (status.ok() && crc32c(block) == piece->moves[i].crc)
      piece->read[i] = Read::kGood;
    else
      co_await read_again(*piece, i);
  }
}

Task<void> Sinker::read_again(Piece& piece, size_t i) {
  const ColdMove& move = piece.moves[i];
  const uint64_t offset = writer_.geometry().offset(move.from_slot, move.from_position);
  const auto into = piece.buffer.span().subspan(i * kBlockBytes, kBlockBytes);
  const Status status = co_await writer_.device().read(offset, into);
  if (!status.ok()) {
    writer_.slots().at(move.from_slot).uncleanable = true;
    log_error("tiering", text("the device cannot read block ", move.block, " of volume ",
                              move.volume, " in slot ", move.from_slot,
                              ": the slot is kept until that block is overwritten or trimmed"));
    co_return;
  }
  piece.read[i] = crc32c(into) == move.crc ? Read::kGood : Read::kBad;
  if (piece.read[i] == Read::kBad)
    log_error("tiering", text("block ", move.block, " of volume ", move.volume,
                              " is damaged in slot ", move.from_slot));
}

bool Sinker::pack(Piece& piece, Content& content, uint32_t& packed_blocks) {
  for (size_t i = 0; i < piece.moves.size(); ++i) {
    if (piece.read[i] == Read::kBad) content.bad.push_back(piece.moves[i]);
    if (piece.read[i] != Read::kGood) continue;
    if (!content.index.add(piece.moves[i].entry(), piece.moves[i].crc)) return false;
    content.moves.push_back(piece.moves[i]);
    std::byte* const to = piece.buffer.data() + static_cast<size_t>(packed_blocks) * kBlockBytes;
    const std::byte* const from = piece.buffer.data() + i * kBlockBytes;
    if (to != from) std::memmove(to, from, kBlockBytes);
    ++packed_blocks;
  }
  return true;
}

Task<void> Sinker::write(uint32_t slot, uint32_t position, AlignedBuffer buffer, uint32_t blocks,
                         Status* status) {
  const auto bytes = buffer.span().first(static_cast<size_t>(blocks) * kBlockBytes);
  const Status mine = co_await writer_.device().write(writer_.geometry().offset(slot, position),
                                                      bytes, /*durable=*/false);
  if (!mine.ok()) *status = mine;
}

Task<void> Sinker::point(uint32_t slot, const Content& content) {
  for (uint32_t i = 0; i < content.moves.size(); ++i) {
    const ColdMove& move = content.moves[i];
    Append moved;
    moved.entry = move.entry();
    moved.entry.position = static_cast<uint16_t>(i);
    moved.crcs = &move.crc;
    moved.from_slot = move.from_slot;
    moved.from_position = move.from_position;
    moved.slot = slot;
    map_.relocate(moved);
    ++sunk_blocks_;
    // Others in between: a slot of an HDD has many blocks.
    if (i % kPublishedAtOnce == kPublishedAtOnce - 1) co_await writer_.runtime().ready.yield();
  }
}

}  // namespace varve
