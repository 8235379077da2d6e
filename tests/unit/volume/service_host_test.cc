#include "core/volume/service_host.h"

#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <map>
#include <string>

#include "core/base/aligned_buffer.h"
#include "core/volume/limits.h"
#include "core/volume/space_gate.h"
#include "core/volume/volume_table.h"
#include "tests/unit/volume/fake_store.h"

namespace varve {
namespace {

constexpr uint64_t kBlockCount = 16384;
constexpr uint64_t kSizeBytes = kBlockCount * kBlockBytes;

// What a cluster would be: opens later, and by force only while another node has the volume.
class FakeOpener : public VolumeOpener {
 public:
  FakeOpener(FakeShard& shard, SpaceGate& gate)
      : shard_(shard), gate_(gate), opened_(shard.runtime.ready) {}

  Task<Result<std::shared_ptr<VolumeShare>>> open(std::string name, bool force) override {
    while (!answers_) co_await opened_.wait();
    if (name != "far" || (held_elsewhere && !force)) co_return ErrorCode::kBusy;
    auto backend = std::make_unique<StoreBackend>(*shard_.store, gate_, kFakeVolume);
    co_return std::make_shared<VolumeShare>(shard_.runtime, std::move(backend), kSizeBytes);
  }
  void answer() {
    answers_ = true;
    opened_.wake_all();
  }

  bool held_elsewhere = false;

 private:
  FakeShard& shard_;
  SpaceGate& gate_;
  bool answers_ = false;
  WaitList opened_;
};

// One volume "disk" of a fake store, and one that its directory calls damaged.
class FakeDirectory : public VolumeDirectory {
 public:
  explicit FakeDirectory(Store& store) : store_(store) {}
  Result<Found> find(std::string_view name) override {
    if (name == "broken") return ErrorCode::kDamaged;
    if (name == "far" && opener != nullptr) {
      Found found;
      found.opener = opener;
      return found;
    }
    if (name != "disk") return ErrorCode::kNotFound;
    return Found{&store_, kFakeVolume, kSizeBytes};
  }
  std::vector<std::string> names() override { return {"broken", "disk"}; }

  VolumeOpener* opener = nullptr;

 private:
  Store& store_;
};

// The host as a plugin sees it: through the table only.
struct Plugin {
  Plugin() { shard.core->max_pauses = 0; }
  ~Plugin() {
    volumes.end_waits();
    shard.await(host.drained());
    shard.close_store();
    shard.await(volumes.drained());
  }

  std::vector<varve_service_event> events() {
    std::vector<varve_service_event> pulled(kServiceInFlightMax);
    pulled.resize(table.events(context, pulled.data(), kServiceInFlightMax));
    return pulled;
  }
  varve_service_event event() {
    shard.run();
    const std::vector<varve_service_event> pulled = events();
    REQUIRE(pulled.size() == 1);
    return pulled[0];
  }
  uint64_t open(std::string_view name, uint32_t flags = 0) {
    REQUIRE(table.volume_open(context, name.data(), static_cast<uint32_t>(name.size()), flags, 1) ==
            VARVE_OK);
    const varve_service_event opened = event();
    CHECK(opened.result == VARVE_OK);
    return opened.value;
  }
  int32_t submit(uint64_t handle, uint32_t kind, uint64_t offset, uint64_t bytes, void* data,
                 uint64_t op_id = 7) {
    const varve_operation operation{.struct_size = sizeof operation,
                                    .kind = kind,
                                    .op_id = op_id,
                                    .offset = offset,
                                    .bytes = bytes,
                                    .data = data};
    return table.submit(context, handle, &operation);
  }

  FakeShard shard{1, kBlockCount};
  FakeDirectory directory{*shard.store};
  VolumeTable volumes{shard.runtime, directory};
  uint64_t wake_count = 0;
  ServiceHost host{shard.runtime, volumes, [this] { ++wake_count; }};
  const varve_service_host& table = *host.table();
  void* context = host.context();
};

}  // namespace

TEST_CASE("a plugin lists, opens, writes, reads, flushes and closes") {
  Plugin plugin;
  char names[64];
  REQUIRE(plugin.table.volume_list(plugin.context, names, sizeof names, 3) == VARVE_OK);
  const varve_service_event listed = plugin.event();
  CHECK(listed.op_id == 3);
  CHECK(std::string(names, listed.value) == std::string("broken\0disk\0", 12));

  const uint64_t handle = plugin.open("disk");
  varve_volume_info info{.struct_size = sizeof info};
  REQUIRE(plugin.table.volume_info(plugin.context, handle, &info) == VARVE_OK);
  CHECK(info.size_bytes == kSizeBytes);
  CHECK(info.block_bytes == 4096);
  CHECK(info.max_bytes == 32 * kMiB);
  CHECK(info.flags == 0);

  void* buffer = plugin.table.buffer_acquire(plugin.context, 8192);
  REQUIRE(buffer != nullptr);
  std::memset(buffer, 0x33, 8192);
  REQUIRE(plugin.submit(handle, VARVE_OP_WRITE, 1000, 8192, buffer) == VARVE_OK);
  CHECK(plugin.event().result == VARVE_OK);
  CHECK(plugin.wake_count == 3);
  std::memset(buffer, 0, 8192);
  REQUIRE(plugin.submit(handle, VARVE_OP_READ, 1000, 8192, buffer) == VARVE_OK);
  CHECK(plugin.event().result == VARVE_OK);
  CHECK(static_cast<char*>(buffer)[8191] == 0x33);
  REQUIRE(plugin.submit(handle, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_OK);
  CHECK(plugin.event().op_id == 7);
  plugin.table.buffer_release(plugin.context, buffer, 8192);
  plugin.table.volume_close(plugin.context, handle);
  CHECK(plugin.submit(handle, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_E_INVALID);
}

TEST_CASE("names that do not fit are left out whole and the needed room is told") {
  Plugin plugin;
  char names[8];
  std::memset(names, 'x', sizeof names);
  REQUIRE(plugin.table.volume_list(plugin.context, names, sizeof names, 1) == VARVE_OK);
  CHECK(plugin.event().value == 12);
  CHECK(std::string(names, 8) == std::string("broken\0x", 8));
  REQUIRE(plugin.table.volume_list(plugin.context, nullptr, 0, 1) == VARVE_OK);
  CHECK(plugin.event().value == 12);
  CHECK(plugin.table.volume_list(plugin.context, nullptr, 1, 1) == VARVE_E_INVALID);
}

TEST_CASE("a volume that cannot be opened says why") {
  Plugin plugin;
  const auto open = [&](std::string_view name, uint32_t flags) {
    return plugin.table.volume_open(plugin.context, name.data(), static_cast<uint32_t>(name.size()),
                                    flags, 5);
  };
  REQUIRE(open("nobody", 0) == VARVE_OK);
  CHECK(plugin.event().result == VARVE_E_NOT_FOUND);
  REQUIRE(open("broken", 0) == VARVE_OK);
  CHECK(plugin.event().result == VARVE_E_DAMAGED);
  CHECK(open("disk", VARVE_OPEN_SHARED) == VARVE_E_UNSUPPORTED);
  CHECK(open("disk", 64) == VARVE_E_INVALID);
  CHECK(open("", 0) == VARVE_E_INVALID);
  CHECK(open(std::string(256, 'a'), 0) == VARVE_E_INVALID);
  CHECK(plugin.table.volume_open(plugin.context, nullptr, 4, 0, 5) == VARVE_E_INVALID);
  plugin.volumes.end_waits();
  REQUIRE(open("disk", 0) == VARVE_OK);
  CHECK(plugin.event().result == VARVE_E_CLOSED);
}

TEST_CASE("bad operations are refused with a code and get no event") {
  Plugin plugin;
  const uint64_t handle = plugin.open("disk");
  AlignedBuffer buffer(4096);
  void* data = buffer.data();
  CHECK(plugin.submit(handle, 0, 0, 1, data) == VARVE_E_UNSUPPORTED);
  CHECK(plugin.submit(handle, 7, 0, 1, data) == VARVE_E_UNSUPPORTED);
  CHECK(plugin.submit(handle, VARVE_OP_READ, kSizeBytes, 1, data) == VARVE_E_INVALID);
  CHECK(plugin.submit(handle, VARVE_OP_WRITE, UINT64_MAX, 2, data) == VARVE_E_INVALID);
  CHECK(plugin.submit(handle, VARVE_OP_TRIM, 1, kSizeBytes, nullptr) == VARVE_E_INVALID);
  CHECK(plugin.submit(handle, VARVE_OP_WRITE, 0, 1, nullptr) == VARVE_E_INVALID);
  CHECK(plugin.submit(handle, VARVE_OP_WRITE, 0, 32 * kMiB + 1, data) == VARVE_E_INVALID);
  CHECK(plugin.submit(0, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_E_INVALID);
  CHECK(plugin.submit(handle + 1, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_E_INVALID);
  CHECK(plugin.submit(UINT64_MAX, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_E_INVALID);
  CHECK(plugin.table.submit(plugin.context, handle, nullptr) == VARVE_E_INVALID);
  varve_operation short_struct{.struct_size = 3, .kind = VARVE_OP_FLUSH};
  CHECK(plugin.table.submit(plugin.context, handle, &short_struct) == VARVE_E_INVALID);
  varve_operation flags{.struct_size = sizeof flags, .kind = VARVE_OP_FLUSH, .flags = 2};
  CHECK(plugin.table.submit(plugin.context, handle, &flags) == VARVE_E_INVALID);
  varve_volume_info info{};
  CHECK(plugin.table.volume_info(plugin.context, handle, &info) == VARVE_E_INVALID);
  CHECK(plugin.table.volume_info(plugin.context, 99, nullptr) == VARVE_E_INVALID);
  plugin.table.volume_close(plugin.context, 99);
  const uint64_t reader = plugin.open("disk", VARVE_OPEN_READ_ONLY);
  CHECK(plugin.submit(reader, VARVE_OP_WRITE, 0, 1, data) == VARVE_E_INVALID);
  CHECK(plugin.submit(reader, VARVE_OP_TRIM, 0, 4096, nullptr) == VARVE_E_INVALID);
  plugin.shard.run();
  CHECK(plugin.events().empty());
  CHECK(plugin.host.in_flight_count() == 0);
}

TEST_CASE("a closed handle stays invalid after its place is used again") {
  Plugin plugin;
  const uint64_t old_handle = plugin.open("disk");
  plugin.table.volume_close(plugin.context, old_handle);
  const uint64_t new_handle = plugin.open("disk");
  CHECK(new_handle != old_handle);
  CHECK(plugin.submit(old_handle, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_E_INVALID);
  CHECK(plugin.host.open_volume_count() == 1);
}

TEST_CASE("block status fills as many extents as there is room for") {
  Plugin plugin;
  const uint64_t handle = plugin.open("disk");
  AlignedBuffer buffer(4096);
  REQUIRE(plugin.submit(handle, VARVE_OP_WRITE, 8192, 4096, buffer.data()) == VARVE_OK);
  CHECK(plugin.event().result == VARVE_OK);
  varve_extent extents[4] = {};
  varve_operation operation{.struct_size = sizeof operation,
                            .kind = VARVE_OP_BLOCK_STATUS,
                            .extent_capacity = 2,
                            .bytes = kSizeBytes,
                            .extents = extents};
  REQUIRE(plugin.table.submit(plugin.context, handle, &operation) == VARVE_OK);
  CHECK(plugin.event().value == 2);
  CHECK(extents[0].bytes == 8192);
  CHECK(extents[0].flags == (VARVE_EXTENT_HOLE | VARVE_EXTENT_ZERO));
  CHECK(extents[1].bytes == 4096);
  CHECK(extents[1].flags == 0);
  CHECK(extents[2].bytes == 0);
  operation.extent_capacity = 0;
  CHECK(plugin.table.submit(plugin.context, handle, &operation) == VARVE_E_INVALID);
}

TEST_CASE("too many operations in flight answer again, and events make room") {
  Plugin plugin;
  const uint64_t handle = plugin.open("disk");
  for (uint32_t i = 0; i < kServiceInFlightMax; ++i)
    REQUIRE(plugin.submit(handle, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_OK);
  CHECK(plugin.submit(handle, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_E_AGAIN);
  varve_service_event one;
  REQUIRE(plugin.table.events(plugin.context, &one, 1) == 1);
  CHECK(plugin.submit(handle, VARVE_OP_FLUSH, 0, 0, nullptr) == VARVE_OK);
  CHECK(plugin.events().size() == kServiceInFlightMax);
  CHECK(plugin.table.events(plugin.context, nullptr, 5) == 0);
}

TEST_CASE("the budget for buffers is kept") {
  Plugin plugin;
  std::vector<void*> buffers;
  while (void* buffer = plugin.table.buffer_acquire(plugin.context, 32 * kMiB))
    buffers.push_back(buffer);
  CHECK(buffers.size() == kServiceBufferBytesMax / (32 * kMiB));
  for (void* buffer : buffers) plugin.table.buffer_release(plugin.context, buffer, 32 * kMiB);
}

TEST_CASE("a volume is in use until it is closed and its last operation has ended") {
  Plugin plugin;
  CHECK_FALSE(plugin.volumes.in_use(*plugin.shard.store, kFakeVolume));
  const uint64_t handle = plugin.open("disk");
  CHECK(plugin.volumes.in_use(*plugin.shard.store, kFakeVolume));
  plugin.shard.core->write_answer = ErrorCode::kNoSpace;
  AlignedBuffer buffer(4096);
  REQUIRE(plugin.submit(handle, VARVE_OP_WRITE, 0, 4096, buffer.data()) == VARVE_OK);
  plugin.shard.run();
  CHECK(plugin.events().empty());
  CHECK(plugin.volumes.waiting_for_space_count(*plugin.shard.store) == 1);
  plugin.table.volume_close(plugin.context, handle);
  CHECK(plugin.volumes.in_use(*plugin.shard.store, kFakeVolume));
  CHECK(plugin.event().result == VARVE_E_CLOSED);
  CHECK_FALSE(plugin.volumes.in_use(*plugin.shard.store, kFakeVolume));
}

TEST_CASE("errors of the store reach the plugin as the codes of the contract") {
  Plugin plugin;
  const uint64_t handle = plugin.open("disk");
  AlignedBuffer buffer(4096);
  const std::map<ErrorCode, int32_t> answers = {{ErrorCode::kDamaged, VARVE_E_DAMAGED},
                                                {ErrorCode::kIoError, VARVE_E_IO},
                                                {ErrorCode::kNotFound, VARVE_E_NOT_FOUND}};
  for (const auto& [code, result] : answers) {
    plugin.shard.core->read_answer = code;
    REQUIRE(plugin.submit(handle, VARVE_OP_READ, 0, 4096, buffer.data()) == VARVE_OK);
    CHECK(plugin.event().result == result);
  }
}

TEST_CASE("a volume that is opened elsewhere answers when it is open, or says who has it") {
  Plugin plugin;
  SpaceGate gate(plugin.shard.runtime, *plugin.shard.store);
  FakeOpener opener(plugin.shard, gate);
  plugin.directory.opener = &opener;
  REQUIRE(plugin.table.volume_open(plugin.context, "far", 3, 0, 5) == VARVE_OK);
  plugin.shard.run();
  CHECK(plugin.events().empty());
  opener.answer();
  const varve_service_event opened = plugin.event();
  CHECK(opened.op_id == 5);
  CHECK(opened.result == VARVE_OK);
  std::vector<char> bytes(4096, 'x');
  REQUIRE(plugin.submit(opened.value, VARVE_OP_WRITE, 512, 4096, bytes.data()) == VARVE_OK);
  CHECK(plugin.event().result == VARVE_OK);
  plugin.table.volume_close(plugin.context, opened.value);

  opener.held_elsewhere = true;
  REQUIRE(plugin.table.volume_open(plugin.context, "far", 3, 0, 6) == VARVE_OK);
  CHECK(plugin.event().result == VARVE_E_BUSY);
  const uint64_t handle = plugin.open("far", VARVE_OPEN_FORCE);
  plugin.table.volume_close(plugin.context, handle);
  gate.close();
}

}  // namespace varve
