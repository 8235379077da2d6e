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

// What is asked for at a path.
struct Wanted {
  std::string path;
  uint64_t file_bytes = 0;  // 0: no file is to be made
  std::string_view option;  // that says so
  bool wipe = false;
};

Wanted wanted_hdd(std::string path, const AddDisk& request) {
  return {std::move(path), request.hdd_size_bytes, "--hdd-size", request.wipe};
}

Status check_found(const Wanted& wanted, const Found& found) {
  const std::string& path = wanted.path;
  if (!found.exists && (path.starts_with("/dev/") || wanted.file_bytes == 0)) {
    return {ErrorCode::kNotFound,
            text(path, " does not exist",
                 path.starts_with("/dev/")
                     ? std::string()
                     : text("; ", wanted.option, " SIZE makes a file of that size"))};
  }
  if (found.block_device && wanted.file_bytes != 0) {
    return {ErrorCode::kInvalidArgument,
            text(path, " is a block device: ", wanted.option, " is for files only")};
  }
  if (!found.signature.empty() && !wanted.wipe) {
    return {ErrorCode::kAlreadyExists,
            text(path, " holds ", found.signature, "; nothing was touched; --wipe overwrites it")};
  }
  if (found.exists && wanted.file_bytes != 0 && !wanted.wipe) {
    return {ErrorCode::kAlreadyExists, text(path, " exists already; without ", wanted.option,
                                            " it is used as it is, with --wipe it is made anew")};
  }
  return {};
}

// Whether the device is there already, after a look at it.
Task<Result<bool>> check_place(UringLoop& loop, Wanted wanted) {
  std::function<Result<Found>()> look = [path = wanted.path] { return look_at(path); };
  const Result<Found> found = co_await run_blocking(loop, std::move(look));
  if (!found.ok()) co_return found.status();
  VARVE_CO_TRY(check_found(wanted, *found));
  co_return found->exists;
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
Task<Status> make_file(UringLoop& loop, Wanted wanted, OperationStatus& operation) {
  operation.step = text("writing ", wanted.path);
  const uint64_t bytes = round_up(wanted.file_bytes, kBlockBytes);
  std::function<Status()> make = [&loop, &operation, bytes, wanted] {
    return prepare_file(wanted.path, bytes, wanted.wipe, [&](uint64_t done, uint64_t total) {
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
  const Wanted wanted{path, request.size_bytes, "--size", request.wipe};
  operation.step = text("looking at ", path);
  const Result<bool> exists = co_await check_place(loop, wanted);
  if (!exists.ok()) co_return exists.status();
  // Geometry before anything is written: a device that is too small keeps what it holds.
  if (request.size_bytes != 0) VARVE_CO_TRY(check_geometry(request, request.size_bytes));
  if (*exists && !request.wipe) {
    auto device = UringDevice::open(loop, path, group.durability());
    if (!device.ok()) co_return device.status();
    VARVE_CO_TRY(co_await check_no_superblock(**device, path));
  }
  if (request.size_bytes != 0) {
    VARVE_CO_TRY(co_await make_file(loop, wanted, operation));
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

Task<Status> check_hdd(UringLoop& loop, std::string path, AddDisk request, Uuid ssd) {
  const Wanted wanted = wanted_hdd(path, request);
  const Result<bool> exists = co_await check_place(loop, wanted);
  if (!exists.ok()) co_return exists.status();
  if (!*exists) co_return Status();
  // Also to be wiped, it must be nobody's.
  auto device = UringDevice::open(loop, path, kHddDurability);
  if (!device.ok()) co_return device.status();
  if (request.wipe) co_return Status();
  const HddVerdict verdict = co_await judge_hdd(**device, ssd);
  if (verdict.blank || verdict.stranger.empty()) co_return Status();
  co_return Status(ErrorCode::kAlreadyExists, text(path, " holds data of Varve (", verdict.stranger,
                                                   "); nothing was touched; --wipe overwrites it"));
}

Task<Status> add_hdd(UringLoop& loop, DiskGroup& group, std::string path, AddDisk request,
                     OperationStatus& operation) {
  if (group.store() == nullptr) co_return ErrorCode::kClosed;
  operation.step = text("looking at ", path);
  operation.progress = {};
  const Uuid ssd = group.store()->disk();
  VARVE_CO_TRY(co_await check_hdd(loop, path, request, ssd));
  if (group.store() == nullptr) co_return ErrorCode::kClosed;
  if (request.hdd_size_bytes != 0) {
    VARVE_CO_TRY(group.store()->check_cold_device(request.hdd_size_bytes));
    const Wanted wanted = wanted_hdd(path, request);
    VARVE_CO_TRY(co_await make_file(loop, wanted, operation));
  }
  operation.step = text("adding ", path);
  operation.progress = {};
  auto device = UringDevice::open(loop, path, kHddDurability);
  if (!device.ok()) co_return device.status();
  if (group.store() == nullptr) co_return ErrorCode::kClosed;
  VARVE_CO_TRY(group.store()->check_cold_device((*device)->size_bytes()));
  VARVE_CO_TRY(co_await erase_signatures(**device));
  co_return co_await group.add_hdd(std::move(path), std::move(*device));
}

}  // namespace varve
