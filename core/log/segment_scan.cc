#include "core/log/segment_scan.h"

#include <algorithm>

#include "core/base/crc32c.h"
#include "core/base/mutant.h"

namespace varve {
namespace {

std::vector<bool> find_bad_blocks(const DecodedBatch& batch,
                                  std::span<const std::byte> slot_bytes) {
  std::vector<bool> bad;
  const uint32_t first = batch.header.start_block + batch.header.header_blocks;
  std::vector<uint32_t> actual(batch.header.data_blocks);
  crc32c_blocks(slot_bytes.data() + static_cast<size_t>(first) * kBlockBytes, actual.size(),
                actual.data());
  for (size_t i = 0; i < actual.size(); ++i) {
    if (actual[i] == batch.crcs[i] || VARVE_MUTANT(kSkipDataCrcAtReplay)) continue;
    bad.resize(actual.size());
    bad[i] = true;
  }
  return bad;
}

bool generation_matches(uint32_t found, uint32_t wanted) {
  return found == wanted || VARVE_MUTANT(kForgetSlotGeneration);
}

// Claims and sequences behind the end of the chain: batches that were on the way together with the
// torn one, or what follows damage; and the leader or trailer of a segment that had been sealed.
void look_ahead(std::span<const std::byte> slot_bytes, uint32_t seed, uint32_t slot,
                uint32_t generation, DurableClaims& claims, SegmentScan& scan) {
  const uint32_t slot_blocks = static_cast<uint32_t>(slot_bytes.size() / kBlockBytes);
  for (uint32_t block = scan.end_block; block < slot_blocks; ++block) {
    const auto bytes = slot_bytes.subspan(static_cast<size_t>(block) * kBlockBytes, kBlockBytes);
    if (const auto batch = decode_batch_header(slot_bytes, seed, slot, block)) {
      scan.superseded |= batch->header.generation > generation;
      if (batch->header.generation != generation) continue;
      claims.add(batch->header.open);
      for (const Entry& entry : batch->entries)
        scan.sequence_max = std::max(scan.sequence_max, entry.sequence);
    } else if (const auto trailer = decode_trailer(bytes, seed, slot, slot_blocks)) {
      if (trailer->generation != generation) continue;
      claims.add(trailer->open);
      claims.add(slot, generation, trailer->used_blocks);
    }
  }
}

void accept(const ScannedBatch& scanned, SegmentContent& content) {
  const DecodedBatch& batch = scanned.batch;
  uint32_t position = batch.header.start_block + batch.header.header_blocks;
  for (const bool bad : scanned.bad) {
    if (bad) content.damaged.push_back(static_cast<uint16_t>(position));
    ++position;
  }
  for (const Entry& entry : batch.entries)
    content.sequence_max = std::max(content.sequence_max, entry.sequence);
  content.footer.entries.insert(content.footer.entries.end(), batch.entries.begin(),
                                batch.entries.end());
  content.footer.crcs.insert(content.footer.crcs.end(), batch.crcs.begin(), batch.crcs.end());
  content.used_blocks = batch.end_block();
}

}  // namespace

void DurableClaims::add(const OpenList& list) {
  for (uint32_t i = 0; i < list.count; ++i)
    add(list.segments[i].slot, list.segments[i].generation, list.segments[i].durable_blocks);
}

void DurableClaims::add(uint32_t slot, uint32_t generation, uint32_t durable_blocks) {
  uint32_t& blocks = blocks_[{slot, generation}];
  blocks = std::max(blocks, durable_blocks);
}

uint32_t DurableClaims::durable_blocks(uint32_t slot, uint32_t generation) const {
  const auto found = blocks_.find({slot, generation});
  return found == blocks_.end() ? 0 : found->second;
}

uint32_t DurableClaims::newest_generation(uint32_t slot) const {
  const auto behind = blocks_.lower_bound({slot + 1, 0});
  if (behind == blocks_.begin()) return 0;
  const auto last = std::prev(behind);
  return last->first.first == slot ? last->first.second : 0;
}

SegmentScan scan_segment(std::span<const std::byte> slot_bytes, uint32_t seed, uint32_t slot,
                         uint32_t generation, DurableClaims& claims) {
  SegmentScan scan;
  const uint32_t slot_blocks = static_cast<uint32_t>(slot_bytes.size() / kBlockBytes);
  while (scan.end_block < slot_blocks) {
    auto batch = decode_batch_header(slot_bytes, seed, slot, scan.end_block);
    if (!batch || !generation_matches(batch->header.generation, generation)) break;
    claims.add(batch->header.open);
    for (const Entry& entry : batch->entries)
      scan.sequence_max = std::max(scan.sequence_max, entry.sequence);
    scan.end_block = batch->end_block();
    std::vector<bool> bad = find_bad_blocks(*batch, slot_bytes);
    scan.batches.push_back({std::move(*batch), std::move(bad)});
  }
  look_ahead(slot_bytes, seed, slot, generation, claims, scan);
  return scan;
}

bool accept_batches(const SegmentScan& scan, uint32_t durable_blocks, SegmentContent& content) {
  if (scan.superseded) return true;
  if (VARVE_MUTANT(kStopAtFirstDamagedBatch)) durable_blocks = 0;
  for (const ScannedBatch& scanned : scan.batches) {
    // A bad block in a batch that nobody calls durable is the torn end of the log.
    if (!scanned.bad.empty() && scanned.batch.end_block() > durable_blocks) return true;
    accept(scanned, content);
  }
  return scan.end_block >= durable_blocks;
}

}  // namespace varve
