#include "core/tiering/sinker.h"

#include <algorithm>
#include <cstring>

#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/base/text.h"

namespace varve {
namespace {

constexpr uint32_t kPieceBlocks = 1024;  // 4 MiB: one write
constexpr size_t kReadsInFlight = 8;
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

Task<void> Sinker::read(Piece& piece) {
  TaskGroup reads(writer_.runtime().ready);
  const std::vector<ColdMove>& moves = piece.moves;
  for (size_t first = 0; first < moves.size();) {
    size_t end = first + 1;
    while (end < moves.size() && moves[end].from_slot == moves[end - 1].from_slot &&
           moves[end].from_position == moves[end - 1].from_position + 1)
      ++end;
    co_await reads.below(kReadsInFlight);
    reads.start(read_run(&piece, first, end - first));
    first = end;
  }
  co_await reads.done();
}

Task<void> Sinker::read_run(Piece* piece, size_t first, size_t count) {
  const ColdMove& from = piece->moves[first];
  const auto into = piece->buffer.span().subspan(first * kBlockBytes, count * kBlockBytes);
  const uint64_t offset = writer_.geometry().offset(from.from_slot, from.from_position);
  const Status status = co_await writer_.device().read(offset, into);
  std::vector<uint32_t> crcs(count);
  crc32c_blocks(into.data(), count, crcs.data());
  for (size_t i = first; i < first + count; ++i) {
    if (status.ok() && crcs[i - first] == piece->moves[i].crc)
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
