#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "core/base/aligned_buffer.h"
#include "core/volume/encrypted_backend.h"
#include "core/volume/space_gate.h"
#include "core/volume/volume.h"
#include "tests/unit/volume/fake_store.h"
#include "tests/unit/volume/volume_model.h"

namespace varve {
namespace {

using Bytes = std::vector<std::byte>;

// Always the same one: a failing seed can be replayed.
std::shared_ptr<BlockCipher> test_cipher(uint64_t seed) {
  Result<Secret> key = Secret::make(BlockCipher::kKeyBytes);
  REQUIRE(key.ok());
  Random random(seed);
  for (std::byte& byte : key->reveal()) byte = static_cast<std::byte>(random.next());
  auto cipher = BlockCipher::make(*key);
  REQUIRE(cipher.ok());
  return std::move(*cipher);
}

struct Scene {
  explicit Scene(uint64_t seed = 1, uint64_t block_count = 1024) : shard(seed, block_count) {}
  ~Scene() {
    gate.close();
    shard.close_store();
  }

  std::shared_ptr<VolumeShare> share_under(std::shared_ptr<BlockCipher> with) {
    auto store = std::make_unique<StoreBackend>(*shard.store, gate, kFakeVolume);
    return std::make_shared<VolumeShare>(
        shard.runtime,
        std::make_unique<EncryptedBackend>(std::move(store), std::move(with), buffers),
        shard.core->bytes.size());
  }
  Bytes read(uint64_t offset, uint64_t bytes) {
    Bytes out(bytes, std::byte{0xee});
    REQUIRE(shard.await(volume.read(offset, out)).ok());
    return out;
  }
  const std::byte* stored(uint64_t block) const { return &shard.core->bytes[block * kBlockBytes]; }

  FakeShard shard;
  SpaceGate gate{shard.runtime, *shard.store};
  BufferPool buffers{UINT64_MAX, 4 * kMiB};
  std::shared_ptr<BlockCipher> cipher = test_cipher(5);
  Volume volume{share_under(cipher), false};
};

// What clients write: so regular that any of it would be seen.
Bytes pattern(uint64_t bytes, int value) {
  Bytes out(bytes);
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(value + i % 4);
  return out;
}

// 16 bytes of any pattern() begin with one of its four values and go on counting.
bool holds_pattern(std::span<const std::byte> bytes) {
  size_t alike = 0;
  for (size_t i = 4; i < bytes.size(); ++i) {
    alike = bytes[i] == bytes[i - 4] && bytes[i] != std::byte{0} ? alike + 1 : 0;
    if (alike == 12) return true;
  }
  return false;
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

Task<void> keep_status(Task<Status> task, std::optional<Status>* status) {
  status->emplace(co_await task);
}

// One random change, in the volume and in the array.
void change(Scene& scene, Random& random, Bytes& model) {
  const uint64_t offset = random.below(model.size());
  const uint64_t bytes = random.below(std::min<uint64_t>(model.size() - offset, 20'000) + 1);
  const auto at = [&](uint64_t place) { return model.begin() + static_cast<ptrdiff_t>(place); };
  const uint64_t pick = random.below(8);
  if (pick == 0) {
    REQUIRE(scene.shard.await(scene.volume.trim(offset, bytes)).ok());
    const uint64_t first = round_up(offset, kBlockBytes);
    const uint64_t end = (offset + bytes) / kBlockBytes * kBlockBytes;
    if (end > first) std::fill(at(first), at(end), std::byte{0});
  } else if (pick == 1) {
    REQUIRE(scene.shard.await(scene.volume.write_zeroes(offset, bytes)).ok());
    std::fill(at(offset), at(offset + bytes), std::byte{0});
  } else {
    const Bytes data = pattern(bytes, static_cast<int>(1 + random.below(200)));
    REQUIRE(scene.shard.await(scene.volume.write(offset, data)).ok());
    std::copy(data.begin(), data.end(), at(offset));
  }
}

}  // namespace

TEST_CASE("an encrypted volume is to its clients what a plain one is") {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    INFO("seed " << seed);
    FakeShard shard(seed, VolumeModel::kBlockCount);
    BufferPool buffers(UINT64_MAX, 1 * kMiB);
    VolumeModel model(
        shard.runtime, *shard.store, kFakeVolume, [&](std::unique_ptr<BlockBackend> store) {
          return std::make_unique<EncryptedBackend>(std::move(store), test_cipher(seed), buffers);
        });
    model.start(shard.group, 8, 40);
    shard.run();
    REQUIRE(shard.group.running() == 0);
    CHECK(model.idle());
    CHECK(model.change_count() > 0);
    REQUIRE(model.wrong_count() == 0);
    CHECK(shard.core->crc_errors == 0);
    CHECK(buffers.used_bytes() == 0);
  }
}

TEST_CASE("odd offsets read back as from an array, and the store holds none of it") {
  Scene scene;
  Bytes model(scene.volume.size_bytes());
  Random random(3);
  for (int i = 0; i < 400; ++i) change(scene, random, model);
  CHECK(scene.read(0, model.size()) == model);
  CHECK(scene.read(4095, 8194) == Bytes(model.begin() + 4095, model.begin() + 4095 + 8194));
  CHECK(scene.shard.core->crc_errors == 0);  // they are those of the ciphertext
  CHECK(holds_pattern(model));
  CHECK_FALSE(holds_pattern(scene.shard.core->bytes));
}

TEST_CASE("holes stay holes, and zeroes that were written are none") {
  Scene scene;
  REQUIRE(scene.shard.await(scene.volume.write(0, pattern(4 * kBlockBytes, 7))).ok());
  REQUIRE(scene.shard.await(scene.volume.trim(kBlockBytes, kBlockBytes)).ok());
  REQUIRE(scene.shard.await(scene.volume.write(2 * kBlockBytes, Bytes(kBlockBytes))).ok());
  CHECK(is_zero({scene.stored(1), kBlockBytes}));
  CHECK_FALSE(is_zero({scene.stored(2), kBlockBytes}));
  CHECK(is_zero(scene.read(kBlockBytes, 2 * kBlockBytes)));
  CHECK(scene.read(3 * kBlockBytes, 10) == pattern(10, 7));
  CHECK(is_zero(scene.read(100 * kBlockBytes, kBlockBytes)));
  std::vector<ByteRun> runs;
  REQUIRE(scene.shard.await(scene.volume.block_status(0, 5 * kBlockBytes, 10, &runs)).ok());
  REQUIRE(runs.size() == 4);
  CHECK((runs[0].data && !runs[1].data && runs[2].data && !runs[3].data));
  // A part of a hole is written: the rest of the block reads as zeroes.
  REQUIRE(scene.shard.await(scene.volume.write(kBlockBytes + 100, pattern(50, 9))).ok());
  CHECK(is_zero(scene.read(kBlockBytes, 100)));
  CHECK(scene.read(kBlockBytes + 100, 50) == pattern(50, 9));
  CHECK(is_zero(scene.read(kBlockBytes + 150, kBlockBytes - 150)));
}

TEST_CASE("another key reads noise, in the same holes") {
  Scene scene;
  const Bytes data = pattern(2 * kBlockBytes, 3);
  REQUIRE(scene.shard.await(scene.volume.write(0, data)).ok());
  Volume other(scene.share_under(test_cipher(6)), false);
  Bytes out(3 * kBlockBytes);
  REQUIRE(scene.shard.await(other.read(0, out)).ok());
  CHECK_FALSE(holds_pattern(out));
  CHECK(is_zero({out.data() + 2 * kBlockBytes, kBlockBytes}));
}

TEST_CASE("a large write leaves the caller's bytes alone and costs no new memory the second time") {
  Scene scene;
  AlignedBuffer data(3 * kMiB);
  const Bytes bytes = pattern(data.size(), 40);
  std::memcpy(data.data(), bytes.data(), bytes.size());
  REQUIRE(scene.shard.await(scene.volume.write(0, data.span())).ok());
  const uint64_t unused_bytes = scene.buffers.unused_bytes();
  CHECK(unused_bytes == 3 * kMiB);
  REQUIRE(scene.shard.await(scene.volume.write(0, data.span())).ok());
  CHECK(scene.buffers.unused_bytes() == unused_bytes);
  CHECK(scene.buffers.used_bytes() == 0);
  CHECK(std::ranges::equal(data.span(), bytes));
  CHECK(scene.read(0, bytes.size()) == bytes);
}

TEST_CASE("errors of the store come through, and a write that waits for space goes on") {
  Scene scene;
  scene.shard.core->read_answer = ErrorCode::kDamaged;
  Bytes out(kBlockBytes);
  CHECK(scene.shard.await(scene.volume.read(0, out)).code() == ErrorCode::kDamaged);
  CHECK(scene.shard.await(scene.volume.write(1, pattern(10, 1))).code() == ErrorCode::kDamaged);
  scene.shard.core->read_answer = ErrorCode::kOk;
  scene.shard.core->write_answer = ErrorCode::kNoSpace;
  const Bytes data = pattern(kBlockBytes, 60);
  std::optional<Status> status;
  scene.shard.group.start(keep_status(scene.volume.write(0, data), &status));
  scene.shard.run();
  CHECK_FALSE(status.has_value());
  CHECK(scene.buffers.used_bytes() == 0);  // waiting takes no buffer
  scene.shard.free_space();
  scene.shard.run();
  REQUIRE(status.has_value());
  CHECK(status->ok());
  CHECK(scene.read(0, kBlockBytes) == data);
}

}  // namespace varve
