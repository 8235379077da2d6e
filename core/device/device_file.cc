#include "core/device/device_file.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "core/base/text.h"
#include "core/base/units.h"

namespace varve {
namespace {

constexpr uint64_t kPrepareChunkBytes = 4 * kMiB;

Status in_use(const std::string& path) {
  return {ErrorCode::kBusy, text("disk ", path, " is in use by another process")};
}

// The sentence for a failed system call on `path`.
Status failed(const std::string& path, std::string_view what, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return {ErrorCode::kNotFound, text("disk ", path, " does not exist")};
    case EEXIST:
      return {ErrorCode::kAlreadyExists, text("file ", path, " exists already")};
    case ENOSPC:
    case EDQUOT:
      return {ErrorCode::kNoSpace, text("no room for file ", path, " on its file system")};
    case EBUSY:
      return in_use(path);
    default:
      return {ErrorCode::kIoError, text("cannot ", what, " disk ", path, ": ", strerror(error))};
  }
}

// The same for open(), which knows one case more.
Status open_failed(const std::string& path) {
  if (errno != EINVAL) return failed(path, "open", errno);
  return {ErrorCode::kUnsupported,
          text("disk ", path, ": its file system has no direct I/O; ext4 and xfs have")};
}

Status sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return failed(folder, "open", errno);
  const int error = fsync(descriptor) == 0 ? 0 : errno;
  close(descriptor);
  return error == 0 ? Status() : failed(folder, "sync", error);
}

Status write_zeroes(int descriptor, const std::string& path, uint64_t bytes,
                    const std::function<void(uint64_t, uint64_t)>& progress) {
  const std::unique_ptr<void, decltype(&free)> zeroes(
      aligned_alloc(kBlockBytes, kPrepareChunkBytes), &free);
  VARVE_CHECK(zeroes != nullptr);
  memset(zeroes.get(), 0, kPrepareChunkBytes);
  for (uint64_t done = 0; done < bytes;) {
    const uint64_t chunk = std::min(kPrepareChunkBytes, bytes - done);
    const ssize_t written = pwrite(descriptor, zeroes.get(), chunk, static_cast<off_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed(path, "write", errno);
    done += static_cast<uint64_t>(written);
    if (progress) progress(done, bytes);
  }
  return {};
}

Status fill_file(int descriptor, const std::string& path, uint64_t bytes,
                 const std::function<void(uint64_t, uint64_t)>& progress) {
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) return in_use(path);
  const off_t size = static_cast<off_t>(bytes);
  // Room first: better to fail now than after minutes of writing. Not every file system can.
  if (fallocate(descriptor, 0, 0, size) != 0 && errno != EOPNOTSUPP) {
    return failed(path, "reserve room for", errno);
  }
  if (ftruncate(descriptor, size) != 0) return failed(path, "size", errno);
  VARVE_TRY(write_zeroes(descriptor, path, bytes, progress));
  if (fsync(descriptor) != 0) return failed(path, "sync", errno);
  return sync_folder_of(path);
}

}  // namespace

DeviceFile::DeviceFile(DeviceFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      block_device_(other.block_device_),
      size_bytes_(other.size_bytes_) {}

DeviceFile::~DeviceFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

Result<DeviceFile> DeviceFile::open(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return failed(path, "open", errno);
  const bool block_device = S_ISBLK(info.st_mode);
  if (!block_device && !S_ISREG(info.st_mode)) {
    return Status(ErrorCode::kInvalidArgument,
                  text("disk ", path, " is neither a file nor a block device"));
  }
  // O_EXCL keeps out mounts and other openers of a block device; a lock does it for files.
  const int flags = O_RDWR | O_DIRECT | O_CLOEXEC | (block_device ? O_EXCL : 0);
  const int descriptor = ::open(path.c_str(), flags);
  if (descriptor < 0) return open_failed(path);
  DeviceFile file(descriptor, block_device);
  if (Status status = file.lock(path); !status.ok()) return status;
  if (Status status = file.measure(path); !status.ok()) return status;
  return file;
}

Status DeviceFile::lock(const std::string& path) {
  // Not on block devices: udev's probes hold a shared lock now and then, and O_EXCL suffices there.
  if (!block_device_ && flock(descriptor_, LOCK_EX | LOCK_NB) != 0) return in_use(path);
  return {};
}

Status DeviceFile::measure(const std::string& path) {
  if (block_device_) {
    int sector_bytes = 0;
    if (ioctl(descriptor_, BLKSSZGET, &sector_bytes) != 0 ||
        ioctl(descriptor_, BLKGETSIZE64, &size_bytes_) != 0) {
      return failed(path, "measure", errno);
    }
    if (sector_bytes > static_cast<int>(kBlockBytes)) {
      return {ErrorCode::kUnsupported, text("disk ", path, " has sectors of ", sector_bytes,
                                            " bytes; at most ", kBlockBytes, " are supported")};
    }
  } else {
    struct stat info{};
    if (fstat(descriptor_, &info) != 0) return failed(path, "measure", errno);
    size_bytes_ = static_cast<uint64_t>(info.st_size);
  }
  size_bytes_ -= size_bytes_ % kBlockBytes;
  return {};
}

Status prepare_file(const std::string& path, uint64_t bytes, bool overwrite,
                    const std::function<void(uint64_t, uint64_t)>& progress) {
  if (bytes == 0 || bytes % kBlockBytes != 0) {
    return {ErrorCode::kInvalidArgument,
            text("file ", path, ": the size must be a multiple of ", kBlockBytes, " bytes")};
  }
  const int flags = O_WRONLY | O_DIRECT | O_CLOEXEC;
  int descriptor = open(path.c_str(), flags | O_CREAT | O_EXCL, 0600);
  const bool made_here = descriptor >= 0;
  if (!made_here && errno == EEXIST && overwrite) {
    struct stat info{};
    if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
      return {ErrorCode::kInvalidArgument, text("disk ", path, " is not a file")};
    }
    descriptor = open(path.c_str(), flags);
  }
  if (descriptor < 0) return open_failed(path);
  const Status status = fill_file(descriptor, path, bytes, progress);
  close(descriptor);
  if (!status.ok() && made_here) unlink(path.c_str());
  return status;
}

Result<std::string> find_signature(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return failed(path, "read", errno);
  const std::unique_ptr<const int, void (*)(const int*)> closer(
      &descriptor, [](const int* open_descriptor) { close(*open_descriptor); });
  const std::unique_ptr<std::remove_pointer_t<blkid_probe>, decltype(&blkid_free_probe)> probe(
      blkid_new_probe(), &blkid_free_probe);
  if (probe == nullptr || blkid_probe_set_device(probe.get(), descriptor, 0, 0) != 0) {
    return failed(path, "probe", errno);
  }
  blkid_probe_enable_superblocks(probe.get(), 1);
  blkid_probe_set_superblocks_flags(probe.get(), BLKID_SUBLKS_TYPE);
  blkid_probe_enable_partitions(probe.get(), 1);
  const int found = blkid_do_safeprobe(probe.get());
  if (found == 1) return std::string();
  if (found == -2) return std::string("several file systems or partition tables");
  if (found != 0) return failed(path, "probe", errno);
  for (const char* key : {"TYPE", "PTTYPE"}) {
    const char* value = nullptr;
    if (blkid_probe_lookup_value(probe.get(), key, &value, nullptr) == 0) return std::string(value);
  }
  return std::string("something unnamed");
}

WriteCache write_cache_mode(const std::string& path) {
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return WriteCache::kUnknown;
  const dev_t disk = S_ISBLK(info.st_mode) ? info.st_rdev : info.st_dev;
  const std::string folder = text("/sys/dev/block/", major(disk), ":", minor(disk), "/");
  // A partition has no queue of its own; its disk is the folder above.
  for (const char* queue : {"queue/write_cache", "../queue/write_cache"}) {
    std::ifstream file(folder + queue);
    std::string mode;
    if (!std::getline(file, mode)) continue;
    return mode == "write back" ? WriteCache::kWriteBack : WriteCache::kWriteThrough;
  }
  return WriteCache::kUnknown;
}

}  // namespace varve
