// UringDevice: a file or block device through io_uring with direct I/O.
//
// Thread rule: the loop's thread.
// Ownership: borrows the loop. Destroying it with requests in flight is a bug of the caller's.
// Errors: requests end with kOk or kIoError; short transfers are carried on until done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/device/block_device.h"
#include "core/device/device_file.h"
#include "core/runtime/uring_loop.h"

namespace varve {

// What makes a completed write safe.
enum class Durability : uint8_t {
  kFlush,  // durable writes carry RWF_DSYNC: the kernel flushes, or writes through
  kPlp,    // the device keeps what it completed (power-loss protection); no flush is sent
};

class UringDevice final : public BlockDevice {
 public:
  // Errors as DeviceFile::open.
  static Result<std::unique_ptr<UringDevice>> open(UringLoop& loop, const std::string& path,
                                                   Durability durability);
  UringDevice(const UringDevice&) = delete;
  UringDevice& operator=(const UringDevice&) = delete;
  ~UringDevice() override;

  uint64_t size_bytes() const override { return file_.size_bytes(); }
  void submit(IoRequest& request) override;

 private:
  class Transfer;

  UringDevice(UringLoop& loop, DeviceFile file, Durability durability);
  void finish(Transfer& transfer, ErrorCode result);

  UringLoop& loop_;
  const DeviceFile file_;
  const Durability durability_;
  std::vector<std::unique_ptr<Transfer>> transfers_;  // all ever needed at once
  std::vector<Transfer*> idle_;                       // those of them that are free
};

}  // namespace varve
