// The simulated disk: what a crash may take and what it must leave, and that it watches its user.
#include "tests/sim/sim_device.h"

#include <catch2/catch_test_macros.hpp>

#include "core/base/aligned_buffer.h"
#include "core/base/units.h"
#include "core/runtime/task_group.h"
#include "tests/sim/payload.h"

namespace varve {
namespace {

struct Disk {
  SimLoop loop{1};
  SimDevice device;
  FaultCounts counts;
  Random random{5};
  AlignedBuffer memory{16 * kBlockBytes};

  explicit Disk(SimDeviceOptions options = {})
      : device(loop, DiskState{DiskImage(64 * kBlockBytes), {}}, options, 9) {}
  std::span<const std::byte> block(uint32_t value) {
    std::byte* at = memory.data() + (value % 16) * kBlockBytes;
    fill_block({1, 0, value}, at);
    return {at, kBlockBytes};
  }
};

Task<void> put(SimDevice* device, uint64_t offset, std::span<const std::byte> data, bool durable) {
  const Status status = co_await device->write(offset, data, durable);
  CHECK(status.ok());
}
Task<bool> put_and_wait(SimDevice* device, uint64_t offset, std::span<const std::byte> data,
                        bool durable) {
  co_await put(device, offset, data, durable);
  co_return true;
}
Task<bool> drop(SimDevice* device, uint64_t offset, uint64_t bytes) {
  const Status status = co_await device->discard(offset, bytes);
  co_return status.ok();
}

Task<bool> flush(SimDevice* device) {
  const Status status = co_await device->flush();
  co_return status.ok();
}

BlockValue value_at(const DiskImage& image, uint64_t offset) {
  return value_of(image.data() + offset, 1, 0);
}

TEST_CASE("a durable write survives every crash once it completed") {
  Disk disk;
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(1), true)));
  for (int i = 0; i < 200; ++i) {
    CHECK(value_at(disk.device.power_cut(disk.random, disk.counts).image, 0) == 1);
  }
}

TEST_CASE("a write that is only cached, or in flight, is kept, lost or torn") {
  for (const bool completed : {true, false}) {
    Disk disk;
    REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(1), true)));
    TaskGroup group(disk.loop.ready());
    group.start(put(&disk.device, 0, disk.block(2), false));
    if (completed) REQUIRE(disk.loop.drain());
    int old_value = 0, new_value = 0, torn = 0;
    for (int i = 0; i < 300; ++i) {
      const BlockValue found = value_at(disk.device.power_cut(disk.random, disk.counts).image, 0);
      ++(found == 1 ? old_value : found == 2 ? new_value : torn);
    }
    CHECK(old_value > 20);
    CHECK(new_value > 20);
    CHECK(torn > 20);
    REQUIRE(disk.loop.drain());
  }
}

TEST_CASE("a killed process leaves the cache behind, which a later power cut may take") {
  Disk disk;
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(1), true)));
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(2), false)));
  int old_value = 0;
  for (int i = 0; i < 100; ++i) {
    SimDevice next(disk.loop, disk.device.crash(CrashKind::kKill, disk.random, disk.counts), {}, 3);
    CHECK(value_at(next.image(), 0) == 2);
    old_value += value_at(next.power_cut(disk.random, disk.counts).image, 0) == 1;
  }
  CHECK(old_value > 10);
}

TEST_CASE("a flush makes everything stable that completed before it") {
  Disk disk;
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(1), false)));
  REQUIRE(disk.loop.run(flush(&disk.device)));
  for (int i = 0; i < 100; ++i) {
    CHECK(value_at(disk.device.power_cut(disk.random, disk.counts).image, 0) == 1);
  }
}

TEST_CASE("a durable write makes only itself stable") {
  Disk disk;
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(1), false)));
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, kBlockBytes, disk.block(2), true)));
  bool lost = false;
  for (int i = 0; i < 200; ++i) {
    lost = lost || value_at(disk.device.power_cut(disk.random, disk.counts).image, 0) != 1;
  }
  CHECK(lost);
}

TEST_CASE("a durable write over a cached one cannot be taken back") {
  Disk disk;
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(1), false)));
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(2), true)));
  for (int i = 0; i < 200; ++i) {
    CHECK(value_at(disk.device.power_cut(disk.random, disk.counts).image, 0) == 2);
  }
}

TEST_CASE("a discard may leave the old bytes or zeroes, and a crash may bring them back") {
  int left = 0, zeroed = 0, reverted = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SimLoop loop(seed);
    SimDevice device(loop, {DiskImage(4 * kBlockBytes), {}}, {.discard_zeroes_per_mille = 500},
                     seed);
    Disk source;
    REQUIRE(loop.run(put_and_wait(&device, 0, source.block(1), true)));
    REQUIRE(loop.run(drop(&device, 0, kBlockBytes)));
    const bool zero = value_at(device.image(), 0) == kZeroValue;
    ++(zero ? zeroed : left);
    for (int i = 0; i < 20 && zero; ++i) {
      reverted += value_at(device.power_cut(source.random, source.counts).image, 0) == 1;
    }
  }
  CHECK(left > 0);
  CHECK(zeroed > 0);
  CHECK(reverted > 0);
}

TEST_CASE("durable writes are remembered for damage until something writes there again") {
  Disk disk({.durable_history_max = 4});
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(1), true)));
  REQUIRE(disk.loop.run(put_and_wait(&disk.device, 0, disk.block(2), true)));
  REQUIRE(disk.device.durable_history().size() == 1);
  CHECK(value_of(disk.device.durable_history()[0].before.data(), 1, 0) == 1);
}

TEST_CASE("two writes in flight on the same bytes are an offence") {
  Disk disk;
  TaskGroup group(disk.loop.ready());
  group.start(put(&disk.device, 0, disk.block(1), true));
  CHECK(disk.device.offence().empty());
  group.start(put(&disk.device, 0, disk.block(2), true));
  CHECK_FALSE(disk.device.offence().empty());
  REQUIRE(disk.loop.drain());
}

TEST_CASE("memory that changes under a write is an offence") {
  Disk disk;
  TaskGroup group(disk.loop.ready());
  const auto data = disk.block(1);
  group.start(put(&disk.device, 0, data, true));
  const_cast<std::byte*>(data.data())[100] ^= std::byte{1};
  REQUIRE(disk.loop.drain());
  CHECK_FALSE(disk.device.offence().empty());
}

Task<void> flush_and_end(SimDevice* device) {
  const bool flushed = co_await flush(device);
  CHECK(flushed);
}

TEST_CASE("requests in flight have names") {
  Disk disk;
  TaskGroup group(disk.loop.ready());
  group.start(put(&disk.device, 2 * kBlockBytes, disk.block(1), true));
  group.start(flush_and_end(&disk.device));
  CHECK(disk.device.flights_text() == "write 2+1 durable, flush 0+0");
  REQUIRE(disk.loop.drain());
  CHECK(disk.device.flights_text() == "nothing in flight");
}

TEST_CASE("the same seed completes the same requests in the same order") {
  const auto run = [](uint64_t seed) {
    SimLoop loop(seed);
    SimDevice device(loop, {DiskImage(64 * kBlockBytes), {}}, {}, seed);
    Disk source;
    TaskGroup group(loop.ready());
    for (uint64_t i = 0; i < 16; ++i) {
      group.start(put(&device, i * kBlockBytes, source.block(static_cast<uint32_t>(i)), true));
    }
    REQUIRE(loop.drain());
    return loop.hash();
  };
  CHECK(run(3) == run(3));
  CHECK(run(3) != run(4));
}

TEST_CASE("a block names itself, and any change shows") {
  std::byte block[kBlockBytes];
  fill_block({3, 9, 77}, block);
  CHECK(value_of(block, 3, 9) == 77);
  CHECK(value_of(block, 3, 8) == kGarbageValue);
  CHECK(value_of(block, 2, 9) == kGarbageValue);
  for (size_t at = 0; at < kBlockBytes; at += 61) {
    block[at] ^= std::byte{4};
    CHECK(value_of(block, 3, 9) == kGarbageValue);
    block[at] ^= std::byte{4};
  }
  std::byte zeroes[kBlockBytes] = {};
  CHECK(value_of(zeroes, 3, 9) == kZeroValue);
}

}  // namespace
}  // namespace varve
