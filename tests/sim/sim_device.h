// SimDevice: a disk in memory that does everything a disk may do to the data on it.
//
// Requests end in any order, after random delays. A write that is not durable sits in the disk's
// cache when it completes and may reach the medium at any later time; a durable one is on the
// medium when it completes and takes no other write with it. A power cut (a copy of the medium
// as it might be found afterwards) drops, keeps or tears, by sectors of 512 bytes and each on its
// own, every write that is in flight or only cached. Killing the process instead leaves the cache,
// with whatever of the writes in flight got there, to a later power cut. A discard leaves the old
// bytes, or zeroes that a crash may take back. Nothing is ever cleaned: reused space shows its
// former content.
//
// It also checks its user: no two writes in flight on the same sectors, aligned requests, memory of
// a write unchanged until its completion. The first offence is kept in offence().
//
// Thread rule: its loop's thread. Ownership: owns the image. Units: bytes unless named otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "core/device/block_device.h"
#include "tests/sim/fault_counts.h"
#include "tests/sim/sim_loop.h"

namespace varve {

inline constexpr uint64_t kSectorBytes = 512;

using DiskImage = std::vector<std::byte>;

// Completed, not stable. `open` has one entry per sector: non-zero while a power cut may take it
// back.
struct CachedWrite {
  uint64_t offset = 0;
  std::vector<std::byte> before;
  std::vector<uint8_t> open;
  bool discard = false;
};

// A disk between two lives of the store on it.
struct DiskState {
  DiskImage image;                 // what reads see
  std::deque<CachedWrite> cached;  // of it, what is not stable; oldest first
};

enum class CrashKind : uint8_t { kPowerCut, kKill };

struct SimDeviceOptions {
  uint64_t delay_min_ns = 10'000;
  uint64_t delay_spread_ns = 90'000;
  uint32_t slow_per_mille = 20;  // requests that take 30 times as long
  uint32_t discard_zeroes_per_mille = 300;
  uint64_t fail_write = 0;  // the write of this number (from 1) ends with an error, done in part
  uint32_t durable_history_max = 0;  // durable writes that stay known for damage by omission
};

// A durable write whose sectors nothing has written since.
struct DurableWrite {
  uint64_t offset = 0;
  uint64_t number = 0;            // order of completion
  std::vector<std::byte> before;  // what it replaced
};

class SimDevice final : public BlockDevice {
 public:
  SimDevice(SimLoop& loop, DiskState disk, SimDeviceOptions options, uint64_t seed);
  SimDevice(const SimDevice&) = delete;
  SimDevice& operator=(const SimDevice&) = delete;

  uint64_t size_bytes() const override { return image_.size(); }
  void submit(IoRequest& request) override;

  // Off: every request fails and changes nothing. That is how a store is put down after a crash.
  void set_power(bool on) { powered_ = on; }
  // Ends every request in flight with an error, now, without any effect.
  void fail_in_flight();
  // The next life's disk. REQUIRES nothing in flight.
  void insert(DiskState disk);
  // Where completions go from now on; the loop's own queue at first.
  void set_run_queue(RunQueue& ready) { ready_ = &ready; }
  // Requests submitted from now on take this many times as long.
  void set_slowness(uint32_t factor) { slowness_ = factor; }

  // Reads that touch this block fail until it is written again.
  void make_unreadable(uint64_t offset) { unreadable_.insert(offset); }

  // The disk as a crash at this moment might leave it.
  DiskState crash(CrashKind kind, Random& random, FaultCounts& counts) const;
  DiskState power_cut(Random& random, FaultCounts& counts) const {
    return crash(CrashKind::kPowerCut, random, counts);
  }

  // What reads see.
  const DiskImage& image() const { return image_; }
  const std::deque<DurableWrite>& durable_history() const { return durable_history_; }
  // Calls `visit(offset, data)` for each 4 KiB block of each write in flight.
  template <typename Visit>
  void for_each_block_in_flight(Visit visit) const;

  // "write 12+3 durable, ...": requests in flight, in blocks.
  std::string flights_text() const;

  uint64_t io_events() const { return io_events_; }  // submissions and completions so far
  uint64_t writes_submitted() const { return writes_submitted_; }
  uint64_t discards_submitted() const { return discards_submitted_; }
  uint64_t bytes_written() const { return bytes_written_; }
  uint32_t in_flight() const { return in_flight_; }
  bool has_unstable_writes() const { return writes_in_flight_ > 0 || !cached_.empty(); }
  bool failed_a_write() const { return failed_a_write_; }
  const std::string& offence() const { return offence_; }

 private:
  struct Flight {
    IoRequest* request = nullptr;  // null: this entry is free
    std::vector<std::byte> data;   // of a write, as it was submitted
    bool fails = false;
    bool early_read = false;  // the read took its data when it was submitted
  };
  void complete(uint32_t index, uint32_t life);
  bool fails(const Flight& flight) const;
  void take_effect(const Flight& flight);
  void complete_write(const Flight& flight);
  void fail_write(const Flight& flight);
  void complete_discard(const IoRequest& request);
  void read_into(const IoRequest& request) const;
  void lose_cached(DiskImage& found, uint64_t whole_crash, Random& random,
                   FaultCounts& counts) const;
  void cache(uint64_t offset, uint64_t bytes, bool discard);
  void close_cached(uint64_t offset, uint64_t bytes);
  void forget_history(uint64_t offset, uint64_t bytes);
  void keep_history(uint64_t offset, uint64_t bytes);
  void check_request(const IoRequest& request);
  void offend(std::string what);

  SimLoop& loop_;
  RunQueue* ready_;
  DiskImage image_;
  SimDeviceOptions options_;
  Random random_;
  std::vector<Flight> flights_;
  std::deque<CachedWrite> cached_;  // oldest first
  std::deque<DurableWrite> durable_history_;
  uint64_t io_events_ = 0;
  uint64_t writes_submitted_ = 0;
  uint64_t discards_submitted_ = 0;
  uint64_t bytes_written_ = 0;
  uint64_t durable_count_ = 0;
  std::set<uint64_t> unreadable_;  // offsets of 4 KiB blocks
  bool powered_ = true;
  uint32_t life_ = 0;  // completions of an earlier one are void
  uint32_t slowness_ = 1;
  bool failed_a_write_ = false;
  uint32_t in_flight_ = 0;
  uint32_t writes_in_flight_ = 0;
  std::string offence_;
};

template <typename Visit>
void SimDevice::for_each_block_in_flight(Visit visit) const {
  for (const Flight& flight : flights_) {
    if (flight.request == nullptr || flight.request->kind != IoRequest::Kind::kWrite) continue;
    for (uint64_t at = 0; at < flight.data.size(); at += 4096) {
      visit(flight.request->offset + at, flight.data.data() + at);
    }
  }
}

}  // namespace varve
