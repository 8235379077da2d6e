// What stands behind a disk's path: making a file ready, and looking before anything is
// overwritten.
//
// Thread rule: any thread; all of it blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/base/error.h"

namespace varve {

// Descriptor of an open disk, closed (and thereby unlocked) by the destructor.
class DeviceFile {
 public:
  // Opens a regular file or a block device for direct I/O, for this process alone.
  // kNotFound, kBusy (somebody else has it), kUnsupported (no direct I/O, sectors over 4 KiB),
  // kInvalidArgument (neither file nor block device), kIoError.
  static Result<DeviceFile> open(const std::string& path);
  DeviceFile(DeviceFile&& other) noexcept;
  DeviceFile& operator=(DeviceFile&&) = delete;
  ~DeviceFile();

  int descriptor() const { return descriptor_; }
  bool block_device() const { return block_device_; }
  uint64_t size_bytes() const { return size_bytes_; }  // rounded down to 4 KiB

 private:
  DeviceFile(int descriptor, bool block_device)
      : descriptor_(descriptor), block_device_(block_device) {}
  Status lock(const std::string& path);
  Status measure(const std::string& path);

  int descriptor_;
  bool block_device_;
  uint64_t size_bytes_ = 0;
};

// Makes a file of `bytes` (a multiple of 4 KiB) in which every block has been written, so that
// later writes change no metadata of the file system. An existing file is refused unless
// `overwrite`. `progress`, if any, is told (bytes done, bytes in all). On failure a file made here
// is removed. kAlreadyExists, kNoSpace, kBusy, kInvalidArgument, kNotFound (the folder), kIoError.
Status prepare_file(const std::string& path, uint64_t bytes, bool overwrite,
                    const std::function<void(uint64_t, uint64_t)>& progress);

// What is known to live there ("ext4", "gpt", ...), or "" where nothing known was found. A path
// that cannot be read is an error.
Result<std::string> find_signature(const std::string& path);

// What the kernel says about the cache of the disk, or of the disk under the file.
enum class WriteCache : uint8_t {
  kUnknown,
  kWriteThrough,  // a completed write is on the medium
  kWriteBack,     // it needs a flush
};
WriteCache write_cache_mode(const std::string& path);

}  // namespace varve
