#include "core/tiering/cache_index.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/mutant.h"

namespace varve {

CacheIndex::CacheIndex(uint32_t hot_count, uint32_t slot_blocks)
    : hot_count_(hot_count),
      slot_blocks_(slot_blocks),
      slots_end_(std::min(hot_count, kNone / slot_blocks)),
      frames_(hot_count) {}

void CacheIndex::add_slot(uint32_t slot) {
  VARVE_CHECK(slot < slots_end_ && frames_[slot].empty());
  frames_[slot].resize(slot_blocks_);
  ++slot_count_;
}

std::vector<ColdPlace> CacheIndex::drop_slot(uint32_t slot) {
  std::vector<ColdPlace> found;
  for (uint32_t i = 0; i < frames_[slot].size(); ++i) {
    const Frame& held = frames_[slot][i];
    if (held.cold_slot == kNone) continue;
    Table& owner = table(held.cold_slot);
    if (held.found != 0) found.push_back({held.cold_slot, owner.generation, held.position});
    unlink(owner, slot * slot_blocks_ + i);
  }
  std::vector<Frame>().swap(frames_[slot]);
  --slot_count_;
  return found;
}

CacheIndex::Table& CacheIndex::table(uint32_t cold_slot) {
  const uint32_t at = cold_slot - hot_count_;
  if (at >= tables_.size()) tables_.resize(at + 1);
  return tables_[at];
}

uint32_t CacheIndex::find_frame(const ColdPlace& place) {
  Table& held = table(place.slot);
  if (held.count == 0) return kNone;
  if (held.generation != place.generation && !VARVE_MUTANT(kCacheWithoutGeneration)) return kNone;
  uint32_t number = held.bucket(place.position);
  while (number != kNone && frame(number).position != place.position) number = frame(number).next;
  return number;
}

std::optional<CachePlace> CacheIndex::find(const ColdPlace& place) {
  const uint32_t number = find_frame(place);
  if (number == kNone) return {};
  frame(number).found = 1;
  return CachePlace{number / slot_blocks_, number % slot_blocks_};
}

void CacheIndex::insert(const ColdPlace& place, const CachePlace& where) {
  Table& held = table(place.slot);
  if (held.generation != place.generation && !VARVE_MUTANT(kCacheWithoutGeneration)) clear(held);
  held.generation = place.generation;
  if (held.count == held.buckets.size())
    spread(held, std::max(2 * held.buckets.size(), kBucketsMin));
  const uint32_t number = where.slot * slot_blocks_ + where.position;
  uint32_t& first = held.bucket(place.position);
  Frame& fresh = frame(number);
  VARVE_CHECK(fresh.cold_slot == kNone);
  fresh = {.cold_slot = place.slot,
           .next = std::exchange(first, number),
           .position = static_cast<uint16_t>(place.position),
           .found = 0};
  ++held.count;
  ++block_count_;
}

void CacheIndex::erase(const ColdPlace& place) {
  const uint32_t number = find_frame(place);
  if (number != kNone) unlink(table(place.slot), number);
}

void CacheIndex::unlink(Table& held, uint32_t number) {
  uint32_t* link = &held.bucket(frame(number).position);
  while (*link != number) link = &frame(*link).next;
  *link = frame(number).next;
  frame(number) = {};
  --held.count;
  --block_count_;
  if (held.count == 0)
    spread(held, 0);
  else if (held.buckets.size() > kBucketsMin && held.count * 4 < held.buckets.size())
    spread(held, held.buckets.size() / 2);
}

void CacheIndex::spread(Table& held, size_t buckets) {
  bucket_count_ += buckets;
  bucket_count_ -= held.buckets.size();
  std::vector<uint32_t> former(buckets, kNone);
  former.swap(held.buckets);
  for (uint32_t number : former) {
    while (number != kNone) {
      Frame& moved = frame(number);
      const uint32_t next = moved.next;
      moved.next = std::exchange(held.bucket(moved.position), number);
      number = next;
    }
  }
}

void CacheIndex::clear(Table& held) {
  for (uint32_t number : held.buckets)
    while (number != kNone) number = std::exchange(frame(number), {}).next;
  block_count_ -= held.count;
  held.count = 0;
  bucket_count_ -= held.buckets.size();
  std::vector<uint32_t>().swap(held.buckets);
}

}  // namespace varve
