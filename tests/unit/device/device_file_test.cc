#include "core/device/device_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "core/base/units.h"
#include "tests/unit/device/temp_folder.h"

namespace varve {
namespace {

// First offset that was never written, as the file system sees it.
off_t first_hole(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY);
  const off_t hole = lseek(descriptor, 0, SEEK_HOLE);
  close(descriptor);
  return hole;
}

}  // namespace

TEST_CASE("only one opener gets a file") {
  const TempFolder folder;
  const std::string path = folder.make_file("disk", kMiB);
  {
    const auto first = DeviceFile::open(path);
    REQUIRE(first.ok());
    const auto second = DeviceFile::open(path);
    CHECK(second.code() == ErrorCode::kBusy);
    CHECK(second.status().message() == "disk " + path + " is in use by another process");
    CHECK(prepare_file(path, kMiB, true, {}).code() == ErrorCode::kBusy);
  }
  CHECK(DeviceFile::open(path).ok());
}

TEST_CASE("only one opener gets a block device") {
  const TempFolder folder;
  const LoopDevice disk(folder.make_file("disk", kMiB));
  if (disk.path().empty()) SKIP("no loop device to be had");
  const auto first = DeviceFile::open(disk.path());
  REQUIRE(first.ok());
  CHECK(first->block_device());
  CHECK(first->size_bytes() == kMiB);
  CHECK(DeviceFile::open(disk.path()).code() == ErrorCode::kBusy);
}

TEST_CASE("sizes are rounded down to 4 KiB") {
  const TempFolder folder;
  const auto file = DeviceFile::open(folder.make_file("disk", 10'000));
  REQUIRE(file.ok());
  CHECK(file->size_bytes() == 8192);
}

TEST_CASE("what is not a disk is refused with a sentence") {
  const TempFolder folder;
  const auto missing = DeviceFile::open(folder.file("none"));
  CHECK(missing.code() == ErrorCode::kNotFound);
  CHECK(missing.status().message() == "disk " + folder.file("none") + " does not exist");
  CHECK(DeviceFile::open("/").code() == ErrorCode::kInvalidArgument);
  CHECK(DeviceFile::open("/dev/null").code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("a prepared file has been written to its end") {
  const TempFolder folder;
  const std::string path = folder.file("disk");
  const uint64_t bytes = 9 * kMiB + kBlockBytes;
  std::vector<uint64_t> told;
  const Status status = prepare_file(path, bytes, false, [&](uint64_t done, uint64_t total) {
    CHECK(total == bytes);
    told.push_back(done);
  });
  INFO(status.message());
  REQUIRE(status.ok());
  CHECK(told == std::vector<uint64_t>{4 * kMiB, 8 * kMiB, bytes});
  CHECK(std::filesystem::file_size(path) == bytes);
  CHECK(first_hole(path) == static_cast<off_t>(bytes));
}

TEST_CASE("an existing file is prepared only on demand, and then anew") {
  const TempFolder folder;
  const std::string path = folder.make_file("disk", 2 * kMiB);
  std::ofstream(path) << "precious";
  CHECK(prepare_file(path, kMiB, false, {}).code() == ErrorCode::kAlreadyExists);
  CHECK(std::filesystem::file_size(path) == 8);
  REQUIRE(prepare_file(path, kMiB, true, {}).ok());
  CHECK(std::filesystem::file_size(path) == kMiB);
  CHECK(first_hole(path) == static_cast<off_t>(kMiB));
  std::string start(8, 'x');
  std::ifstream(path).read(start.data(), 8);
  CHECK(start == std::string(8, '\0'));
}

TEST_CASE("a file that cannot be made leaves nothing behind") {
  const TempFolder folder;
  CHECK(prepare_file(folder.file("none/disk"), kMiB, false, {}).code() == ErrorCode::kNotFound);
  CHECK(prepare_file(folder.file("disk"), 100, false, {}).code() == ErrorCode::kInvalidArgument);
  CHECK(prepare_file(folder.file("disk"), uint64_t{1} << 60, false, {}).code() != ErrorCode::kOk);
  CHECK(std::filesystem::is_empty(folder.file("")));
}

TEST_CASE("known signatures are found, and zeroes have none") {
  const TempFolder folder;
  const std::string path = folder.make_file("disk", 8 * kMiB);
  auto signature = find_signature(path);
  REQUIRE(signature.ok());
  CHECK(signature->empty());

  REQUIRE(system(("mkfs.ext4 -q -F " + path).c_str()) == 0);
  signature = find_signature(path);
  REQUIRE(signature.ok());
  CHECK(*signature == "ext4");

  CHECK(find_signature(folder.file("none")).code() == ErrorCode::kNotFound);
}

TEST_CASE("the write cache of the disk under a path is known where the kernel knows it") {
  const TempFolder folder;
  const std::string path = folder.make_file("disk", kMiB);
  CHECK(write_cache_mode(folder.file("none")) == WriteCache::kUnknown);
  const LoopDevice disk(path);
  if (disk.path().empty()) SKIP("no loop device to be had");
  const std::string name = disk.path().substr(disk.path().rfind('/') + 1);
  const std::string mode = "/sys/block/" + name + "/queue/write_cache";
  std::ofstream(mode) << "write through";
  CHECK(write_cache_mode(disk.path()) == WriteCache::kWriteThrough);
  std::ofstream(mode) << "write back";  // and so it stays for the device's next user
  CHECK(write_cache_mode(disk.path()) == WriteCache::kWriteBack);
}

}  // namespace varve
