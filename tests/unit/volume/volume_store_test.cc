// Volumes on the real store, on the simulated disk: nothing stands in for anything.
#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/store/store.h"
#include "tests/sim/sim_device.h"
#include "tests/unit/volume/volume_model.h"

namespace varve {
namespace {

constexpr uint32_t kSegmentBytes = 256 * kKiB;

struct Disk {
  explicit Disk(uint64_t seed, uint64_t bytes)
      : loop(seed), device(loop, {DiskImage(bytes), {}}, {}, seed) {}

  std::unique_ptr<Store> open() {
    auto opened = loop.run(Store::open(runtime, device, {}));
    REQUIRE(opened.has_value());
    REQUIRE(opened->ok());
    return std::move(**opened);
  }
  std::unique_ptr<Store> format_and_open() {
    const auto formatted =
        loop.run(Store::format(runtime, device, {.segment_bytes = kSegmentBytes}));
    REQUIRE(formatted.has_value());
    REQUIRE(formatted->ok());
    return open();
  }
  VolumeId create(Store& store, uint64_t size_bytes) {
    const auto created = loop.run(store.create_volume("volume", size_bytes));
    REQUIRE(created.has_value());
    REQUIRE(created->ok());
    return (**created).id;
  }
  Status await(Task<Status> task) {
    auto status = loop.run(std::move(task));
    REQUIRE(status.has_value());
    return std::move(*status);
  }

  SimLoop loop;
  Runtime runtime = loop.runtime();
  SimDevice device;
};

Task<void> keep_status(Task<Status> task, std::optional<Status>* status) {
  status->emplace(co_await task);
}

Task<Status> finished(SpaceGate* gate) {
  co_await gate->drained();
  co_return Status();
}

std::shared_ptr<VolumeShare> share_of(Disk& disk, Store& store, SpaceGate& gate, VolumeId id,
                                      uint64_t size_bytes) {
  return std::make_shared<VolumeShare>(disk.runtime,
                                       std::make_unique<StoreBackend>(store, gate, id), size_bytes);
}

}  // namespace

TEST_CASE("on the real store clients see only acknowledged or pending values") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    INFO("seed " << seed);
    Disk disk(seed, 16 * kMiB);
    const std::unique_ptr<Store> store = disk.format_and_open();
    const VolumeId id = disk.create(*store, VolumeModel::kBlockCount * kBlockBytes);
    VolumeModel model(disk.runtime, *store, id);
    TaskGroup clients(disk.runtime.ready);
    model.start(clients, 8, 40);
    REQUIRE(disk.loop.drain());
    REQUIRE(clients.running() == 0);
    CHECK(model.idle());
    REQUIRE(model.wrong_count() == 0);
    CHECK(disk.await(store->close()).ok());
    CHECK(disk.device.offence().empty());
  }
}

TEST_CASE("large and odd requests come back from the medium after the store was opened again") {
  Disk disk(7, 64 * kMiB);
  std::unique_ptr<Store> store = disk.format_and_open();
  const VolumeId id = disk.create(*store, 32 * kMiB);
  std::vector<std::byte> data(9 * kMiB + 777);
  for (std::byte& byte : data) byte = static_cast<std::byte>(disk.runtime.random.next());
  for (const bool reopened : {false, true}) {
    SpaceGate gate(disk.runtime, *store);
    Volume volume(share_of(disk, *store, gate, id, 32 * kMiB), false);
    if (!reopened) CHECK(disk.await(volume.write(12345, data)).ok());
    std::vector<std::byte> back(data.size() + 2, std::byte{1});
    CHECK(disk.await(volume.read(12344, back)).ok());
    CHECK(std::equal(data.begin(), data.end(), back.begin() + 1));
    CHECK(back.front() == std::byte{0});
    CHECK(back.back() == std::byte{0});
    CHECK(disk.await(store->close()).ok());
    if (!reopened) store = disk.open();
  }
}

TEST_CASE("writes wait while the real store is full and go on after a trim") {
  Disk disk(9, 16 * kMiB);
  const std::unique_ptr<Store> store = disk.format_and_open();
  const VolumeId id = disk.create(*store, 64 * kMiB);
  SpaceGate gate(disk.runtime, *store);
  Volume volume(share_of(disk, *store, gate, id, 64 * kMiB), false);
  AlignedBuffer data(64 * kKiB);
  TaskGroup writes(disk.runtime.ready);
  std::vector<std::optional<Status>> ended(1000);
  size_t count = 0;
  for (; gate.waiting_count() == 0; ++count) {
    REQUIRE(count < ended.size());
    writes.start(keep_status(volume.write(count * data.size(), data.span()), &ended[count]));
    REQUIRE(disk.loop.drain());
  }
  CHECK(count > 50);
  REQUIRE(disk.await(volume.trim(0, 32 * data.size())).ok());
  REQUIRE(disk.loop.drain());
  CHECK(gate.waiting_count() == 0);
  REQUIRE(writes.running() == 0);
  for (size_t i = 0; i < count; ++i) CHECK(ended[i]->ok());
  gate.close();
  CHECK(disk.await(store->close()).ok());
  CHECK(disk.await(finished(&gate)).ok());
}

}  // namespace varve
