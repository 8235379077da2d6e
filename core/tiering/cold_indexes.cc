#include "core/tiering/cold_indexes.h"

#include <algorithm>

#include "core/base/log.h"
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

LogStream& ColdIndexes::stream() const {
  // Where what lives longest is; it may take the room that cleaning leaves itself, as the slots
  // that are won back by this are more.
  return writer_.relocated(writer_.geometry().relocated_streams);
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
  co_return co_await stream().append_all(appends);
}

AlignedBuffer ColdIndexes::encode(uint32_t slot, uint32_t generation, const Footer& content) const {
  const Geometry& geometry = writer_.geometry();
  const std::vector<std::byte> encoded =
      encode_cold_index(slot, generation, content, geometry.seed);
  VARVE_CHECK(encoded.size() / kBlockBytes <= cold_index_blocks_max(geometry.cold_slot_blocks()));
  AlignedBuffer bytes(encoded.size());
  std::copy(encoded.begin(), encoded.end(), bytes.data());
  return bytes;
}

Task<Status> ColdIndexes::write_copy(uint32_t slot, const AlignedBuffer& index) {
  const Geometry& geometry = writer_.geometry();
  const uint64_t offset = geometry.offset(slot, geometry.cold_data_blocks());
  co_return co_await writer_.device().write(offset, index.span(), /*durable=*/false);
}

Task<Status> ColdIndexes::write(uint32_t slot, const AlignedBuffer& index) {
  const auto count = static_cast<uint32_t>(index.size() / kBlockBytes);
  std::vector<uint32_t> crcs(count);
  crc32c_blocks(index.data(), count, crcs.data());
  const uint64_t first = writer_.geometry().index_block(slot);
  lost_.erase(slot);
  VARVE_CO_TRY(co_await write_blocks(first, 1, count, index.data(), crcs.data()));
  co_return co_await write_blocks(first, 0, 1, index.data(), crcs.data());
}

Task<Status> ColdIndexes::erase(uint32_t slot) {
  const Geometry& geometry = writer_.geometry();
  const uint64_t first = geometry.index_block(slot);
  uint32_t count = 0;
  for (uint32_t i = 0; i < cold_index_stride(geometry.cold_slot_blocks()); ++i)
    if (!reads_as_zeroes(map_.get(kIndexVolume, first + i).kind)) count = i + 1;
  if (count == 0) co_return Status();
  std::vector<Append> appends{make_append(first, count, EntryOp::kZero)};
  co_return co_await stream().append_all(appends);
}

Task<Status> ColdIndexes::read_run(const BlockState& first, std::span<std::byte> into) {
  writer_.slots().pin(first.slot);
  const uint64_t offset = writer_.geometry().offset(first.slot, first.position);
  const Status status = co_await writer_.device().read(offset, into);
  writer_.slots().unpin(first.slot);
  co_return status;
}

Task<Status> ColdIndexes::read_blocks(uint64_t first, std::span<std::byte> into) {
  const size_t count = into.size() / kBlockBytes;
  std::vector<uint32_t> crcs;
  for (size_t at = 0; at < count;) {
    // Looked up each time: the cleaner may have moved what comes next.
    const BlockState state = map_.get(kIndexVolume, first + at);
    BlockState next = state;
    crcs.clear();
    while (at + crcs.size() < count && next.kind == BlockKind::kData && next.slot == state.slot &&
           next.position == state.position + crcs.size()) {
      crcs.push_back(next.crc);
      next = map_.get(kIndexVolume, first + at + crcs.size());
    }
    if (crcs.empty()) co_return ErrorCode::kDamaged;
    const auto run = into.subspan(at * kBlockBytes, crcs.size() * kBlockBytes);
    VARVE_CO_TRY(co_await read_run(state, run));
    std::vector<uint32_t> actual(crcs.size());
    crc32c_blocks(run.data(), actual.size(), actual.data());
    if (actual != crcs) co_return ErrorCode::kDamaged;
    at += crcs.size();
  }
  co_return Status();
}

Task<Result<ColdIndexes::Found>> ColdIndexes::read_log(uint32_t slot) {
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

Task<Result<ColdIndexes::Found>> ColdIndexes::read_copy(uint32_t slot) {
  const Geometry& geometry = writer_.geometry();
  const uint32_t slot_blocks = geometry.cold_slot_blocks();
  AlignedBuffer bytes(static_cast<size_t>(cold_index_blocks_max(slot_blocks)) * kBlockBytes);
  const uint64_t offset = geometry.offset(slot, geometry.cold_data_blocks());
  const Status status = co_await writer_.device().read(offset, bytes.span());
  if (!status.ok()) co_return status;
  Found index = decode_cold_index(bytes.span(), geometry.seed, slot, slot_blocks);
  if (!index) co_return ErrorCode::kDamaged;
  co_return index;
}

Task<Result<ColdIndexes::Found>> ColdIndexes::read(uint32_t slot) {
  if (!in_force(slot)) co_return Found();
  Result<Found> index = co_await read_log(slot);
  if (index.ok()) co_return index;
  Result<Found> copy = co_await read_copy(slot);
  if (!copy.ok()) co_return index;
  log_warn("tiering", text("the index of the HDDs' slot ", slot,
                           " is damaged on the SSD; its copy is good, and is used"));
  note_damage(writer_.geometry().index_block(slot));
  co_return copy;
}

void ColdIndexes::note_damage(uint64_t block) {
  const Geometry& geometry = writer_.geometry();
  const uint64_t stride = cold_index_stride(geometry.cold_slot_blocks());
  const auto slot = geometry.slot_count + static_cast<uint32_t>(block / stride);
  if (std::find(damaged_.begin(), damaged_.end(), slot) == damaged_.end()) damaged_.push_back(slot);
  writer_.slots().changed().wake_all();
}

size_t ColdIndexes::lost_count() const {
  return static_cast<size_t>(
      std::count_if(lost_.begin(), lost_.end(), [this](uint32_t slot) { return in_force(slot); }));
}

Task<Status> ColdIndexes::mend() {
  while (!damaged_.empty()) {
    const uint32_t slot = damaged_.back();
    damaged_.pop_back();
    if (!in_force(slot)) continue;
    const Result<Found> copy = co_await read_copy(slot);
    if (!copy.ok()) {  // who reads it next says so again
      lost_.insert(slot);
      continue;
    }
    const AlignedBuffer index = encode(slot, (*copy)->generation, (*copy)->content);
    const Status status = co_await write(slot, index);
    if (status.ok()) continue;
    damaged_.push_back(slot);
    co_return status;
  }
  co_return Status();
}

}  // namespace varve
