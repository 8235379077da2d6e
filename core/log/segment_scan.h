// What one slot's bytes say, and how much of it counts. Pure: bytes in, facts out.
//
// An open segment ends, after a crash, in batches that were never acknowledged. A batch that fails
// its checksums is the torn end, unless some header or trailer on the disk says that it had been
// durable: then it is damage (rule 5), and nothing behind it may be cut off.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "core/format/batch.h"
#include "core/format/footer.h"

namespace varve {

// How much of each segment the disk's headers and trailers call durable.
class DurableClaims {
 public:
  void add(const OpenList& list);
  void add(uint32_t slot, uint32_t generation, uint32_t durable_blocks);
  // Blocks of (slot, generation) that had been durable; 0 when nobody says so.
  uint32_t durable_blocks(uint32_t slot, uint32_t generation) const;
  // The newest generation of `slot` that anybody names; 0 for none.
  uint32_t newest_generation(uint32_t slot) const;

 private:
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> blocks_;
};

struct ScannedBatch {
  DecodedBatch batch;
  std::vector<bool> bad;  // per data block; empty when all are good
};

// The chain of readable batches of one generation from the slot's start.
struct SegmentScan {
  std::vector<ScannedBatch> batches;
  uint32_t end_block = 1;     // where the chain of readable headers ends
  Sequence sequence_max = 0;  // of every readable header, also behind the chain's end
  // A batch of a later opening lies here: the slot had been free, and nothing in it counts.
  bool superseded = false;
};

// Reads a whole slot; adds to `claims` what any header or trailer of this generation says, wherever
// in the slot it lies.
SegmentScan scan_segment(std::span<const std::byte> slot_bytes, uint32_t seed, uint32_t slot,
                         uint32_t generation, DurableClaims& claims);

// A segment's content as far as it counts.
struct SegmentContent {
  uint32_t slot = 0;
  uint32_t generation = 0;
  StreamKind stream = StreamKind::kFree;
  bool sealed = false;  // its footer is on the disk
  uint32_t used_blocks = 1;
  Sequence sequence_max = 0;
  Footer footer;
  std::vector<uint16_t> damaged;  // positions of data blocks that fail their checksum
};

// Accepts batches of `scan` into `content` up to the torn end. False: a batch header that had been
// durable is unreadable.
bool accept_batches(const SegmentScan& scan, uint32_t durable_blocks, SegmentContent& content);

}  // namespace varve
