#include "core/volume/volume.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "core/base/aligned_buffer.h"
#include "core/volume/space_gate.h"
#include "tests/unit/volume/fake_store.h"

namespace varve {
namespace {

constexpr uint64_t kBlockCount = 1024;

struct Scene {
  explicit Scene(uint64_t block_count = kBlockCount) : shard(1, block_count) {}
  ~Scene() {
    gate.close();
    shard.close_store();
  }

  Status write(uint64_t offset, std::span<const std::byte> from) {
    return shard.await(volume.write(offset, from));
  }
  std::vector<std::byte> read(uint64_t offset, uint64_t bytes) {
    std::vector<std::byte> out(bytes, std::byte{0xee});
    REQUIRE(shard.await(volume.read(offset, out)).ok());
    return out;
  }

  FakeShard shard;
  SpaceGate gate{shard.runtime, *shard.store};
  std::shared_ptr<VolumeShare> share = std::make_shared<VolumeShare>(
      shard.runtime, std::make_unique<StoreBackend>(*shard.store, gate, kFakeVolume),
      shard.core->bytes.size());
  Volume volume{share, false};
};

std::vector<std::byte> filled(uint64_t bytes, int value) {
  return std::vector<std::byte>(bytes, static_cast<std::byte>(value));
}

Task<void> keep_status(Task<Status> task, std::optional<Status>* status) {
  status->emplace(co_await task);
}

}  // namespace

TEST_CASE("odd offsets and lengths read back what was written, and nothing beside it changes") {
  Scene scene;
  std::vector<std::byte> model(scene.volume.size_bytes());
  Random random(3);
  for (int i = 0; i < 300; ++i) {
    const uint64_t offset = random.below(model.size());
    const uint64_t bytes = random.below(std::min<uint64_t>(model.size() - offset, 20'000) + 1);
    std::vector<std::byte> data(bytes);
    for (std::byte& byte : data) byte = static_cast<std::byte>(random.next());
    REQUIRE(scene.write(offset, data).ok());
    std::copy(data.begin(), data.end(), model.begin() + static_cast<ptrdiff_t>(offset));
  }
  CHECK(scene.read(0, model.size()) == model);
  CHECK(scene.read(4095, 8194) ==
        std::vector<std::byte>(model.begin() + 4095, model.begin() + 4095 + 8194));
  CHECK(scene.shard.core->crc_errors == 0);
  CHECK(scene.shard.core->unaligned_read_count == 0);
}

TEST_CASE("aligned blocks reach the store as they are, in one call up to a piece") {
  Scene scene;
  AlignedBuffer data(1 * kMiB);
  REQUIRE(scene.write(0, data.span()).ok());
  CHECK(scene.shard.core->write_count == 1);
  REQUIRE(scene.write(0, AlignedBuffer(3 * kMiB).span()).ok());
  CHECK(scene.shard.core->write_count == 4);
  CHECK(scene.shard.core->largest_write_blocks == 256);
}

TEST_CASE("trim frees whole blocks and leaves the bytes of partial ones") {
  Scene scene;
  REQUIRE(scene.write(0, filled(5 * 4096, 7)).ok());
  REQUIRE(scene.shard.await(scene.volume.trim(100, 3 * 4096)).ok());
  CHECK(scene.read(0, 4096) == filled(4096, 7));
  CHECK(scene.read(4096, 2 * 4096) == filled(2 * 4096, 0));
  CHECK(scene.read(3 * 4096, 2 * 4096) == filled(2 * 4096, 7));
  CHECK_FALSE(scene.shard.core->mapped[1]);
  REQUIRE(scene.shard.await(scene.volume.trim(4096 + 1, 4095)).ok());  // no whole block in it
  CHECK(scene.shard.core->mapped[3]);
}

TEST_CASE("write zeroes clears every byte and frees the whole blocks") {
  Scene scene;
  REQUIRE(scene.write(0, filled(5 * 4096, 7)).ok());
  REQUIRE(scene.shard.await(scene.volume.write_zeroes(100, 3 * 4096)).ok());
  CHECK(scene.read(0, 100) == filled(100, 7));
  CHECK(scene.read(100, 3 * 4096) == filled(3 * 4096, 0));
  CHECK(scene.read(100 + 3 * 4096, 4096) == filled(4096, 7));
  CHECK_FALSE(scene.shard.core->mapped[1]);
  CHECK(scene.shard.core->mapped[0]);
}

TEST_CASE("ranges beyond the end and changes of a read-only volume are refused") {
  Scene scene;
  const uint64_t size = scene.volume.size_bytes();
  std::vector<std::byte> two(2);
  CHECK(scene.write(size - 1, two).code() == ErrorCode::kInvalidArgument);
  CHECK(scene.write(UINT64_MAX, two).code() == ErrorCode::kInvalidArgument);
  CHECK(scene.shard.await(scene.volume.trim(1, size)).code() == ErrorCode::kInvalidArgument);
  CHECK(scene.shard.await(scene.volume.read(size, {})).ok());
  Volume reader(scene.share, true);
  CHECK(scene.shard.await(reader.write(0, two)).code() == ErrorCode::kInvalidArgument);
  CHECK(scene.shard.await(reader.read(0, two)).ok());
}

TEST_CASE("block status is in bytes, merged over extents and cut at the caller's room") {
  Scene scene(3 * kExtentBlocks);
  REQUIRE(scene.write(kExtentBytes - 4096, filled(8192, 1)).ok());
  std::vector<ByteRun> runs;
  REQUIRE(scene.shard.await(scene.volume.block_status(10, 3 * kExtentBytes - 20, 100, &runs)).ok());
  REQUIRE(runs.size() == 3);
  CHECK(runs[0].bytes == kExtentBytes - 4096 - 10);
  CHECK_FALSE(runs[0].data);
  CHECK(runs[1].bytes == 8192);
  CHECK(runs[1].data);
  CHECK(runs[0].bytes + runs[1].bytes + runs[2].bytes == 3 * kExtentBytes - 20);
  runs.clear();
  REQUIRE(scene.shard.await(scene.volume.block_status(0, 3 * kExtentBytes, 1, &runs)).ok());
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].bytes == kExtentBytes - 4096);
  runs.clear();
  REQUIRE(scene.shard.await(scene.volume.block_status(kExtentBytes - 1, 2, 100, &runs)).ok());
  REQUIRE(runs.size() == 1);
  CHECK(runs[0].bytes == 2);
}

TEST_CASE("a damaged block is never merged into a good one, and can be overwritten whole") {
  Scene scene;
  scene.shard.core->read_answer = ErrorCode::kDamaged;
  CHECK(scene.write(1, filled(1, 1)).code() == ErrorCode::kDamaged);
  CHECK(scene.shard.core->write_count == 0);
  CHECK(scene.write(0, filled(4096, 1)).ok());
}

TEST_CASE("writes to a full store wait for space, a trim of the same blocks passes them") {
  Scene scene;
  scene.shard.core->write_answer = ErrorCode::kNoSpace;
  std::optional<Status> whole;
  std::optional<Status> partial;
  const std::vector<std::byte> block = filled(4096, 5);
  const std::vector<std::byte> byte = filled(1, 6);
  scene.shard.group.start(keep_status(scene.volume.write(0, block), &whole));
  scene.shard.group.start(keep_status(scene.volume.write(4096 + 9, byte), &partial));
  scene.shard.run();
  CHECK_FALSE(whole.has_value());
  CHECK(scene.gate.waiting_count() == 2);
  CHECK(scene.shard.await(scene.volume.trim(0, 8192)).ok());
  scene.shard.core->space.wake_all();  // not enough yet: they must come back for more
  scene.shard.run();
  CHECK(scene.gate.waiting_count() == 2);
  scene.shard.free_space();
  scene.shard.run();
  REQUIRE(whole.has_value());
  REQUIRE(partial.has_value());
  CHECK(whole->ok());
  CHECK(partial->ok());
  CHECK(scene.gate.waiting_count() == 0);
  CHECK(scene.read(0, 4096) == block);
  CHECK(scene.read(4096 + 9, 1) == byte);
}

TEST_CASE("a client that goes ends its own waits and nobody else's") {
  Scene scene;
  Volume other(scene.share, false);
  scene.shard.core->write_answer = ErrorCode::kNoSpace;
  const std::vector<std::byte> block = filled(4096, 5);
  std::optional<Status> gone;
  std::optional<Status> stays;
  scene.shard.group.start(keep_status(scene.volume.write(0, block), &gone));
  scene.shard.group.start(keep_status(other.write(0, block), &stays));
  scene.shard.run();
  scene.volume.close();
  scene.shard.run();
  REQUIRE(gone.has_value());
  CHECK(gone->code() == ErrorCode::kClosed);
  CHECK_FALSE(stays.has_value());
  scene.gate.close();
  scene.shard.run();
  REQUIRE(stays.has_value());
  CHECK(stays->code() == ErrorCode::kClosed);
}

}  // namespace varve
