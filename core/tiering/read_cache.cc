#include "core/tiering/read_cache.h"

#include <algorithm>
#include <cstring>

#include "core/base/log.h"
#include "core/base/mutant.h"

namespace varve {
namespace {

constexpr uint32_t kPieceBlocksMax = 256;  // 1 MiB
constexpr uint32_t kSequentialBlocks = 256;
constexpr size_t kRememberedMin = 1024;

uint64_t hash_of(const ColdPlace& place) {
  uint64_t hash = (uint64_t{place.slot} << 16 | place.position) * 0x9e3779b97f4a7c15;
  hash = (hash ^ (hash >> 32) ^ place.generation) * 0xd6e8feb86659fd93;
  return hash ^ (hash >> 32);
}

}  // namespace

ReadCache::ReadCache(LogWriter& writer)
    : writer_(writer),
      index_(writer.geometry().slot_count, writer.geometry().slot_blocks()),
      piece_blocks_(std::clamp(writer.geometry().slot_blocks() / 8, 1u, kPieceBlocksMax)),
      tasks_(writer.runtime().ready) {
  writer_.slots().set_lent_taken([this](uint32_t slot) { slot_taken(slot); });
}

ReadCache::~ReadCache() = default;

Task<void> ReadCache::stop() {
  stopping_ = true;
  co_await tasks_.done();
}

bool ReadCache::note(const ColdPlace& first, uint32_t count) {
  Stream* stream = &streams_[0];
  for (Stream& known : streams_) {
    if (known.blocks > 0 && known.slot == first.slot && known.next_position == first.position) {
      stream = &known;
      break;
    }
    if (known.used < stream->used) stream = &known;
  }
  const bool goes_on =
      stream->blocks > 0 && stream->slot == first.slot && stream->next_position == first.position;
  *stream = {first.slot, first.position + count, count + (goes_on ? stream->blocks : 0), ++reads_};
  return stream->blocks >= kSequentialBlocks;
}

bool ReadCache::in_memory(const CachePlace& place) const {
  return place.slot == slot_ && place.position >= gathered_first_ &&
         place.position < gathered_first_ + gathered_;
}

bool ReadCache::find(const ColdPlace& first, uint32_t count, std::byte* out,
                     std::vector<Piece>& pieces) {
  if (index_.block_count() == 0) return false;
  for (uint32_t i = 0; i < count; ++i) {
    const std::optional<CachePlace> found = index_.find(first + i);
    if (!found) return false;
    std::byte* const to = out + size_t{i} * kBlockBytes;
    Piece* const last = pieces.empty() ? nullptr : &pieces.back();
    const bool joins = last != nullptr && last->first.slot == found->slot &&
                       last->first.position + last->count == found->position &&
                       last->out + size_t{last->count} * kBlockBytes == to;
    if (in_memory(*found))
      std::memcpy(to, buffer_.data() + size_t{found->position - gathered_first_} * kBlockBytes,
                  kBlockBytes);
    else if (joins)
      ++last->count;
    else
      pieces.push_back({*found, 1, to});
  }
  for (const Piece& piece : pieces) writer_.slots().pin(piece.first.slot);
  return true;
}

Task<void> ReadCache::read_piece(Piece piece, bool* good) {
  const std::span<std::byte> into(piece.out, size_t{piece.count} * kBlockBytes);
  const uint64_t offset = writer_.geometry().offset(piece.first.slot, piece.first.position);
  const Status status = co_await writer_.device().read(offset, into);
  writer_.slots().unpin(piece.first.slot);
  if (!status.ok()) *good = false;
}

Task<bool> ReadCache::read(ColdPlace first, uint32_t count, std::byte* out) {
  std::vector<Piece> pieces;
  if (!find(first, count, out, pieces)) co_return false;
  bool good = true;
  TaskGroup reads(writer_.runtime().ready);
  for (const Piece& piece : pieces) reads.start(read_piece(piece, &good));
  co_await reads.done();
  // What the SSD cannot read is not tried again.
  for (uint32_t i = 0; i < count && !good; ++i) drop(first + i);
  co_return good;
}

void ReadCache::drop(const ColdPlace& place) {
  ++stats_.bad_blocks;
  index_.erase(place);
}

bool ReadCache::may_grow() const {
  if (!writer_.slots().may_lend(LogWriter::floor_slots(StreamKind::kUser))) return false;
  // The fingerprints may be doubled.
  const uint64_t more =
      index_.slot_bytes_max() + std::max(remembered_.size(), kRememberedMin) * sizeof(uint32_t);
  return !memory_room_ || memory_bytes() + more <= memory_room_();
}

bool ReadCache::lets_in(const ColdPlace& place) {
  if (may_grow()) return true;
  if (remembered_.empty()) return false;
  const uint64_t hash = hash_of(place);
  uint32_t& held = remembered_[hash & (remembered_.size() - 1)];
  const auto fingerprint = static_cast<uint32_t>(hash >> 32);
  if (held == fingerprint) return true;
  held = fingerprint;
  return false;
}

void ReadCache::remember(const ColdPlace& place) {
  const uint64_t hash = hash_of(place);
  remembered_[hash & (remembered_.size() - 1)] = static_cast<uint32_t>(hash >> 32);
}

void ReadCache::fill(const ColdPlace& first, uint32_t count, const std::byte* data, bool bypass) {
  stats_.missed_blocks += count;
  if (bypass) {
    stats_.bypassed_blocks += count;
    return;
  }
  for (uint32_t i = 0; i < count; ++i) {
    const ColdPlace place = first + i;
    // Another read may have brought it in meanwhile.
    if (index_.find(place) || !lets_in(place)) continue;
    if (add(place, data + size_t{i} * kBlockBytes)) ++stats_.filled_blocks;
  }
}

bool ReadCache::add(const ColdPlace& place, const std::byte* data) {
  if (busy_ || stopping_ || writer_.failed()) return false;
  if (slot_ == kNoSlot) {
    tasks_.start(advance());
    return false;
  }
  std::memcpy(buffer_.data() + size_t{gathered_} * kBlockBytes, data, kBlockBytes);
  index_.insert(place, {slot_, gathered_first_ + gathered_});
  ++gathered_;
  // The last block of a slot is where a footer would end: nobody's bytes are to stand there.
  const uint32_t end = writer_.geometry().slot_blocks() - 1;
  if (gathered_ == std::min(piece_blocks_, end - gathered_first_)) tasks_.start(advance());
  return true;
}

Task<void> ReadCache::advance() {
  busy_ = true;
  bool good = true;
  if (gathered_ > 0) good = co_await write_gathered();
  if (good && slot_ == kNoSlot && !stopping_) co_await take_slot();
  busy_ = false;
}

Task<bool> ReadCache::write_gathered() {
  const uint32_t slot = slot_;
  writer_.slots().pin(slot);  // so that no stream takes it
  ++writer_.stats().device_writes;
  const auto bytes = buffer_.span().first(size_t{gathered_} * kBlockBytes);
  const uint64_t offset = writer_.geometry().offset(slot, gathered_first_);
  const Status status = co_await writer_.device().write(offset, bytes, /*durable=*/false);
  gathered_first_ += gathered_;
  gathered_ = 0;
  if (gathered_first_ + 1 >= writer_.geometry().slot_blocks()) slot_ = kNoSlot;
  if (!status.ok()) {
    if (writer_.slots().at(slot).lent) give_up_slot(slot);
    write_failed();
  }
  writer_.slots().unpin(slot);
  co_return status.ok();
}

Task<bool> ReadCache::take_slot() {
  SlotTable& slots = writer_.slots();
  if (!may_grow() && !lent_.empty()) give_up_slot(lent_.front());
  if (!may_grow()) co_return false;
  const std::optional<uint32_t> slot = slots.lend(index_.slots_end());
  if (!slot) co_return false;
  slots.pin(*slot);
  const Status status = co_await write_header(*slot);
  slots.unpin(*slot);
  // A stream may have wanted it meanwhile.
  const bool lent = slots.at(*slot).lent;
  if (!status.ok()) {
    if (lent) slots.take_back(*slot);
    write_failed();
  }
  if (!status.ok() || !lent) co_return false;
  // The slot's former content can no longer come back.
  slots.at(*slot).data_sequences = {};
  index_.add_slot(*slot);
  lent_.push_back(*slot);
  if (buffer_.size() == 0) buffer_ = AlignedBuffer(size_t{piece_blocks_} * kBlockBytes);
  fit_remembered();
  slot_ = *slot;
  gathered_first_ = 1;  // behind the header
  gathered_ = 0;
  co_return true;
}

Task<Status> ReadCache::write_header(uint32_t slot) {
  AlignedBuffer block(kBlockBytes);
  const SegmentHeader header{.slot = slot,
                             .generation = writer_.slots().at(slot).generation,
                             .stream = StreamKind::kFree,
                             .open = writer_.open_list()};
  encode_segment_header(header, writer_.geometry().seed, block.span());
  ++writer_.stats().header_blocks;
  ++writer_.stats().device_writes;
  co_return co_await writer_.device().write(writer_.geometry().offset(slot, 0), block.span(),
                                            /*durable=*/true);
}

// As many as half the blocks that the cache has room for, up to twice as many.
void ReadCache::fit_remembered() {
  size_t wanted = std::max(remembered_.size(), kRememberedMin);
  if (index_.room_blocks() == 0) wanted = 0;
  if (wanted * 2 <= index_.room_blocks()) wanted *= 2;
  if (wanted > kRememberedMin && wanted > 2 * index_.room_blocks()) wanted /= 2;
  if (wanted == remembered_.size()) return;
  remembered_.resize(wanted);
  remembered_.shrink_to_fit();
}

void ReadCache::shrink(uint64_t memory_bytes_max) {
  while (!lent_.empty() && memory_bytes() > memory_bytes_max) give_up_slot(lent_.front());
}

ReadCacheStats ReadCache::stats() const {
  ReadCacheStats stats = stats_;
  stats.held_blocks = index_.block_count();
  stats.room_blocks = index_.room_blocks();
  stats.memory_bytes = memory_bytes();
  return stats;
}

// Nothing was lost; but what comes next is the log's.
void ReadCache::write_failed() {
  log_error("tiering", "the SSD failed a write of the read cache");
  writer_.fail();
}

void ReadCache::give_up_slot(uint32_t slot) {
  writer_.slots().take_back(slot);
  slot_taken(slot);
}

void ReadCache::slot_taken(uint32_t slot) {
  if (VARVE_MUTANT(kKeepTakenCacheSlot)) return;
  if (std::erase(lent_, slot) == 0) return;  // its header is on its way: take_slot() will see it
  for (const ColdPlace& place : index_.drop_slot(slot)) remember(place);
  fit_remembered();
  if (slot != slot_) return;
  slot_ = kNoSlot;
  gathered_ = 0;
}

}  // namespace varve
