#include "core/format/footer.h"

#include <cstring>

#include "core/format/seal.h"

namespace varve {

void encode_footer(Trailer& trailer, const Footer& footer, uint32_t seed,
                   std::span<std::byte> out) {
  trailer.entry_count = static_cast<uint32_t>(footer.entries.size());
  trailer.data_blocks = static_cast<uint32_t>(footer.crcs.size());
  trailer.footer_blocks = footer_blocks_for(trailer.entry_count, trailer.data_blocks);
  std::memset(out.data(), 0, out.size());
  const auto body =
      out.subspan(kBlockBytes, static_cast<size_t>(trailer.footer_blocks) * kBlockBytes);
  const size_t entry_bytes = footer.entries.size() * sizeof(Entry);
  if (entry_bytes > 0) std::memcpy(body.data(), footer.entries.data(), entry_bytes);
  if (!footer.crcs.empty())
    std::memcpy(body.data() + entry_bytes, footer.crcs.data(),
                footer.crcs.size() * sizeof(uint32_t));
  trailer.footer_crc = crc32c(body, seed);
  for (const auto block : {out.first(kBlockBytes), out.last(kBlockBytes)}) {
    std::memcpy(block.data(), &trailer, sizeof trailer);
    seal(block, seed);
  }
}

std::optional<Trailer> decode_trailer(std::span<const std::byte> block, uint32_t seed,
                                      uint32_t slot, uint32_t slot_blocks) {
  const auto trailer = load_struct<Trailer>(block.data());
  if (trailer.magic != kTrailerMagic || trailer.slot != slot || !sealed(block, seed)) return {};
  if (trailer.open.count > kOpenSegmentsMax || trailer.data_blocks > slot_blocks) return {};
  if (trailer.entry_count > slot_blocks * kBatchEntriesPerBlockMax) return {};
  if (trailer.footer_blocks != footer_blocks_for(trailer.entry_count, trailer.data_blocks))
    return {};
  if (trailer.footer_blocks + 2 > slot_blocks) return {};
  if (trailer.used_blocks == 0 || trailer.used_blocks > slot_blocks - trailer.footer_blocks - 2)
    return {};
  return trailer;
}

std::optional<Footer> decode_footer(const Trailer& trailer, std::span<const std::byte> bytes,
                                    uint32_t seed, uint32_t slot_blocks) {
  if (bytes.size() != static_cast<size_t>(trailer.footer_blocks) * kBlockBytes) return {};
  if (crc32c(bytes, seed) != trailer.footer_crc) return {};
  Footer footer;
  footer.entries.resize(trailer.entry_count);
  footer.crcs.resize(trailer.data_blocks);
  const size_t entry_bytes = footer.entries.size() * sizeof(Entry);
  if (entry_bytes > 0) std::memcpy(footer.entries.data(), bytes.data(), entry_bytes);
  if (!footer.crcs.empty())
    std::memcpy(footer.crcs.data(), bytes.data() + entry_bytes,
                footer.crcs.size() * sizeof(uint32_t));
  uint64_t data_blocks = 0;
  for (const Entry& entry : footer.entries) {
    if (!entry_plausible(entry, slot_blocks)) return {};
    data_blocks += entry.data_blocks();
  }
  if (data_blocks != trailer.data_blocks) return {};
  return footer;
}

}  // namespace varve
