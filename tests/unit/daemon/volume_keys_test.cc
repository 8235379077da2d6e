// The keys of encrypted volumes on a real store, on a simulated disk whose every byte is looked at.
#include "core/daemon/volume_keys.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/base/text.h"
#include "core/volume/encrypted_backend.h"
#include "core/volume/space_gate.h"
#include "core/volume/volume.h"
#include "tests/sim/sim_device.h"

namespace varve {
namespace {

constexpr std::string_view kKeyA = "a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
constexpr std::string_view kKeyB = "b //79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=\n";
constexpr uint64_t kVolumeBytes = 40 * kBlockBytes;

using Bytes = std::vector<std::byte>;

class KeyFile {
 public:
  explicit KeyFile(std::string_view content)
      : path_(text(VARVE_TEST_FOLDER, "/volume-keys-", getpid())) {
    std::ofstream(path_, std::ios::binary) << content;
    chmod(path_.c_str(), 0600);
  }
  ~KeyFile() { std::filesystem::remove(path_); }
  KeyRing ring() const {
    Result<KeyRing> ring = KeyRing::read(path_);
    REQUIRE(ring.ok());
    return std::move(*ring);
  }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
};

Bytes pattern(uint64_t bytes, char first) {
  Bytes out(bytes);
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>(first + i % 13);
  return out;
}

// A store, and clients that open its volumes one at a time.
struct Scene {
  Scene() {
    REQUIRE(run(Store::format(runtime, device, {.segment_bytes = 64 * kKiB})).ok());
    open();
  }
  ~Scene() { CHECK(run(store->close()).ok()); }

  void open() {
    auto opened = run(Store::open(runtime, device, {}));
    REQUIRE(opened.ok());
    store = std::move(*opened);
  }
  void reopen() {
    CHECK(run(store->close()).ok());
    open();
  }
  template <typename T>
  T run(Task<T> task) {
    auto result = loop.run(std::move(task));
    REQUIRE(result.has_value());
    return std::move(*result);
  }
  VolumeId create(const VolumeKeys& keys, std::string name) {
    const Result<KeyWrapper> wrap = keys.wrapper(*store, "a");
    REQUIRE(wrap.ok());
    const auto made = run(store->create_volume(std::move(name), kVolumeBytes, *wrap));
    REQUIRE(made.ok());
    return made->id;
  }
  Status cipher_error(const VolumeKeys& keys, std::string_view name) {
    return keys.cipher(*store, *store->find_volume(name)).status();
  }
  void with_volume(const VolumeKeys& keys, std::string_view name,
                   const std::function<void(Volume&)>& use) {
    const VolumeInfo info = *store->find_volume(name);
    const auto cipher = keys.cipher(*store, info);
    REQUIRE(cipher.ok());
    REQUIRE(*cipher != nullptr);
    SpaceGate gate(runtime, *store);
    BufferPool buffers(UINT64_MAX, 1 * kMiB);
    auto backend = std::make_unique<EncryptedBackend>(
        std::make_unique<StoreBackend>(*store, gate, info.id), *cipher, buffers);
    Volume volume(std::make_shared<VolumeShare>(runtime, std::move(backend), info.size_bytes),
                  false);
    use(volume);
  }
  void write(const VolumeKeys& keys, std::string_view name, uint64_t offset, const Bytes& data) {
    with_volume(keys, name, [&](Volume& volume) { CHECK(run(volume.write(offset, data)).ok()); });
  }
  Bytes read(const VolumeKeys& keys, std::string_view name, uint64_t offset, uint64_t bytes) {
    Bytes out(bytes, std::byte{0xee});
    with_volume(keys, name, [&](Volume& volume) { CHECK(run(volume.read(offset, out)).ok()); });
    return out;
  }
  bool on_device(std::span<const std::byte> bytes) const {
    const DiskImage& image = device.image();
    return !std::ranges::search(image, bytes).empty();
  }

  SimLoop loop{5};
  Runtime runtime = loop.runtime();
  SimDevice device{loop, {DiskImage(4 * kMiB), {}}, {}, 5};
  std::unique_ptr<Store> store;
};

void rewrap(Scene& scene, const VolumeKeys& keys, VolumeId id, const std::string& wrapping_key) {
  const Result<KeyRewrapper> rewrapper = keys.rewrapper(*scene.store, wrapping_key);
  REQUIRE(rewrapper.ok());
  CHECK(scene.run(scene.store->rewrap_key(id, *rewrapper)).ok());
}

}  // namespace

TEST_CASE("clones read what their parent wrote, before and after another wrapping key") {
  Scene scene;
  const KeyFile file(text(kKeyA, kKeyB));
  const VolumeKeys keys(file.path(), file.ring());
  const VolumeId parent = scene.create(keys, "parent");
  const Bytes old_data = pattern(9 * kBlockBytes, 'a');
  const Bytes new_data = pattern(3 * kBlockBytes, 'n');
  scene.write(keys, "parent", 1000, old_data);
  REQUIRE(scene.run(scene.store->create_snapshots({{parent, "s"}})).ok());
  scene.write(keys, "parent", 5000, new_data);
  REQUIRE(scene.run(scene.store->clone_volume(parent, "s", "child", 0)).ok());
  scene.with_volume(keys, "child", [&](Volume& volume) {
    CHECK(scene.run(volume.trim(2 * kBlockBytes, kBlockBytes)).ok());
    CHECK(scene.run(volume.write(30 * kBlockBytes + 1, new_data)).ok());
  });
  for (int round = 0; round < 3; ++round) {
    CHECK(scene.read(keys, "parent", 5000, new_data.size()) == new_data);
    CHECK(scene.read(keys, "child", 1000, 7192) ==
          Bytes(old_data.begin(), old_data.begin() + 7192));
    CHECK(scene.read(keys, "child", 2 * kBlockBytes, kBlockBytes) == Bytes(kBlockBytes));
    CHECK(scene.read(keys, "child", 30 * kBlockBytes + 1, new_data.size()) == new_data);
    if (round == 0) rewrap(scene, keys, scene.store->find_volume("child")->id, "b");
    CHECK(scene.store->find_volume("parent")->wrapping_key == "b");
    scene.reopen();
  }
  // What changed since the snapshot is told as ever.
  std::vector<BlockStatusRun> runs;
  const Generation then = scene.store->find_snapshot(parent, "s")->generation;
  REQUIRE(scene.run(scene.store->changed_blocks({parent, then}, {parent}, {0, 40}, &runs)).ok());
  REQUIRE(runs.size() == 3);
  CHECK((runs[0].block_count == 1 && runs[1].block_count == 4 && runs[1].data));
}

TEST_CASE("no plaintext, no data key and no wrapping key is on the device") {
  Scene scene;
  const KeyFile file(text(kKeyA, kKeyB));
  const VolumeKeys keys(file.path(), file.ring());
  const VolumeId id = scene.create(keys, "v");
  const Bytes data = pattern(20 * kBlockBytes, 'p');
  scene.write(keys, "v", 123, data);
  rewrap(scene, keys, id, "b");
  scene.write(keys, "v", 4000, data);
  scene.reopen();
  const Result<VolumeKey> held = scene.store->volume_key(id);
  REQUIRE(held.ok());
  CHECK(scene.on_device(held->wrapped.bytes));  // the search finds what is there
  const Result<Secret> key =
      file.ring().unwrap("b", {scene.store->disk(), id}, held->wrapped.bytes);
  REQUIRE(key.ok());
  for (size_t at = 0; at < BlockCipher::kKeyBytes; at += 8)
    CHECK_FALSE(scene.on_device(key->reveal().subspan(at, 8)));
  CHECK_FALSE(scene.on_device(std::span(data).first(13)));
  Bytes wrapping(16);  // how the key a begins
  for (size_t i = 0; i < wrapping.size(); ++i) wrapping[i] = static_cast<std::byte>(i);
  CHECK_FALSE(scene.on_device(wrapping));
}

TEST_CASE("without the right key nothing opens, and the reason names volume and key") {
  Scene scene;
  const KeyFile file(kKeyA);
  const VolumeKeys keys(file.path(), file.ring());
  scene.create(keys, "v");
  scene.create(keys, "other");
  const Status no_file = scene.cipher_error(VolumeKeys("", {}), "v");
  CHECK(no_file.code() == ErrorCode::kUnsupported);
  CHECK(no_file.message().starts_with(
      "volume v is encrypted under wrapping key a and cannot be opened: this node has no key "));
  {
    const KeyFile wrong(text("a", kKeyB.substr(1)));
    const Status does_not_fit = scene.cipher_error(VolumeKeys(wrong.path(), wrong.ring()), "v");
    CHECK(does_not_fit.message().find("wrapping key a does not fit") != std::string_view::npos);
  }
  // A wrapped key is good for its own volume only.
  const WrappedKey foreign =
      scene.store->volume_key(scene.store->find_volume("other")->id)->wrapped;
  const KeyRewrapper swap = [&](const VolumeKey&) -> Result<WrappedKey> { return foreign; };
  CHECK(scene.run(scene.store->rewrap_key(scene.store->find_volume("v")->id, swap)).ok());
  CHECK(scene.cipher_error(keys, "v").message().find("does not fit") != std::string_view::npos);
  CHECK(scene.cipher_error(keys, "other").ok());
}

}  // namespace varve
