// LogReader: finds out, from the device alone, what the log holds. It writes nothing.
//
// Order: segment headers of all slots; trailers; then the slots without a valid footer are read
// whole. Only when all claims of durability are known is it decided what counts. Anything that
// recovery cannot do without and that is unreadable ends it with kDamaged, with the place in the
// message.
//
// Thread rule: one shard's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/device/block_device.h"
#include "core/log/geometry.h"
#include "core/log/segment_scan.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"

namespace varve {

class LogReader {
 public:
  using Progress = std::function<void(uint64_t, uint64_t)>;

  LogReader(Runtime& runtime, BlockDevice& device, const Geometry& geometry, Progress progress);

  // Reads everything but the footers of sealed segments.
  Task<Status> load();

  // After load(): every slot's header.
  const std::vector<SegmentHeader>& headers() const { return headers_; }
  // After load(): the bytes of the newest catalog's payloads, oldest first.
  const std::vector<std::vector<std::byte>>& catalog_payloads() const { return catalog_payloads_; }
  uint32_t catalog_slot() const { return catalog_slot_; }
  // How much of that slot counts.
  uint32_t catalog_blocks() const { return catalog_blocks_; }
  Sequence sequence_max() const { return sequence_max_; }

  // After load(): hands over the content of every segment of user and relocated data, in any order.
  Task<Status> replay(std::function<void(SegmentContent&&)> take);

  // The footer of a sealed slot. Also used by the cleaner.
  static Task<std::optional<Footer>> read_footer(BlockDevice& device, const Geometry& geometry,
                                                 uint32_t slot, uint32_t generation);

 private:
  Task<void> read_header(uint32_t slot);
  Task<void> read_trailer(uint32_t slot);
  Task<void> replay_sealed(uint32_t slot, const std::function<void(SegmentContent&&)>* take);
  Task<Status> read_headers();
  Task<Status> scan_unsealed();
  Task<Status> scan_slot(uint32_t slot);
  Task<Status> load_catalog();
  Status check_claims() const;
  Task<void> read_slot(uint32_t slot, std::span<std::byte> into);
  SegmentContent content_of(uint32_t slot) const;

  Runtime& runtime_;
  BlockDevice& device_;
  const Geometry& geometry_;
  Progress progress_;
  std::vector<SegmentHeader> headers_;
  std::vector<bool> header_bad_;
  std::vector<std::optional<Trailer>> trailers_;
  std::vector<std::pair<uint32_t, SegmentScan>> scans_;  // of unsealed slots
  DurableClaims claims_;
  std::vector<uint32_t> footer_bad_;  // sealed slots whose footer turned out unreadable
  std::vector<std::vector<std::byte>> catalog_payloads_;
  uint32_t catalog_slot_ = 0;
  uint32_t catalog_blocks_ = 0;
  Sequence sequence_max_ = 0;
};

}  // namespace varve
