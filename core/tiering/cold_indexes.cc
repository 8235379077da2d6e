#include "core/tiering/cold_indexes.h"

#include <algorithm>

#include "core/base/aligned_buffer.h"
#include "core/base/text.h"
#include "core/log/log_stream.h"

namespace varve {
namespace {

Status damaged(uint32_t slot, std::string_view why) {
  return {ErrorCode::kDamaged,
          text("the index of the HDDs' slot ", slot, " ", why, ": what the slot holds is unknown")};
}

}  // namespace

bool ColdIndexes::in_force(uint32_t slot) const {
  const BlockState first = map_.get(kIndexVolume, writer_.geometry().index_block(slot));
  return !reads_as_zeroes(first.kind);
}

Append ColdIndexes::make_append(uint64_t block, uint32_t count, EntryOp op) {
  Append append;
  append.entry = {.sequence = next_sequence_++,
                  .volume = static_cast<uint32_t>(kIndexVolume),
                  .extent = static_cast<uint32_t>(block / kExtentBlocks),
                  .offset = static_cast<uint16_t>(block % kExtentBlocks),
                  .count = static_cast<uint16_t>(count),
                  .op = op};
  append.from_slot = kNoSlot;
  return append;
}

Task<Status> ColdIndexes::append_all(std::vector<Append>& appends) {
  // Where what lives longest is; it may take the room that cleaning leaves itself, as the slots
  // that are won back by this are more.
  LogStream& stream = writer_.relocated(writer_.geometry().relocated_streams);
  Latch done(writer_.runtime().ready, appends.size());
  for (Append& append : appends) {
    append.done = &done;
    stream.append(append);
  }
  co_await done;
  for (const Append& append : appends)
    if (append.result != ErrorCode::kOk) co_return append.result;
  co_return Status();
}

Task<Status> ColdIndexes::write_blocks(uint64_t first, uint32_t begin, uint32_t end,
                                       const std::byte* bytes, const uint32_t* crcs) {
  std::vector<Append> appends;
  const uint32_t piece_max = writer_.geometry().append_blocks_max();
  for (uint32_t at = begin; at < end;) {
    const uint32_t count = std::min(piece_max, end - at);
    Append& append = appends.emplace_back(make_append(first + at, count, EntryOp::kData));
    append.data = bytes + static_cast<size_t>(at) * kBlockBytes;
    append.crcs = crcs + at;
    at += count;
  }
  if (appends.empty()) co_return Status();
  co_return co_await append_all(appends);
}

Task<Status> ColdIndexes::write(uint32_t slot, uint32_t generation, const Footer& content) {
  const Geometry& geometry = writer_.geometry();
  const std::vector<std::byte> encoded =
      encode_cold_index(slot, generation, content, geometry.seed);
  const auto count = static_cast<uint32_t>(encoded.size() / kBlockBytes);
  VARVE_CHECK(count <= cold_index_blocks_max(geometry.cold_slot_blocks()));
  AlignedBuffer bytes(encoded.size());
  std::copy(encoded.begin(), encoded.end(), bytes.data());
  std::vector<uint32_t> crcs(count);
  crc32c_blocks(bytes.data(), count, crcs.data());
  const uint64_t first = geometry.index_block(slot);
  VARVE_CO_TRY(co_await write_blocks(first, 1, count, bytes.data(), crcs.data()));
  co_return co_await write_blocks(first, 0, 1, bytes.data(), crcs.data());
}

Task<Status> ColdIndexes::erase(uint32_t slot) {
  const Geometry& geometry = writer_.geometry();
  const uint64_t first = geometry.index_block(slot);
  uint32_t count = 0;
  for (uint32_t i = 0; i < cold_index_stride(geometry.cold_slot_blocks()); ++i)
    if (!reads_as_zeroes(map_.get(kIndexVolume, first + i).kind)) count = i + 1;
  if (count == 0) co_return Status();
  std::vector<Append> appends{make_append(first, count, EntryOp::kZero)};
  co_return co_await append_all(appends);
}

Task<Status> ColdIndexes::read_blocks(uint64_t first, std::span<std::byte> into) {
  for (size_t at = 0; at < into.size(); at += kBlockBytes) {
    const auto block = into.subspan(at, kBlockBytes);
    // Looked up each time: the cleaner may have moved it.
    const BlockState state = map_.get(kIndexVolume, first + at / kBlockBytes);
    if (state.kind != BlockKind::kData) co_return ErrorCode::kDamaged;
    writer_.slots().pin(state.slot);
    const uint64_t offset = writer_.geometry().offset(state.slot, state.position);
    Status status = co_await writer_.device().read(offset, block);
    writer_.slots().unpin(state.slot);
    if (status.ok() && crc32c(block) != state.crc) status = ErrorCode::kDamaged;
    if (!status.ok()) co_return status;
  }
  co_return Status();
}

Task<Result<std::optional<ColdIndex>>> ColdIndexes::read(uint32_t slot) {
  using Found = std::optional<ColdIndex>;
  if (!in_force(slot)) co_return Found();
  const Geometry& geometry = writer_.geometry();
  const uint32_t slot_blocks = geometry.cold_slot_blocks();
  const uint64_t first = geometry.index_block(slot);
  AlignedBuffer bytes(static_cast<size_t>(cold_index_blocks_max(slot_blocks)) * kBlockBytes);
  Status status = co_await read_blocks(first, bytes.span().first(kBlockBytes));
  if (!status.ok()) co_return damaged(slot, "cannot be read");
  const auto blocks = cold_index_blocks(bytes.span(), slot, slot_blocks);
  if (!blocks) co_return damaged(slot, "makes no sense");
  const size_t length = static_cast<size_t>(*blocks) * kBlockBytes;
  status = co_await read_blocks(first + 1, bytes.span().subspan(kBlockBytes, length - kBlockBytes));
  if (!status.ok()) co_return damaged(slot, "cannot be read");
  Found index = decode_cold_index(bytes.span().first(length), geometry.seed, slot, slot_blocks);
  if (!index) co_return damaged(slot, "is damaged");
  co_return index;
}

}  // namespace varve
