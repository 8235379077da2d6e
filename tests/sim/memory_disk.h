// MemoryDisk: a disk in memory without faults, for long runs: requests take a fixed time plus a
// little chance, and do what they say.
//
// Thread rule: its loop's thread. Ownership: owns the memory, all of it touched at construction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "core/device/block_device.h"
#include "tests/sim/sim_loop.h"

namespace varve {

class MemoryDisk final : public BlockDevice {
 public:
  MemoryDisk(SimLoop& loop, uint64_t bytes, uint64_t seed);

  uint64_t size_bytes() const override { return bytes_; }
  void submit(IoRequest& request) override;

 private:
  void complete(IoRequest& request);

  SimLoop& loop_;
  uint64_t bytes_;
  std::unique_ptr<std::byte[]> memory_;
  Random random_;
};

}  // namespace varve
