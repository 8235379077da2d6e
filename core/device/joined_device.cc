#include "core/device/joined_device.h"

#include "core/base/check.h"

namespace varve {

uint32_t JoinedDevice::add(BlockDevice& device) {
  VARVE_CHECK(devices_.size() < kDevicesMax);
  devices_.push_back(&device);
  return count() - 1;
}

void JoinedDevice::submit(IoRequest& request) {
  const uint32_t device = device_of(request.offset);
  VARVE_CHECK(device < count());
  request.offset = offset_in(request.offset);
  devices_[device]->submit(request);
}

}  // namespace varve
