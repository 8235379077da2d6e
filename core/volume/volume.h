// Volume: one client's opening of a volume, byte-granular, on top of a backend's blocks.
//
// Whole blocks at aligned memory go to the backend as they are: their CRC-32C is computed here,
// once, and travels with them to the medium. Partial blocks are read, merged and written whole,
// serialised per block over all openings of the volume (VolumeShare). What a call acknowledged is
// durable.
//
// A range must lie inside the volume (kInvalidArgument). A request of several blocks may fail after
// some of them took effect. While the store is full, writes wait; close() ends that with kClosed.
//
// Thread rule: one shard's thread. Ownership: the caller keeps the Volume and the memory of a
// request until its task ends; a write's source must not change meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/volume/block_backend.h"
#include "core/volume/block_locks.h"
#include "core/volume/pieces.h"

namespace varve {

// What all openings of one volume on one shard share.
struct VolumeShare {
  VolumeShare(Runtime& runtime_in, std::unique_ptr<BlockBackend> backend_in, uint64_t size_bytes_in)
      : runtime(runtime_in),
        backend(std::move(backend_in)),
        size_bytes(size_bytes_in),
        locks(runtime_in.ready) {}

  Runtime& runtime;
  const std::unique_ptr<BlockBackend> backend;
  uint64_t size_bytes;  // only grows
  BlockLocks locks;
};

// A run of bytes that are alike.
struct ByteRun {
  uint64_t bytes = 0;
  bool data = false;  // false: reads as zeroes, takes no space
};

class Volume {
 public:
  Volume(std::shared_ptr<VolumeShare> share, bool read_only)
      : share_(std::move(share)), read_only_(read_only) {}

  uint64_t size_bytes() const { return share_->size_bytes; }
  bool read_only() const { return read_only_; }

  Task<Status> read(uint64_t offset, std::span<std::byte> into);
  Task<Status> write(uint64_t offset, std::span<const std::byte> from);
  // Whole blocks inside the range then read as zeroes and take no space; partial ones at its ends
  // keep their bytes.
  Task<Status> trim(uint64_t offset, uint64_t bytes);
  // Every byte of the range then reads as zero; whole blocks take no space.
  Task<Status> write_zeroes(uint64_t offset, uint64_t bytes);
  // Appends at most `run_count_max` runs from `offset` on, neighbours merged; they cover the range
  // unless there are more.
  Task<Status> block_status(uint64_t offset, uint64_t bytes, size_t run_count_max,
                            std::vector<ByteRun>* runs) const;

  // The client goes: its writes that wait for space end with kClosed, now and later.
  void close();

 private:
  enum class Kind : uint8_t { kRead, kWrite, kTrim, kZero };
  struct Request {
    Kind kind;
    uint64_t offset;
    uint64_t bytes;
    std::byte* memory;  // read: filled; write: source, never written to
  };

  bool contains(uint64_t offset, uint64_t bytes) const {
    return offset <= share_->size_bytes && bytes <= share_->size_bytes - offset;
  }
  Task<Status> start(Request request);
  Task<Status> run_pieces(Request request);
  Task<void> run_into(Request request, Piece piece, Status* first_error);
  Task<Status> run_piece(const Request& request, Piece piece);
  Task<Status> read_straight(Piece piece, std::byte* into);
  Task<Status> read_copied(Piece piece, std::byte* into);
  Task<Status> write_whole(Piece piece, const std::byte* from);
  Task<Status> write_partial(Piece piece, const std::byte* from);
  Task<Status> merge_block(Piece piece, const std::byte* from, std::byte* block);
  Task<Status> trim_whole(Piece piece);
  // True when a write that got kNoSpace shall try again.
  Task<bool> space_awaited();

  const std::shared_ptr<VolumeShare> share_;
  const bool read_only_;
  bool closed_ = false;
};

}  // namespace varve
