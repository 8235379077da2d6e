#include "core/device/uring_device.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <catch2/generators/catch_generators.hpp>
#include <cstring>
#include <vector>

#include "core/base/units.h"
#include "tests/unit/device/temp_folder.h"

namespace varve {
namespace {

class Buffer {
 public:
  explicit Buffer(size_t bytes) : bytes_(bytes) {
    data_ = static_cast<std::byte*>(aligned_alloc(kBlockBytes, bytes));
    memset(data_, 0xee, bytes);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { free(data_); }
  std::byte* data() { return data_; }
  std::span<std::byte> all() { return {data_, bytes_}; }
  // Every block differs from every other, and from those of other seeds.
  void fill(uint64_t seed) {
    Random random(seed);
    for (size_t i = 0; i < bytes_; i += 8) {
      const uint64_t value = random.next();
      memcpy(data_ + i, &value, 8);
    }
  }
  bool operator==(const Buffer& other) const {
    return bytes_ == other.bytes_ && memcmp(data_, other.data_, bytes_) == 0;
  }

 private:
  size_t bytes_;
  std::byte* data_;
};

struct Fixture {
  explicit Fixture(const std::string& path, Durability durability = Durability::kFlush) {
    auto made = UringLoop::create();
    REQUIRE(made.ok());
    loop = std::move(*made);
    auto opened = UringDevice::open(*loop, path, durability);
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    device = std::move(*opened);
  }
  std::unique_ptr<UringLoop> loop;
  std::unique_ptr<UringDevice> device;
};

Task<Status> write_all(BlockDevice* device, uint64_t offset, std::span<const std::byte> from) {
  co_return co_await device->write(offset, from, true);
}
Task<Status> read_all(BlockDevice* device, uint64_t offset, std::span<std::byte> into) {
  co_return co_await device->read(offset, into);
}
Task<Status> write_parts(BlockDevice* device, uint64_t offset, std::span<const iovec> parts,
                         uint64_t bytes) {
  co_return co_await device->write_vectors(offset, parts, bytes, true);
}
Task<Status> read_parts(BlockDevice* device, IoRequest request) {
  co_return co_await BlockDevice::Operation(*device, request);
}
Task<Status> discard_all(BlockDevice* device, uint64_t offset, uint64_t bytes) {
  co_return co_await device->discard(offset, bytes);
}

Task<void> write_block(BlockDevice* device, std::span<std::byte> blocks, uint64_t block, int* ok) {
  const auto source = blocks.subspan(block * kBlockBytes, kBlockBytes);
  const Status status = co_await device->write(block * kBlockBytes, source, false);
  if (status.ok()) ++*ok;
}
Task<int> write_blocks_at_once(UringLoop* loop, BlockDevice* device, std::span<std::byte> blocks) {
  int ok = 0;
  TaskGroup group(loop->runtime().ready);
  for (uint64_t block = 0; block < blocks.size() / kBlockBytes; ++block) {
    group.start(write_block(device, blocks, block, &ok));
  }
  co_await group.done();
  co_return ok;
}

}  // namespace

TEST_CASE("what was written is read back, by another opener too") {
  const TempFolder folder;
  const std::string path = folder.make_file("disk", kMiB);
  Buffer written(64 * kKiB);
  Buffer read(64 * kKiB);
  written.fill(1);
  const Durability durability = GENERATE(Durability::kFlush, Durability::kPlp);
  {
    Fixture f(path, durability);
    CHECK(f.device->size_bytes() == kMiB);
    CHECK(f.loop->run(write_all(f.device.get(), 8192, written.all())).ok());
  }
  Fixture f(path, durability);
  CHECK(f.loop->run(read_all(f.device.get(), 8192, read.all())).ok());
  CHECK(read == written);
}

TEST_CASE("a write of many vectors lands as one run of bytes") {
  const TempFolder folder;
  Fixture f(folder.make_file("disk", 8 * kMiB));
  Buffer source(4 * kMiB);
  Buffer read(4 * kMiB);
  source.fill(2);
  std::vector<iovec> parts(1024);
  for (size_t i = 0; i < parts.size(); ++i)
    parts[i] = {source.data() + i * kBlockBytes, kBlockBytes};
  CHECK(f.loop->run(write_parts(f.device.get(), kMiB, parts, 4 * kMiB)).ok());
  CHECK(f.loop->run(read_all(f.device.get(), kMiB, read.all())).ok());
  CHECK(read == source);
}

TEST_CASE("more requests at once than the ring holds all complete on a device") {
  const TempFolder folder;
  Fixture f(folder.make_file("disk", 8 * kMiB));
  Buffer blocks(6 * kMiB);
  Buffer read(6 * kMiB);
  blocks.fill(3);
  CHECK(f.loop->run(write_blocks_at_once(f.loop.get(), f.device.get(), blocks.all())) == 1536);
  CHECK(f.loop->run(read_all(f.device.get(), 0, read.all())).ok());
  CHECK(read == blocks);
}

TEST_CASE("a short transfer is carried on where it stopped") {
  // The kernel moves at most 2 GiB less one page at once. Most of the 3 GiB are holes.
  const TempFolder folder;
  const uint64_t part_bytes = 4 * kMiB;
  const uint64_t part_count = 768;
  Fixture f(folder.make_file("disk", part_bytes * part_count));
  Buffer marked(part_bytes);
  Buffer scrap(part_bytes);
  Buffer at_border(part_bytes);
  Buffer at_end(part_bytes);
  marked.fill(4);
  for (const uint64_t part : {uint64_t{511}, part_count - 1}) {
    CHECK(f.loop->run(write_all(f.device.get(), part * part_bytes, marked.all())).ok());
  }
  std::vector<iovec> parts(part_count, iovec{scrap.data(), part_bytes});
  parts[511].iov_base = at_border.data();
  parts[part_count - 1].iov_base = at_end.data();
  const Status status = f.loop->run(
      read_parts(f.device.get(), {.kind = IoRequest::Kind::kRead,
                                  .bytes = part_bytes * part_count,
                                  .vectors = parts.data(),
                                  .vector_count = static_cast<uint32_t>(parts.size())}));
  CHECK(status.ok());
  CHECK(at_border == marked);
  CHECK(at_end == marked);
  CHECK(f.loop->counters().completion_count == 4);
}

TEST_CASE("a file that shrank under us is an error, not a hang and not zeroes") {
  const TempFolder folder;
  const std::string path = folder.make_file("disk", kMiB);
  Fixture f(path);
  std::filesystem::resize_file(path, 8192);
  Buffer read(16384);
  CHECK(f.loop->run(read_all(f.device.get(), 0, read.all())).code() == ErrorCode::kIoError);
}

TEST_CASE("a discard leaves files alone: they stay written") {
  const TempFolder folder;
  const std::string path = folder.file("disk");
  REQUIRE(prepare_file(path, kMiB, false, {}).ok());
  struct stat before{};
  struct stat after{};
  stat(path.c_str(), &before);
  Fixture f(path);
  CHECK(f.loop->run(discard_all(f.device.get(), 0, kMiB)).ok());
  stat(path.c_str(), &after);
  CHECK(after.st_blocks == before.st_blocks);
}

TEST_CASE("a block device is written, read and discarded") {
  const TempFolder folder;
  const std::string path = folder.file("disk");
  REQUIRE(prepare_file(path, 4 * kMiB, false, {}).ok());
  const LoopDevice disk(path);
  if (disk.path().empty()) SKIP("no loop device to be had");
  Fixture f(disk.path());
  Buffer written(kMiB);
  Buffer read(kMiB);
  written.fill(5);
  CHECK(f.loop->run(write_all(f.device.get(), kMiB, written.all())).ok());
  CHECK(f.loop->run(read_all(f.device.get(), kMiB, read.all())).ok());
  CHECK(read == written);
  struct stat before{};
  struct stat after{};
  stat(path.c_str(), &before);
  CHECK(f.loop->run(discard_all(f.device.get(), kMiB, kMiB)).ok());
  stat(path.c_str(), &after);
  CHECK(after.st_blocks < before.st_blocks);
}

TEST_CASE("destroying a device with a request in flight stops the program") {
  const TempFolder folder;
  const std::string path = folder.make_file("disk", kMiB);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGABRT, SIG_DFL);
    close(STDERR_FILENO);
    auto loop = UringLoop::create();
    auto device = UringDevice::open(**loop, path, Durability::kFlush);
    if (!device.ok()) _exit(1);
    Buffer buffer(kBlockBytes);
    iovec part{buffer.data(), kBlockBytes};
    IoRequest request{.bytes = kBlockBytes, .vectors = &part, .vector_count = 1};
    (*device)->submit(request);
    device->reset();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
}

}  // namespace varve
