// SimParts: the devices of one store as parts of one simulated disk, so that a crash hits all of
// them at the same instant: the SSD in front, an HDD behind it, if there is one.
//
// Thread rule: the loop's thread. Borrows the disk.
#pragma once

#include <cstdint>

#include "core/store/store.h"
#include "tests/sim/seed_plan.h"
#include "tests/sim/sim_device.h"

namespace varve {

class SimParts {
 public:
  SimParts(SimDevice& disk, const SeedPlan& plan)
      : ssd_(disk, 0, plan.ssd_bytes()),
        hdd_(disk, plan.ssd_bytes(), plan.device_bytes() - plan.ssd_bytes()),
        batches_in_flight_max_(plan.batches_in_flight_max) {}
  SimParts(const SimParts&) = delete;
  SimParts& operator=(const SimParts&) = delete;

  BlockDevice& ssd() { return ssd_; }
  BlockDevice& hdd() { return hdd_; }
  // With the HDD, where there is one.
  StoreOptions options() {
    StoreOptions options;
    if (hdd_.size_bytes() > 0) options.cold_devices = {&hdd_};
    options.batches_in_flight_max = batches_in_flight_max_;
    return options;
  }

 private:
  class Part final : public BlockDevice {
   public:
    Part(SimDevice& disk, uint64_t offset, uint64_t bytes)
        : disk_(disk), offset_(offset), bytes_(bytes) {}
    uint64_t size_bytes() const override { return bytes_; }
    void submit(IoRequest& request) override {
      request.offset += offset_;
      disk_.submit(request);
    }

   private:
    SimDevice& disk_;
    const uint64_t offset_;
    const uint64_t bytes_;
  };

  Part ssd_;
  Part hdd_;
  const uint32_t batches_in_flight_max_;
};

}  // namespace varve
