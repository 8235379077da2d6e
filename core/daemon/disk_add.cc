#include "core/daemon/disk_add.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <span>

#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/daemon/blocking.h"
#include "core/device/device_file.h"
#include "core/device/uring_device.h"
#include "core/format/superblock.h"
#include "core/log/geometry.h"
#include "core/store/store.h"

namespace varve {
namespace {

// Old signatures live in the first and the last MiB (file systems, partition tables, md, LVM).
constexpr uint64_t kSignatureBytes = kMiB;

// What stands at a path before it is touched.
struct Found {
  bool exists = false;
  bool block_device = false;
  std::string signature;  // "" for none
};

Result<Found> look_at(const std::string& path) {
  Found found;
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return found;
  found.exists = true;
  found.block_device = S_ISBLK(info.st_mode);
  if (!found.block_device && !S_ISREG(info.st_mode)) {
    return Status(ErrorCode::kInvalidArgument, text(path, " is neither a file nor a block device"));
  }
  if (!found.block_device && info.st_size == 0) return found;
  const Result<std::string> signature = find_signature(path);
  if (!signature.ok()) return signature.status();
  found.signature = *signature;
  return found;
}

Status check_found(const std::string& path, const AddDisk& request, const Found& found) {
  if (!found.exists && (path.starts_with("/dev/") || request.size_bytes == 0)) {
    return {ErrorCode::kNotFound,
            text(path, " does not exist",
                 path.starts_with("/dev/") ? "" : "; --size SIZE makes a file of that size")};
  }
  if (found.block_device && request.size_bytes != 0) {
    return {ErrorCode::kInvalidArgument,
            text(path, " is a block device: --size is for files only")};
  }
  if (!found.signature.empty() && !request.wipe) {
    return {ErrorCode::kAlreadyExists,
            text(path, " holds ", found.signature, "; nothing was touched; --wipe overwrites it")};
  }
  if (found.exists && request.size_bytes != 0 && !request.wipe) {
    return {ErrorCode::kAlreadyExists,
            text(path,
                 " exists already; without --size it is used as it is, with --wipe it is "
                 "made anew")};
  }
  return {};
}

class AlignedBuffer {
 public:
  explicit AlignedBuffer(uint64_t bytes)
      : memory_(static_cast<std::byte*>(aligned_alloc(kBlockBytes, bytes)), &free), bytes_(bytes) {
    VARVE_CHECK(memory_ != nullptr);
    std::fill_n(memory_.get(), bytes, std::byte{0});
  }
  std::span<std::byte> bytes() { return {memory_.get(), bytes_}; }

 private:
  std::unique_ptr<std::byte, decltype(&free)> memory_;
  uint64_t bytes_;
};

// Refuses a device on which a superblock of ours is left, whole or not.
Task<Status> check_no_superblock(BlockDevice& device, std::string path) {
  AlignedBuffer block(kBlockBytes);
  if (device.size_bytes() < 3 * kSuperblockSpacing)
    co_return Status();  // too small for any of ours
  for (const uint64_t offset : superblock_offsets(device.size_bytes())) {
    VARVE_CO_TRY(co_await device.read(offset, block.bytes()));
    const auto superblock = decode_superblock(block.bytes(), device.size_bytes());
    if (superblock.code() == ErrorCode::kNotFormatted) continue;
    co_return Status(ErrorCode::kAlreadyExists,
                     text(path, " holds a Varve disk group",
                          superblock.ok() ? "" : text(" (", superblock.status().message(), ")"),
                          "; nothing was touched; --wipe overwrites it"));
  }
  co_return Status();
}

Task<Status> erase_signatures(BlockDevice& device) {
  const uint64_t device_bytes = device.size_bytes();
  const uint64_t bytes = std::min(kSignatureBytes, device_bytes);
  if (bytes == 0) co_return Status();
  AlignedBuffer zeroes(bytes);
  VARVE_CO_TRY(co_await device.write(0, zeroes.bytes(), true));
  co_return co_await device.write(device_bytes - bytes, zeroes.bytes(), true);
}

uint32_t segment_bytes_for(const AddDisk& request, uint64_t device_bytes) {
  return request.segment_bytes != 0 ? request.segment_bytes : default_segment_bytes(device_bytes);
}

Status check_geometry(const AddDisk& request, uint64_t device_bytes) {
  return plan_superblock(device_bytes, segment_bytes_for(request, device_bytes), kSlotCountMin)
      .status();
}

// `progress` comes from another thread; the operation belongs to the shard.
Task<Status> make_file(UringLoop& loop, std::string path, AddDisk request,
                       OperationStatus& operation) {
  operation.step = text("writing ", path);
  const uint64_t bytes = round_up(request.size_bytes, kBlockBytes);
  std::function<Status()> make = [&loop, &operation, path, bytes, request] {
    return prepare_file(path, bytes, request.wipe, [&](uint64_t done, uint64_t total) {
      loop.post([&operation, done, total] { operation.progress = {done, total}; });
    });
  };
  operation.on_thread = true;
  const Status status = co_await run_blocking(loop, std::move(make));
  operation.on_thread = false;
  co_return status;
}

}  // namespace

uint32_t default_segment_bytes(uint64_t device_bytes) {
  constexpr uint64_t kSegmentsWanted = 128;
  uint64_t segment_bytes = 64 * kMiB;
  while (segment_bytes > kSegmentBytesMin && device_bytes / segment_bytes < kSegmentsWanted) {
    segment_bytes /= 2;
  }
  return static_cast<uint32_t>(segment_bytes);
}

Task<Status> format_disk(UringLoop& loop, const DiskGroup& group, AddDisk request, Uuid cluster,
                         OperationStatus& operation) {
  const std::string path = group.config().path;
  operation.step = text("looking at ", path);
  std::function<Result<Found>()> look = [path] { return look_at(path); };
  const Result<Found> found = co_await run_blocking(loop, std::move(look));
  if (!found.ok()) co_return found.status();
  VARVE_CO_TRY(check_found(path, request, *found));
  // Geometry before anything is written: a device that is too small keeps what it holds.
  if (request.size_bytes != 0) VARVE_CO_TRY(check_geometry(request, request.size_bytes));
  if (found->exists && !request.wipe) {
    auto device = UringDevice::open(loop, path, group.durability());
    if (!device.ok()) co_return device.status();
    VARVE_CO_TRY(co_await check_no_superblock(**device, path));
  }
  if (request.size_bytes != 0) {
    VARVE_CO_TRY(co_await make_file(loop, path, request, operation));
  }
  auto device = UringDevice::open(loop, path, group.durability());
  if (!device.ok()) co_return device.status();
  operation.step = text("formatting ", path);
  operation.progress = {};
  FormatOptions options;
  options.cluster = cluster;
  options.segment_bytes = segment_bytes_for(request, (*device)->size_bytes());
  options.progress = [&operation](uint64_t done, uint64_t total) {
    operation.progress = {done, total};
  };
  VARVE_CO_TRY(check_geometry(request, (*device)->size_bytes()));
  VARVE_CO_TRY(co_await erase_signatures(**device));
  co_return co_await Store::format(loop.runtime(), **device, std::move(options));
}

}  // namespace varve
