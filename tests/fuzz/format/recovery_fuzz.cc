// Recover an arbitrary image: a small real store, with patches that the input describes.
//
// Input: records of {offset u32, length u8, flags u8, bytes}. Flag 1 repairs the checksum of the
// metadata block that was patched, so that recovery gets past it: then anything may come back but a
// crash. Without it, every block must hold a value that was once written to it, or be refused.
#include <cstdlib>

#include "core/base/aligned_buffer.h"
#include "core/base/log.h"
#include "core/format/seal.h"
#include "core/store/store.h"
#include "tests/fuzz/format/fuzz_input.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_loop.h"

namespace varve {
namespace {

constexpr Uuid kDisk = {std::byte{7}};
constexpr uint32_t kSlots = 14;
constexpr uint32_t kSegmentBytes = 64 * 1024;
constexpr uint64_t kVolumeBlocks = 40;
constexpr uint8_t kRounds = 6;  // block b gets the values 16 * round + b % 16 + 1

uint8_t fill_of(uint64_t block, uint8_t round) {
  return static_cast<uint8_t>(16 * round + block % 16 + 1);
}

void write_block(SimLoop& loop, Store& store, VolumeId id, uint64_t block, uint8_t fill) {
  AlignedBuffer data(kBlockBytes);
  std::memset(data.data(), fill, kBlockBytes);
  const uint32_t crc = crc32c(data.span());
  if (!loop.run(store.write(id, {block, 1}, data.data(), &crc))->ok()) std::abort();
}

// Two volumes' lives, ended without a clean shutdown: open segments, trims, cleaned slots.
DiskImage make_image() {
  SimLoop loop(1);
  Runtime runtime = loop.runtime();
  SimDevice device(loop, {DiskImage(kSlots * kSegmentBytes + 256 * 1024), {}}, {}, 1);
  if (!loop.run(Store::format(runtime, device, {.disk = kDisk, .segment_bytes = kSegmentBytes}))
           ->ok())
    std::abort();
  auto store = std::move(**loop.run(Store::open(runtime, device, {})));
  const VolumeId id = (*loop.run(store->create_volume("one", kVolumeBlocks * kBlockBytes)))->id;
  for (uint8_t round = 0; round < kRounds; ++round)
    for (uint64_t block = 0; block < kVolumeBlocks; ++block)
      write_block(loop, *store, id, block, fill_of(block, round));
  if (!loop.run(store->trim(id, {3, 5}))->ok()) std::abort();
  DiskImage image = device.image();
  if (!loop.run(store->close())->ok()) std::abort();
  return image;
}

// Applies the patches; true when a checksum was repaired.
bool patch(DiskImage& image, std::span<const uint8_t> input) {
  const uint32_t seed = seal_seed(kDisk);
  bool repaired = false;
  while (input.size() > 6) {
    uint32_t offset;
    std::memcpy(&offset, input.data(), sizeof offset);
    const uint8_t flags = input[5];
    const size_t length = std::min<size_t>(input[4], input.size() - 6);
    offset %= static_cast<uint32_t>(image.size() - 256);
    std::memcpy(image.data() + offset, input.data() + 6, length);
    input = input.subspan(6 + length);
    if ((flags & 1) == 0) continue;
    repaired = true;
    const auto block = std::span(image).subspan(offset / kBlockBytes * kBlockBytes, kBlockBytes);
    if (offset < 2 * 64 * 1024)
      seal(block, 0);
    else if (offset / kBlockBytes % 16 == 0)
      seal(block.first(512), seed);
    else
      seal(block, seed);
  }
  return repaired;
}

void check_block(std::span<const std::byte> data, uint64_t block) {
  const auto fill = static_cast<uint8_t>(data[0]);
  for (const std::byte byte : data)
    if (static_cast<uint8_t>(byte) != fill) std::abort();
  bool written = fill == 0;
  for (uint8_t round = 0; round < kRounds; ++round) written |= fill == fill_of(block, round);
  if (!written) std::abort();
}

void recover(DiskImage image, bool repaired) {
  SimLoop loop(2);
  Runtime runtime = loop.runtime();
  SimDevice device(loop, {std::move(image), {}}, {}, 2);
  auto opened = loop.run(Store::open(runtime, device, {}));
  if (!opened) std::abort();  // it hangs
  if (!opened->ok()) return;
  std::unique_ptr<Store> store = std::move(**opened);
  AlignedBuffer data(kBlockBytes);
  for (const VolumeInfo& volume : store->volumes()) {
    for (uint64_t block = 0; block < std::min(kVolumeBlocks, volume.size_bytes / kBlockBytes);
         ++block) {
      const auto status = loop.run(store->read(volume.id, {block, 1}, data.data()));
      if (!status) std::abort();
      if (status->ok() && !repaired) check_block(data.span(), block);
    }
  }
  if (!loop.run(store->close())) std::abort();
}

}  // namespace
}  // namespace varve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const varve::DiskImage base = [] {
    varve::log_set_level(varve::LogLevel::kNone);
    return varve::make_image();
  }();
  if (size > 4096) return 0;
  varve::DiskImage image = base;
  const bool repaired = varve::patch(image, {data, size});
  varve::recover(std::move(image), repaired);
  return 0;
}
