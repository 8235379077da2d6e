// CustomDevice: a struct varve_device of the caller's as a BlockDevice.
//
// Thread rule: the loop's thread; varve_io_done() from any.
// Ownership: borrows the loop and what the struct names; the struct itself is copied.
// Errors: whatever is not zero at the end of a transfer is kIoError.
#pragma once

#include <memory>
#include <vector>

#include "core/device/block_device.h"
#include "core/embed/varve.h"
#include "core/runtime/uring_loop.h"

namespace varve {

class CustomDevice final : public BlockDevice {
 public:
  CustomDevice(UringLoop& loop, const varve_device& device);
  CustomDevice(const CustomDevice&) = delete;
  CustomDevice& operator=(const CustomDevice&) = delete;
  ~CustomDevice() override;

  uint64_t size_bytes() const override { return size_bytes_; }
  void submit(IoRequest& request) override;

  // The caller's word that the transfer has ended. Any thread.
  static void ended(varve_io& io, int result);

 private:
  void start(varve_io& io);
  void finish(varve_io& io, ErrorCode result);

  UringLoop& loop_;
  const varve_device device_;
  const uint64_t size_bytes_;
  std::vector<std::unique_ptr<varve_io>> transfers_;  // all ever needed at once
  std::vector<varve_io*> idle_;                       // those of them that are free
};

}  // namespace varve
