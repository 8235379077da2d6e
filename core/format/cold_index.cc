#include "core/format/cold_index.h"

#include <cstring>

#include "core/format/seal.h"

namespace varve {
namespace {

// An entry's count has 16 bits, and a run of blocks never leaves its extent.
constexpr uint32_t kEntryBlocksMax = kExtentBlocks;

template <typename Struct>
void append_struct(std::vector<std::byte>& out, const Struct& value) {
  const auto* begin = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), begin, begin + sizeof value);
}

// Whether `entry` is the next block of the write that `last` is of.
bool continues(const Entry& last, const Entry& entry) {
  return same_cold_run(last, entry) && last.sequence == entry.sequence &&
         last.offset + last.count == entry.offset && last.count < kEntryBlocksMax;
}

// The number of entries from `first` on that share a run.
uint32_t run_length(const std::vector<Entry>& entries, size_t first) {
  size_t end = first + 1;
  while (end < entries.size() && same_cold_run(entries[first], entries[end])) ++end;
  return static_cast<uint32_t>(end - first);
}

struct Unread {
  std::span<const std::byte> bytes;
  template <typename Struct>
  bool take(Struct& value) {
    if (bytes.size() < sizeof value) return false;
    value = load_struct<Struct>(bytes.data());
    bytes = bytes.subspan(sizeof value);
    return true;
  }
};

bool take_run(Unread& rest, uint32_t& position, uint32_t data_blocks, std::vector<Entry>& entries) {
  ColdRun run;
  if (!rest.take(run)) return false;
  for (uint32_t i = 0; i < run.entry_count; ++i) {
    ColdEntry stored;
    if (!rest.take(stored) || stored.count == 0) return false;
    if (uint32_t{stored.offset} + stored.count > kExtentBlocks) return false;
    if (position + stored.count > data_blocks) return false;
    entries.push_back({.sequence = Sequence{stored.sequence_high} << 32 | stored.sequence_low,
                       .volume = run.volume,
                       .generation = run.generation,
                       .group = run.group,
                       .extent = run.extent,
                       .offset = stored.offset,
                       .count = stored.count,
                       .position = static_cast<uint16_t>(position)});
    position += stored.count;
  }
  return true;
}

}  // namespace

ColdIndexBuilder::ColdIndexBuilder(uint32_t slot_blocks)
    : data_blocks_(cold_data_blocks(slot_blocks)),
      bytes_left_(static_cast<size_t>(cold_index_blocks_max(slot_blocks)) * kBlockBytes -
                  sizeof(ColdIndexHeader) - kSealBytes) {}

bool ColdIndexBuilder::add(Entry block, uint32_t crc) {
  std::vector<Entry>& entries = content_.entries;
  const bool first = entries.empty();
  const bool joins = !first && continues(entries.back(), block);
  size_t bytes = sizeof crc;
  if (!joins) bytes += sizeof(ColdEntry);
  if (first || !same_cold_run(entries.back(), block)) bytes += sizeof(ColdRun);
  if (block_count() == data_blocks_ || bytes > bytes_left_) return false;
  bytes_left_ -= bytes;
  block.position = static_cast<uint16_t>(block_count());
  content_.crcs.push_back(crc);
  if (joins)
    ++entries.back().count;
  else
    entries.push_back(block);
  return true;
}

std::vector<std::byte> encode_cold_index(uint32_t slot, uint32_t generation, const Footer& content,
                                         uint32_t seed) {
  ColdIndexHeader header{.slot = slot,
                         .generation = generation,
                         .block_count = static_cast<uint32_t>(content.crcs.size())};
  std::vector<std::byte> out(sizeof header);
  const std::vector<Entry>& entries = content.entries;
  for (size_t at = 0; at < entries.size();) {
    const Entry& first = entries[at];
    const uint32_t length = run_length(entries, at);
    append_struct(out, ColdRun{first.volume, first.generation, first.group, first.extent, length});
    for (const size_t end = at + length; at < end; ++at)
      append_struct(out, ColdEntry{static_cast<uint32_t>(entries[at].sequence),
                                   static_cast<uint32_t>(entries[at].sequence >> 32),
                                   entries[at].offset, entries[at].count});
    ++header.run_count;
  }
  for (const uint32_t crc : content.crcs) append_struct(out, crc);
  out.resize(out.size() + kSealBytes);
  header.bytes = static_cast<uint32_t>(out.size());
  std::memcpy(out.data(), &header, sizeof header);
  seal(out, seed);
  out.resize(round_up(out.size(), kBlockBytes));
  return out;
}

std::optional<uint32_t> cold_index_blocks(std::span<const std::byte> block, uint32_t slot,
                                          uint32_t slot_blocks) {
  const auto header = load_struct<ColdIndexHeader>(block.data());
  if (header.magic != kColdIndexMagic || header.slot != slot) return {};
  if (header.bytes < sizeof header + kSealBytes) return {};
  const uint64_t blocks = (uint64_t{header.bytes} + kBlockBytes - 1) / kBlockBytes;
  if (blocks > cold_index_blocks_max(slot_blocks)) return {};
  return static_cast<uint32_t>(blocks);
}

std::optional<ColdIndex> decode_cold_index(std::span<const std::byte> bytes, uint32_t seed,
                                           uint32_t slot, uint32_t slot_blocks) {
  if (bytes.size() < kBlockBytes) return {};
  const auto blocks = cold_index_blocks(bytes, slot, slot_blocks);
  if (!blocks || *blocks * uint64_t{kBlockBytes} > bytes.size()) return {};
  const auto header = load_struct<ColdIndexHeader>(bytes.data());
  if (!sealed(bytes.first(header.bytes), seed)) return {};
  Unread rest{bytes.first(header.bytes - kSealBytes).subspan(sizeof header)};
  ColdIndex index{.generation = header.generation, .content = {}};
  uint32_t position = 0;
  for (uint32_t i = 0; i < header.run_count; ++i)
    if (!take_run(rest, position, cold_data_blocks(slot_blocks), index.content.entries)) return {};
  if (position != header.block_count) return {};
  if (rest.bytes.size() != header.block_count * sizeof(uint32_t)) return {};
  index.content.crcs.resize(header.block_count);
  for (uint32_t& crc : index.content.crcs)
    if (!rest.take(crc)) return {};
  return index;
}

}  // namespace varve
