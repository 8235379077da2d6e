// JoinedDevice: the devices of a disk group as one address space: the SSD first, HDDs behind it.
//
// The upper bits of an offset say which device, so that a place keeps its offset whatever is added
// later.
//
// Thread rule: one shard's thread. Ownership: the devices are borrowed.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device/block_device.h"

namespace varve {

class JoinedDevice final : public BlockDevice {
 public:
  static constexpr uint32_t kOffsetBits = 52;
  static constexpr uint32_t kDevicesMax = 64;

  static constexpr uint64_t base_of(uint32_t device) { return uint64_t{device} << kOffsetBits; }
  static constexpr uint32_t device_of(uint64_t offset) {
    return static_cast<uint32_t>(offset >> kOffsetBits);
  }
  static constexpr uint64_t offset_in(uint64_t offset) { return offset & (base_of(1) - 1); }

  explicit JoinedDevice(BlockDevice& first) { add(first); }

  // Its number. REQUIRES fewer than kDevicesMax.
  uint32_t add(BlockDevice& device);
  uint32_t count() const { return static_cast<uint32_t>(devices_.size()); }
  BlockDevice& part(uint32_t device) { return *devices_[device]; }
  const BlockDevice& part(uint32_t device) const { return *devices_[device]; }

  // Of the first one.
  uint64_t size_bytes() const override { return devices_[0]->size_bytes(); }
  // Takes the device's number out of the request's offset. A flush goes to the device that the
  // offset names.
  void submit(IoRequest& request) override;

 private:
  std::vector<BlockDevice*> devices_;
};

}  // namespace varve
