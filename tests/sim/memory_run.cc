// memory_run: what the map of a disk group takes in memory, a block and a TiB, by how its blocks
// were written.
//
//   memory_run [--gib N]
//
// The map and the slot table of a disk group with N GiB (16; 1024 is a TiB and takes 4 GiB of
// memory) of blocks that are all live, and its leaves and tables as they are, behind devices that
// nobody has: the map is told of every block as it is when the log is written and read back.
//
//   sequential       written in pieces of 1 MiB, in order
//   random           then every block overwritten alone, in random order
//   aged             the same, with so much written between two writes of a block of this volume
//                    that its numbers are 40 bits apart
//   ... on HDDs      then sunk, in the order of addresses, with the indexes of the HDDs' slots
//   snapshots        sequential, then 16 times a snapshot and one block of each MiB overwritten
//   one block a MiB  single blocks so far apart that each has a leaf of its own
//
// Exit 0: no kind takes more bytes a block than its limit, the map counts what malloc has given it,
// and all of it comes back.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "core/base/units.h"
#include "core/format/cold_index.h"
#include "core/map/block_map.h"
#include "core/runtime/random.h"
#include "core/runtime/run_queue.h"
#include "core/tiering/cache_index.h"

namespace varve {
namespace {

constexpr VolumeId kVolume{1};
constexpr uint64_t kVolumeBlocks = uint64_t{1} << 34;  // 64 TiB
constexpr uint32_t kSlotBlocks = 16384;                // 64 MiB
constexpr uint32_t kColdSlotBlocks = 65536;            // 256 MiB
constexpr uint64_t kSnapshots = 16;
constexpr double kCountedMin = 0.99;  // of what malloc has given

uint64_t heap_in_use() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

class MemoryRun {
 public:
  explicit MemoryRun(uint64_t gib)
      : blocks_(gib * kGiB / kBlockBytes),
        // Twice the room: what is overwritten is not cleaned away.
        hot_slots_(static_cast<uint32_t>(2 * blocks_ / (kSlotBlocks - 1) + 2)),
        before_(heap_in_use()),
        slots_(std::make_unique<SlotTable>(hot_slots_, ready_)),
        map_(std::make_unique<BlockMap>(*slots_)),
        crcs_(kLeafBlocks) {
    slots_->add_cold(static_cast<uint32_t>(blocks_ / cold_data_blocks(kColdSlotBlocks) + 1));
    for (uint32_t i = 0; i < slots_->count(); ++i) slots_->at(i).state = SlotState::kOpen;
    map_->add_volume(kVolume, kVolumeBlocks, {});
    map_->add_volume(kIndexVolume, kVolumeBlocks, {});
  }

  void write_in_order() {
    for (uint64_t block = 0; block < blocks_; block += kLeafBlocks) write(block, kLeafBlocks);
  }
  // Every block once; `gap`: how far apart their numbers may be.
  void write_at_random(uint64_t gap) {
    uint64_t order = 0;
    for (uint64_t i = 0; i < blocks_; ++i) {
      order = (order + 0x9e3779b97f4a7c15 % blocks_ / 2 * 2 + 1) % blocks_;  // odd: meets all
      sequence_ += random_.below(gap);
      write(order, 1);
    }
  }
  void snapshot_and_overwrite() {
    for (uint64_t round = 0; round < kSnapshots; ++round) {
      generation_ = map_->find(kVolume)->lineage().snapshot() + 1;
      for (uint64_t block = 0; block < blocks_; block += kLeafBlocks)
        write(block + random_.below(kLeafBlocks), 1);
    }
  }
  void write_far_apart() {
    for (uint64_t i = 0; i < blocks_ / kLeafBlocks; ++i) write(i * kLeafBlocks, 1);
  }
  void sink();
  // Prints it. False: more than `limit` bytes a block, or not what malloc says.
  bool judge(const char* what, double limit) const;
  bool give_all_back();

 private:
  void write(uint64_t block, uint32_t count);
  void write_index(uint64_t first, uint32_t count);

  const uint64_t blocks_;
  const uint32_t hot_slots_;
  const uint64_t before_;
  RunQueue ready_;
  std::unique_ptr<SlotTable> slots_;
  std::unique_ptr<BlockMap> map_;
  std::vector<uint32_t> crcs_;
  Random random_{1};
  Sequence sequence_ = 0;
  Generation generation_ = 0;
  uint64_t written_ = 0;  // where the next block goes
};

void MemoryRun::write(uint64_t block, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) crcs_[i] = static_cast<uint32_t>(random_.next());
  constexpr uint32_t kRoom = kSlotBlocks - 2;  // behind the segment's and the batch's header
  if (written_ % kRoom + count > kRoom) written_ += kRoom - written_ % kRoom;
  const auto slot = static_cast<uint32_t>(written_ / kRoom % hot_slots_);
  const Entry entry{.sequence = ++sequence_,
                    .volume = static_cast<uint32_t>(kVolume),
                    .generation = generation_,
                    .extent = static_cast<uint32_t>(block / kExtentBlocks),
                    .offset = static_cast<uint16_t>(block % kExtentBlocks),
                    .count = static_cast<uint16_t>(count),
                    .position = static_cast<uint16_t>(2 + written_ % kRoom),
                    .op = EntryOp::kData};
  map_->apply(entry, slot, crcs_.data());
  written_ += count;
}

void MemoryRun::write_index(uint64_t first, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t block = first + i;
    const Entry entry{.sequence = ++sequence_,
                      .volume = static_cast<uint32_t>(kIndexVolume),
                      .extent = static_cast<uint32_t>(block / kExtentBlocks),
                      .offset = static_cast<uint16_t>(block % kExtentBlocks),
                      .count = 1,
                      .position = static_cast<uint16_t>(1 + i),
                      .op = EntryOp::kData};
    crcs_[0] = static_cast<uint32_t>(random_.next());
    map_->apply(entry, static_cast<uint32_t>(first % hot_slots_), crcs_.data());
  }
}

void MemoryRun::sink() {
  const uint32_t room = cold_data_blocks(kColdSlotBlocks);
  for (uint64_t block = 0; block < blocks_; ++block) {
    const BlockState held = map_->find(kVolume)->get(block);
    Append moved;
    moved.entry = {.sequence = held.sequence,
                   .volume = static_cast<uint32_t>(kVolume),
                   .extent = static_cast<uint32_t>(block / kExtentBlocks),
                   .offset = static_cast<uint16_t>(block % kExtentBlocks),
                   .count = 1,
                   .position = static_cast<uint16_t>(block % room),
                   .op = EntryOp::kData};
    moved.crcs = &held.crc;
    moved.from_slot = held.slot;
    moved.from_position = held.position;
    moved.slot = static_cast<uint32_t>(hot_slots_ + block / room);
    map_->relocate(moved);
  }
  const uint32_t stride = cold_index_stride(kColdSlotBlocks);
  for (uint64_t slot = 0; slot <= blocks_ / room; ++slot)
    write_index(slot * stride, cold_index_blocks_max(kColdSlotBlocks));
}

bool MemoryRun::judge(const char* what, double limit) const {
  const uint64_t given = heap_in_use() - before_;
  const uint64_t counted = map_->memory_bytes();
  const auto live = static_cast<double>(map_->live_blocks(kVolume));
  const double each = static_cast<double>(counted) / live;
  const uint64_t slots = slots_->count() * sizeof(Slot);
  // Under a sanitizer malloc is not the one that could tell.
  const bool counts_all = given == 0 || static_cast<double>(counted + slots) >=
                                            kCountedMin * static_cast<double>(given);
  const bool good = each <= limit && counts_all;
  std::printf("%-22s %11.0f blocks  %7.2f B a block  %6.2f GiB a TiB; malloc gave %7.2f  %s\n",
              what, live, each, each / 4, static_cast<double>(given) / live, good ? "" : "FAILED");
  std::fflush(stdout);
  return good;
}

bool MemoryRun::give_all_back() {
  for (uint32_t i = 0; i < slots_->count(); ++i) slots_->at(i).state = SlotState::kOpen;
  map_->drop_volume(kVolume);
  map_->drop_volume(kIndexVolume);
  while (map_->give_up_some()) {
  }
  if (map_->memory_bytes() == 0 && map_->live_blocks() == 0) return true;
  std::printf("FAILED: %lu bytes are left of a map without volumes\n", map_->memory_bytes());
  return false;
}

bool map_with(uint64_t gib, const char* what, double limit, double sunk_limit, uint64_t gap) {
  MemoryRun run(gib);
  run.write_in_order();
  if (gap > 0) run.write_at_random(gap);
  bool good = run.judge(what, limit);
  run.sink();
  good = run.judge("  ... on HDDs", sunk_limit) && good;
  return run.give_all_back() && good;
}

// The read cache's index when all that it may have of an SSD of this size is full.
bool cache_index(uint64_t gib) {
  const auto hot_slots = static_cast<uint32_t>(gib * kGiB / kBlockBytes / kSlotBlocks);
  const uint64_t before = heap_in_use();
  CacheIndex index(hot_slots, kSlotBlocks);
  uint64_t held = 0;
  for (uint32_t slot = 0; slot < hot_slots / 2; ++slot) {
    index.add_slot(slot);
    for (uint32_t i = 1; i + 1 < kSlotBlocks; ++i, ++held) {
      const uint64_t from = held * 7;  // one block of seven
      index.insert({static_cast<uint32_t>(hot_slots + from / kColdSlotBlocks), 1,
                    static_cast<uint32_t>(from % kColdSlotBlocks)},
                   {slot, i});
    }
  }
  const double each = static_cast<double>(index.memory_bytes()) / static_cast<double>(held);
  const bool good = each <= 24;
  std::printf("%-22s %11lu blocks  %7.2f B a block  %6.2f GiB a TiB; malloc gave %7.2f  %s\n",
              "the read cache", held, each, each / 4,
              static_cast<double>(heap_in_use() - before) / static_cast<double>(held),
              good ? "" : "FAILED");
  return good;
}

bool memory_run(uint64_t gib) {
  bool good = map_with(gib, "sequential", 4.6, 4.7, 0);
  good = map_with(gib, "random", 12.7, 8.8, 1) && good;
  // 2^40 in all.
  good = map_with(gib, "aged", 13.7, 9.8, (uint64_t{1} << 41) / (gib * kGiB / kBlockBytes)) && good;
  {
    MemoryRun run(gib);
    run.write_in_order();
    run.snapshot_and_overwrite();
    good = run.judge("snapshots", 15.5) && run.give_all_back() && good;
  }
  {
    MemoryRun run(gib);
    run.write_far_apart();
    good = run.judge("one block a MiB", 170) && run.give_all_back() && good;
  }
  good = cache_index(gib) && good;
  std::printf("%-22s %.4f GiB a TiB\n", "slots of 64 MiB",
              static_cast<double>(sizeof(Slot)) * 16384 / kGiB);
  return good;
}

}  // namespace
}  // namespace varve

int main(int argc, char** argv) {
  uint64_t gib = 16;
  if (argc == 3 && std::string_view(argv[1]) == "--gib")
    gib = std::strtoull(argv[2], nullptr, 10);
  else if (argc != 1)
    gib = 0;
  if (gib == 0 || gib > 16384 || (gib & (gib - 1)) != 0)
    return std::fprintf(stderr, "usage: memory_run [--gib a power of two]\n"), 2;
  return varve::memory_run(gib) ? 0 : 1;
}
