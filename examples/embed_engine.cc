// The storage engine alone, inside a program of yours: no daemon, no network.
// Usage: embed_engine FILE. Makes a 256 MiB store in FILE, which must not exist yet.
#include <cstdio>
#include <cstring>
#include <string>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/device/uring_device.h"
#include "core/runtime/uring_loop.h"
#include "core/store/store.h"

using namespace varve;

static Task<Status> write_and_read(Store& store) {
  Result<VolumeInfo> volume = co_await store.create_volume("notes", kGiB);  // thin: takes no space
  if (!volume.ok()) co_return volume.status();
  const BlockRange range{.first = 1000, .count = 2};
  AlignedBuffer data(range.count * kBlockBytes);
  std::strcpy(reinterpret_cast<char*>(data.data()), "laid down once, never rewritten");
  uint32_t crcs[2];  // the checksum travels with the data from here to the medium and back
  crc32c_blocks(data.data(), range.count, crcs);
  VARVE_CO_TRY(co_await store.write(volume->id, range, data.data(), crcs));  // durable from here on

  AlignedBuffer back(data.size());
  VARVE_CO_TRY(co_await store.read(volume->id, range, back.data()));
  std::printf("read back: %s\n", reinterpret_cast<const char*>(back.data()));
  VARVE_CO_TRY(co_await store.trim(volume->id, range));
  VARVE_CO_TRY(co_await store.read(volume->id, range, back.data()));
  std::printf("after the trim the first byte is %d\n", static_cast<int>(back.data()[0]));
  std::printf("group commits: %llu\n",
              static_cast<unsigned long long>(store.stats().group_commit_count));
  co_return co_await store.close();
}

static Task<Status> use_engine(Runtime& runtime, BlockDevice& device) {
  VARVE_CO_TRY(co_await Store::format(runtime, device, {.segment_bytes = 4 * kMiB}));
  Result<std::unique_ptr<Store>> store = co_await Store::open(runtime, device, {});
  if (!store.ok()) co_return store.status();
  co_return co_await write_and_read(**store);
}

static Status run(const char* path) {
  VARVE_TRY(prepare_file(path, 256 * kMiB, false, {}));
  Result<std::unique_ptr<UringLoop>> loop = UringLoop::create();
  if (!loop.ok()) return loop.status();
  auto device = UringDevice::open(**loop, path, Durability::kFlush);
  if (!device.ok()) return device.status();
  return (*loop)->run(use_engine((*loop)->runtime(), **device));
}

int main(int argc, char** argv) {
  const Status status =
      argc == 2 ? run(argv[1]) : Status(ErrorCode::kInvalidArgument, "which FILE?");
  if (!status.ok())
    std::fprintf(stderr, "embed_engine: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
