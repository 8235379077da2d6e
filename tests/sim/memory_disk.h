// MemoryDisk: a disk in memory without faults, for long runs: requests take the time that its model
// says, and do what they say.
//
// Thread rule: its loop's thread. Ownership: owns the memory, all of it touched at construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/device/block_device.h"
#include "tests/sim/sim_loop.h"

namespace varve {

// What a request takes.
struct DiskModel {
  uint64_t request_ns = 40'000;
  uint64_t chance_ns = 20'000;    // up to so much more
  uint64_t bytes_per_second = 0;  // of all requests together; 0: bytes take no time
  // Not 0: one head serves one request after the other, and goes where the last one did not end.
  uint64_t seek_ns = 0;
};
inline constexpr DiskModel kSsdModel{
    .request_ns = 70'000, .chance_ns = 20'000, .bytes_per_second = 2'000'000'000};
inline constexpr DiskModel kHddModel{
    .request_ns = 0, .chance_ns = 0, .bytes_per_second = 180'000'000, .seek_ns = 8'000'000};

class MemoryDisk final : public BlockDevice {
 public:
  MemoryDisk(SimLoop& loop, uint64_t bytes, uint64_t seed, DiskModel model = {});

  uint64_t size_bytes() const override { return bytes_; }
  void submit(IoRequest& request) override;

 private:
  uint64_t delay_ns(const IoRequest& request);
  void complete(IoRequest& request);

  SimLoop& loop_;
  uint64_t bytes_;
  std::unique_ptr<std::byte[]> memory_;
  Random random_;
  const DiskModel model_;
  uint64_t head_ = 0;     // where the last request ends
  uint64_t free_ns_ = 0;  // when the last byte of those before has passed
};

}  // namespace varve
