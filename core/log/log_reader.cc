#include "core/log/log_reader.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/runtime/task_group.h"

namespace varve {
namespace {

constexpr uint32_t kReadsInFlight = 32;
constexpr uint32_t kReadPieceBytes = 1024 * 1024;

bool holds_data(const SegmentHeader& header) {
  return header.stream == StreamKind::kUser || header.stream == StreamKind::kRelocated;
}

bool first_batch_good(const SegmentScan& scan) {
  return !scan.batches.empty() && scan.batches.front().bad.empty();
}

}  // namespace

LogReader::LogReader(Runtime& runtime, BlockDevice& device, const Geometry& geometry,
                     Progress progress)
    : runtime_(runtime),
      device_(device),
      geometry_(geometry),
      progress_(std::move(progress)),
      headers_(geometry.slot_count),
      header_bad_(geometry.slot_count),
      trailers_(geometry.slot_count) {}

Task<void> LogReader::read_header(uint32_t slot) {
  AlignedBuffer block(kBlockBytes);
  const Status status = co_await device_.read(geometry_.offset(slot, 0), block.span());
  const auto header = decode_segment_header(block.span(), geometry_.seed, slot);
  if (status.ok() && header)
    headers_[slot] = *header;
  else
    header_bad_[slot] = true;
}

Task<void> LogReader::read_trailer(uint32_t slot) {
  AlignedBuffer block(kBlockBytes);
  const uint32_t slot_blocks = geometry_.slot_blocks();
  const Status status =
      co_await device_.read(geometry_.offset(slot, slot_blocks - 1), block.span());
  if (!status.ok()) co_return;
  const auto trailer = decode_trailer(block.span(), geometry_.seed, slot, slot_blocks);
  if (trailer && trailer->generation == headers_[slot].generation) trailers_[slot] = trailer;
}

Task<Status> LogReader::read_headers() {
  TaskGroup reads(runtime_.ready);
  for (uint32_t slot = 0; slot < geometry_.slot_count; ++slot) {
    co_await reads.below(kReadsInFlight);
    reads.start(read_header(slot));
  }
  co_await reads.done();
  const auto bad = std::find(header_bad_.begin(), header_bad_.end(), true);
  if (bad != header_bad_.end()) {
    const auto slot = static_cast<uint32_t>(bad - header_bad_.begin());
    co_return Status(ErrorCode::kDamaged,
                     text("the segment header of slot ", slot, " (byte ", geometry_.offset(slot, 0),
                          ") is unreadable: what the slot holds is unknown"));
  }
  for (uint32_t slot = 0; slot < geometry_.slot_count; ++slot) {
    claims_.add(headers_[slot].open);
    if (!holds_data(headers_[slot])) continue;
    co_await reads.below(kReadsInFlight);
    reads.start(read_trailer(slot));
  }
  co_await reads.done();
  co_return Status();
}

Task<void> LogReader::read_slot(uint32_t slot, std::span<std::byte> into) {
  for (size_t at = 0; at < into.size(); at += kReadPieceBytes) {
    const auto piece = into.subspan(at, std::min<size_t>(kReadPieceBytes, into.size() - at));
    const Status status = co_await device_.read(geometry_.offset(slot, 0) + at, piece);
    // What the device cannot read is judged like what fails its checksum.
    if (!status.ok()) std::fill(piece.begin(), piece.end(), std::byte{0});
  }
}

Task<Status> LogReader::scan_slot(uint32_t slot) {
  AlignedBuffer bytes(geometry_.segment_bytes);
  co_await read_slot(slot, bytes.span());
  SegmentScan scan =
      scan_segment(bytes.span(), geometry_.seed, slot, headers_[slot].generation, claims_);
  sequence_max_ = std::max(sequence_max_, scan.sequence_max);
  if (headers_[slot].stream == StreamKind::kCatalog && first_batch_good(scan)) {
    catalog_slot_ = slot;
    for (const ScannedBatch& scanned : scan.batches) {
      const Entry& entry = scanned.batch.entries.front();
      const auto* from = bytes.data() + static_cast<size_t>(entry.position) * kBlockBytes;
      catalog_payloads_.emplace_back(from,
                                     from + static_cast<size_t>(entry.data_blocks()) * kBlockBytes);
    }
  }
  scans_.emplace_back(slot, std::move(scan));
  co_return Status();
}

Task<Status> LogReader::scan_unsealed() {
  std::vector<uint32_t> catalogs;
  for (uint32_t slot = 0; slot < geometry_.slot_count; ++slot) {
    if (headers_[slot].stream == StreamKind::kCatalog) catalogs.push_back(slot);
    if (!holds_data(headers_[slot])) continue;
    if (trailers_[slot]) {
      claims_.add(trailers_[slot]->open);
      sequence_max_ = std::max(sequence_max_, trailers_[slot]->sequence_max);
    } else {
      VARVE_CO_TRY(co_await scan_slot(slot));
    }
  }
  std::sort(catalogs.begin(), catalogs.end(), [this](uint32_t a, uint32_t b) {
    return headers_[a].generation > headers_[b].generation;
  });
  // Newest first: one whose first batch is torn was never in force, the one before it still is.
  for (const uint32_t slot : catalogs) {
    VARVE_CO_TRY(co_await scan_slot(slot));
    if (!catalog_payloads_.empty()) break;
  }
  co_return Status();
}

Status LogReader::check_claims() const {
  for (uint32_t slot = 0; slot < geometry_.slot_count; ++slot)
    if (claims_.newest_generation(slot) > headers_[slot].generation)
      return Status(ErrorCode::kDamaged, text("slot ", slot, " (byte ", geometry_.offset(slot, 0),
                                              ") lost a segment header that had been durable"));
  return Status();
}

Task<Status> LogReader::load_catalog() {
  for (auto& [slot, scan] : scans_) {
    if (headers_[slot].stream != StreamKind::kCatalog) continue;
    SegmentContent content;
    const uint32_t durable = claims_.durable_blocks(slot, headers_[slot].generation);
    if (!accept_batches(scan, durable, content) || !content.damaged.empty())
      co_return Status(ErrorCode::kDamaged,
                       text("the catalog in slot ", slot, " (byte ", geometry_.offset(slot, 0),
                            ") is damaged: which volumes exist is unknown"));
    if (slot != catalog_slot_) continue;
    catalog_payloads_.resize(content.footer.entries.size());
    catalog_blocks_ = content.used_blocks;
  }
  if (catalog_payloads_.empty())
    co_return Status(ErrorCode::kDamaged, "no catalog can be found on the device");
  co_return Status();
}

Task<Status> LogReader::load() {
  VARVE_CO_TRY(co_await read_headers());
  VARVE_CO_TRY(co_await scan_unsealed());
  VARVE_CO_TRY(check_claims());
  co_return co_await load_catalog();
}

SegmentContent LogReader::content_of(uint32_t slot) const {
  SegmentContent content;
  content.slot = slot;
  content.generation = headers_[slot].generation;
  content.stream = headers_[slot].stream;
  return content;
}

Task<std::optional<Footer>> LogReader::read_footer(BlockDevice& device, const Geometry& geometry,
                                                   uint32_t slot, uint32_t generation) {
  const uint32_t slot_blocks = geometry.slot_blocks();
  AlignedBuffer block(kBlockBytes);
  Status status = co_await device.read(geometry.offset(slot, slot_blocks - 1), block.span());
  if (!status.ok()) co_return std::nullopt;
  const auto trailer = decode_trailer(block.span(), geometry.seed, slot, slot_blocks);
  if (!trailer || trailer->generation != generation) co_return std::nullopt;
  if (trailer->footer_blocks == 0) co_return Footer{};
  AlignedBuffer bytes(static_cast<size_t>(trailer->footer_blocks) * kBlockBytes);
  const uint32_t first = slot_blocks - 1 - trailer->footer_blocks;
  status = co_await device.read(geometry.offset(slot, first), bytes.span());
  if (!status.ok()) co_return std::nullopt;
  co_return decode_footer(*trailer, bytes.span(), geometry.seed, slot_blocks);
}

Task<void> LogReader::replay_sealed(uint32_t slot,
                                    const std::function<void(SegmentContent&&)>* take) {
  auto footer = co_await read_footer(device_, geometry_, slot, headers_[slot].generation);
  if (!footer) {
    footer_bad_.push_back(slot);
    co_return;
  }
  const Trailer& trailer = *trailers_[slot];
  SegmentContent content = content_of(slot);
  content.sealed = true;
  content.used_blocks = trailer.used_blocks;
  content.sequence_max = trailer.sequence_max;
  content.footer = std::move(*footer);
  (*take)(std::move(content));
}

Task<Status> LogReader::replay(std::function<void(SegmentContent&&)> take) {
  TaskGroup reads(runtime_.ready);
  for (uint32_t slot = 0; slot < geometry_.slot_count; ++slot) {
    if (progress_) progress_(slot, geometry_.slot_count);
    if (!trailers_[slot]) continue;
    co_await reads.below(kReadsInFlight);
    reads.start(replay_sealed(slot, &take));
  }
  co_await reads.done();
  for (const uint32_t slot : footer_bad_) {
    // The trailer stands, so every batch had been durable: rebuild the footer from them.
    claims_.add(slot, headers_[slot].generation, trailers_[slot]->used_blocks);
    VARVE_CO_TRY(co_await scan_slot(slot));
  }
  for (auto& [slot, scan] : scans_) {
    if (!holds_data(headers_[slot])) continue;
    SegmentContent content = content_of(slot);
    const uint32_t durable = claims_.durable_blocks(slot, headers_[slot].generation);
    if (!accept_batches(scan, durable, content))
      co_return Status(
          ErrorCode::kDamaged,
          text("a batch header in slot ", slot, " (byte ", geometry_.offset(slot, scan.end_block),
               ") had been durable and is unreadable: acknowledged writes are lost"));
    take(std::move(content));
  }
  if (progress_) progress_(geometry_.slot_count, geometry_.slot_count);
  co_return Status();
}

}  // namespace varve
