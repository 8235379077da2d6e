// Simulated devices without faults, a loop and at most one open store.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/format/cold_index.h"
#include "core/store/store.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_loop.h"

namespace varve {

inline constexpr uint32_t kSegmentBytes = 64 * 1024;
inline constexpr uint32_t kColdSegmentBytes = 4 * kSegmentBytes;

// Flips a bit in every index that the device holds.
inline uint64_t spoil_indexes(DiskImage& image) {
  uint64_t count = 0;
  for (uint64_t at = 0; at + kBlockBytes <= image.size(); at += kBlockBytes) {
    uint64_t magic = 0;
    std::memcpy(&magic, image.data() + at, sizeof magic);
    if (magic != kColdIndexMagic) continue;
    image[at + sizeof(ColdIndexHeader)] ^= std::byte{1};
    ++count;
  }
  return count;
}

class StoreBench {
 public:
  explicit StoreBench(uint32_t slot_count)
      : loop_(7),
        runtime_(loop_.runtime()),
        device_(loop_, {DiskImage(slot_count * kSegmentBytes + 256 * 1024), {}}, {}, 3) {}
  ~StoreBench() {
    if (store_) close();
  }

  Status format(Uuid cluster = {}) {
    return *loop_.run(
        Store::format(runtime_, device_, {.cluster = cluster, .segment_bytes = kSegmentBytes}));
  }
  // With the HDD, if there is one.
  Status open() {
    StoreOptions options;
    if (hdd_) options.cold_devices = {hdd_.get()};
    return open(device_, std::move(options));
  }
  Status open_with_memory(uint64_t memory_max_bytes) {
    StoreOptions options;
    options.memory_max_bytes = memory_max_bytes;
    return open(device_, std::move(options));
  }
  Status open_without_hdd() { return open(device_, {}); }
  Status open_hdd_as_ssd() { return open(*hdd_, {}); }
  // A blank one.
  Status add_hdd(uint64_t bytes, SimDeviceOptions options = {}) {
    hdd_ = std::make_unique<SimDevice>(loop_, DiskState{DiskImage(bytes), {}}, options, 5);
    return *loop_.run(store_->add_cold_device(*hdd_, {}));
  }
  SimDevice& hdd() { return *hdd_; }
  uint64_t hdd_writes() const { return hdd_->writes_submitted(); }
  using Change = uint64_t (*)(DiskImage& image);
  // While nothing is on its way. What `change` returns.
  uint64_t spoil_ssd(Change change) { return spoil(device_, change); }
  uint64_t spoil_hdd(Change change) { return spoil(*hdd_, change); }
  void close() {
    CHECK(loop_.run(store_->close())->ok());
    store_.reset();
  }
  void close_failed() {
    CHECK(loop_.run(store_->close())->code() == ErrorCode::kIoError);
    store_.reset();
  }
  RunQueue& ready() { return loop_.ready(); }
  Store& store() { return *store_; }

  VolumeId create(std::string name, uint64_t blocks) {
    return (*loop_.run(store_->create_volume(std::move(name), blocks * kBlockBytes)))->id;
  }
  Result<VolumeInfo> resize(VolumeId id, uint64_t blocks) {
    return *loop_.run(store_->resize_volume(id, blocks * kBlockBytes));
  }
  Status write(VolumeId id, BlockRange range, uint8_t fill) {
    AlignedBuffer data(range.count * kBlockBytes);
    std::memset(data.data(), fill, data.size());
    std::vector<uint32_t> crcs(range.count);
    crc32c_blocks(data.data(), range.count, crcs.data());
    return *loop_.run(store_->write(id, range, data.data(), crcs.data()));
  }
  // The byte that fills the block, or -1 for an error or mixed content.
  int read(VolumeView view, uint64_t block) {
    AlignedBuffer data(kBlockBytes);
    std::memset(data.data(), 0xee, data.size());
    if (!loop_.run(store_->read(view, {block, 1}, data.data()))->ok()) return -1;
    for (const std::byte byte : data.span())
      if (byte != data.data()[0]) return -1;
    return static_cast<int>(data.data()[0]);
  }
  Status write_as(GroupStamp stamp, VolumeId id, BlockRange range, uint8_t fill) {
    AlignedBuffer data(range.count * kBlockBytes);
    std::memset(data.data(), fill, data.size());
    std::vector<uint32_t> crcs(range.count);
    crc32c_blocks(data.data(), range.count, crcs.data());
    return *loop_.run(store_->write_as(stamp, id, range, data.data(), crcs.data()));
  }
  template <typename T>
  T run(Task<T> task) {
    return *loop_.run(std::move(task));
  }
  // Snapshots of the volumes at one instant, all with the same name.
  Result<std::vector<SnapshotInfo>> snapshot(const std::vector<VolumeId>& ids, std::string name) {
    std::vector<SnapshotRequest> requests;
    for (const VolumeId id : ids) requests.push_back({id, name});
    return *loop_.run(store_->create_snapshots(std::move(requests)));
  }
  Status drop(VolumeId id, std::string name) {
    return *loop_.run(store_->delete_snapshot(id, std::move(name)));
  }
  Status trim(VolumeId id, BlockRange range) { return *loop_.run(store_->trim(id, range)); }
  Status remove(VolumeId id) { return *loop_.run(store_->delete_volume(id)); }
  void settle() { CHECK(loop_.drain()); }
  uint64_t now_ns() const { return runtime_.clock.monotonic_ns(); }
  void wait_ns(uint64_t time_ns) { loop_.run(wait_until(now_ns() + time_ns)); }
  SimDevice& device() { return device_; }

 private:
  SimLoop loop_;
  Runtime runtime_;
  Status open(BlockDevice& device, StoreOptions options) {
    auto opened = loop_.run(Store::open(runtime_, device, std::move(options)));
    if (!opened->ok()) return opened->status();
    store_ = std::move(**opened);
    return {};
  }

  Task<bool> wait_until(uint64_t deadline_ns) {
    co_await runtime_.timers.until(deadline_ns);
    co_return true;
  }
  static uint64_t spoil(SimDevice& device, Change change) {
    DiskState disk{device.image(), {}};
    const uint64_t result = change(disk.image);
    device.insert(std::move(disk));
    return result;
  }

  SimDevice device_;
  std::unique_ptr<SimDevice> hdd_;
  std::unique_ptr<Store> store_;
};

}  // namespace varve
