#include "core/volume/volume.h"

#include <array>
#include <cstring>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/runtime/task_group.h"
#include "core/volume/limits.h"

namespace varve {
namespace {

// One CRC per block of a piece, unless the backend makes them; small pieces need no memory of their
// own.
class BlockCrcs {
 public:
  BlockCrcs(const BlockBackend& backend, const std::byte* data, uint64_t block_count) {
    if (backend.makes_crcs()) return;
    if (block_count > few_.size()) many_.resize(block_count);
    crc32c_blocks(data, block_count, many_.empty() ? few_.data() : many_.data());
  }
  const uint32_t* data() const { return many_.empty() ? few_.data() : many_.data(); }

 private:
  std::array<uint32_t, 16> few_;
  std::vector<uint32_t> many_;
};

bool is_aligned(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory) % kBlockBytes == 0;
}

Task<Status> answer(Status status) {
  co_return status;
}

}  // namespace

Task<Status> Volume::read(uint64_t offset, std::span<std::byte> into) {
  return start({Kind::kRead, offset, into.size(), into.data()});
}

Task<Status> Volume::write(uint64_t offset, std::span<const std::byte> from) {
  return start({Kind::kWrite, offset, from.size(), const_cast<std::byte*>(from.data())});
}

Task<Status> Volume::trim(uint64_t offset, uint64_t bytes) {
  if (!contains(offset, bytes)) return answer(ErrorCode::kInvalidArgument);
  const uint64_t first = round_up(offset, kBlockBytes);
  const uint64_t end = (offset + bytes) / kBlockBytes * kBlockBytes;
  return start({Kind::kTrim, first, end > first ? end - first : 0, nullptr});
}

Task<Status> Volume::write_zeroes(uint64_t offset, uint64_t bytes) {
  return start({Kind::kZero, offset, bytes, nullptr});
}

Task<Status> Volume::block_status(uint64_t offset, uint64_t bytes, size_t run_count_max,
                                  std::vector<ByteRun>* runs) const {
  if (!contains(offset, bytes)) co_return ErrorCode::kInvalidArgument;
  const size_t before = runs->size();
  const uint64_t end = offset + bytes;
  std::vector<BlockStatusRun> found;
  while (offset < end) {
    // An extent at a time: a short answer must not cost a walk over the whole range.
    const uint64_t stop = std::min(end, (offset / kExtentBytes + 1) * kExtentBytes);
    found.clear();
    const Piece piece{offset, stop - offset};
    Status status = co_await share_->backend->block_status(piece.blocks(), &found);
    if (!status.ok()) co_return status;
    uint64_t block_end = offset / kBlockBytes * kBlockBytes;
    for (const BlockStatusRun& run : found) {
      block_end += run.block_count * kBlockBytes;
      const uint64_t run_bytes = std::min(block_end, stop) - offset;
      offset += run_bytes;
      if (runs->size() > before && runs->back().data == run.data) {
        runs->back().bytes += run_bytes;
        continue;
      }
      if (runs->size() - before == run_count_max) co_return Status();
      runs->push_back({run_bytes, run.data});
    }
    // The runs may come from another node.
    if (offset != stop) co_return Status(ErrorCode::kIoError, "block status does not add up");
  }
  co_return Status();
}

void Volume::close() {
  closed_ = true;
  share_->backend->wake_space_waiters();
}

Task<Status> Volume::start(Request request) {
  if (!contains(request.offset, request.bytes)) return answer(ErrorCode::kInvalidArgument);
  if (read_only_ && request.kind != Kind::kRead) return answer(ErrorCode::kInvalidArgument);
  if (request.bytes == 0) return answer({});
  const Piece first = first_piece(request.offset, request.offset + request.bytes, kPieceBytesMax);
  return first.bytes == request.bytes ? run_piece(request, first) : run_pieces(request);
}

Task<Status> Volume::run_pieces(Request request) {
  TaskGroup running(share_->runtime.ready);
  Status first_error;
  const uint64_t end = request.offset + request.bytes;
  // A trim moves no data: it is cut at extents only.
  const bool moves_data = request.kind == Kind::kRead || request.kind == Kind::kWrite;
  const uint64_t piece_bytes_max = moves_data ? kPieceBytesMax : kExtentBytes;
  for (uint64_t offset = request.offset; offset < end && first_error.ok();) {
    const Piece piece = first_piece(offset, end, piece_bytes_max);
    running.start(run_into(request, piece, &first_error));
    offset += piece.bytes;
    co_await running.below(kPiecesInFlightMax);
  }
  co_await running.done();
  co_return first_error;
}

Task<void> Volume::run_into(Request request, Piece piece, Status* first_error) {
  Status status = co_await run_piece(request, piece);
  if (first_error->ok()) *first_error = std::move(status);
}

Task<Status> Volume::run_piece(const Request& request, Piece piece) {
  std::byte* memory = request.memory + (piece.offset - request.offset);
  switch (request.kind) {
    case Kind::kRead:
      return piece.partial() || !is_aligned(memory) ? read_copied(piece, memory)
                                                    : read_straight(piece, memory);
    case Kind::kWrite:
      return piece.partial() ? write_partial(piece, memory) : write_whole(piece, memory);
    case Kind::kTrim:
      return trim_whole(piece);
    case Kind::kZero:
      return piece.partial() ? write_partial(piece, nullptr) : trim_whole(piece);
  }
  VARVE_CHECK(false);
}

Task<Status> Volume::read_straight(Piece piece, std::byte* into) {
  return share_->backend->read(piece.blocks(), into);
}

Task<Status> Volume::read_copied(Piece piece, std::byte* into) {
  const BlockRange blocks = piece.blocks();
  AlignedBuffer copy(blocks.count * kBlockBytes);
  Status status = co_await share_->backend->read(blocks, copy.data());
  if (status.ok()) std::memcpy(into, copy.data() + piece.offset % kBlockBytes, piece.bytes);
  co_return status;
}

Task<Status> Volume::write_whole(Piece piece, const std::byte* from) {
  const BlockRange blocks = piece.blocks();
  const BlockCrcs crcs(*share_->backend, from, blocks.count);
  while (true) {
    Status status;
    {
      BlockLocks::Hold hold(share_->locks, blocks, BlockLocks::Mode::kShared);
      co_await hold;
      status = co_await share_->backend->write(blocks, from, crcs.data());
    }
    // No hold while it waits for space: a trim of the same blocks may be what frees it.
    if (status.code() != ErrorCode::kNoSpace) co_return status;
    const bool again = co_await space_awaited();
    if (!again) co_return ErrorCode::kClosed;
  }
}

Task<Status> Volume::write_partial(Piece piece, const std::byte* from) {
  AlignedBuffer block(kBlockBytes);
  while (true) {
    Status status = co_await merge_block(piece, from, block.data());
    if (status.code() != ErrorCode::kNoSpace) co_return status;
    const bool again = co_await space_awaited();
    if (!again) co_return ErrorCode::kClosed;
  }
}

// Reads the block of a partial piece, puts the piece's bytes in (zeroes when `from` is null) and
// writes it whole, while nobody else changes it.
Task<Status> Volume::merge_block(Piece piece, const std::byte* from, std::byte* block) {
  const BlockRange blocks = piece.blocks();
  BlockLocks::Hold hold(share_->locks, blocks, BlockLocks::Mode::kExclusive);
  co_await hold;
  Status status = co_await share_->backend->read(blocks, block);
  if (!status.ok()) co_return status;  // damaged bytes must not be written back as good ones
  std::byte* part = block + piece.offset % kBlockBytes;
  if (from != nullptr)
    std::memcpy(part, from, piece.bytes);
  else
    std::memset(part, 0, piece.bytes);
  const BlockCrcs crcs(*share_->backend, block, blocks.count);
  status = co_await share_->backend->write(blocks, block, crcs.data());
  co_return status;
}

Task<Status> Volume::trim_whole(Piece piece) {
  const BlockRange blocks = piece.blocks();
  BlockLocks::Hold hold(share_->locks, blocks, BlockLocks::Mode::kShared);
  co_await hold;
  Status status = co_await share_->backend->trim(blocks);
  co_return status;
}

Task<bool> Volume::space_awaited() {
  if (!closed_) co_await share_->backend->space();
  co_return !closed_ && !share_->backend->closed();
}

}  // namespace varve
