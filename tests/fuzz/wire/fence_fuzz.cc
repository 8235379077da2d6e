// What a peer says of a volume, its snapshots and generations: it is decoded as a member decodes
// it, comes back as it was, and what a member's store takes for good, it finds again when it
// recovers.
//
// Input: a VolumeFence, then as much of its payload as there is; zeroes follow.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/log.h"
#include "core/replication/volume_fence.h"
#include "core/wire/message_payload.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_loop.h"

namespace varve {
namespace {

constexpr GroupId kGroup{7};
constexpr uint32_t kSlots = 14;
constexpr uint32_t kSegmentBytes = 64 * 1024;

void require(bool holds) {
  if (!holds) std::abort();
}

bool same(const VolumeHistory& one, const VolumeHistory& other) {
  const auto fields = [](const SnapshotRecord& snapshot) {
    return std::tuple(snapshot.generation, snapshot.blocks, snapshot.created_seconds);
  };
  return one.lineage.newest == other.lineage.newest && one.lineage.base == other.lineage.base &&
         one.lineage.base_generation == other.lineage.base_generation &&
         one.lineage.branches == other.lineage.branches &&
         std::equal(one.snapshots.begin(), one.snapshots.end(), other.snapshots.begin(),
                    other.snapshots.end(),
                    [&](const auto& a, const auto& b) { return fields(a) == fields(b); });
}

void check_coding(const FencedVolume& volume, std::span<const std::byte> payload) {
  const FenceMessage message = encode_fence(volume);
  require(message.payload.size() == payload.size());
  const FencedVolume again = decode_fence(kGroup, message.body, message.payload);
  require(same(again.history, volume.history) && again.record.name == volume.record.name &&
          again.record.groups == volume.record.groups &&
          again.record.blocks == volume.record.blocks &&
          again.fence.generation == volume.fence.generation);
}

// A blank store with one volume, in which a snapshot was taken already.
DiskImage make_image() {
  SimLoop loop(1);
  Runtime runtime = loop.runtime();
  SimDevice device(loop, {DiskImage(kSlots * kSegmentBytes + 256 * 1024), {}}, {}, 1);
  require(loop.run(Store::format(runtime, device, {.segment_bytes = kSegmentBytes}))->ok());
  auto store = std::move(**loop.run(Store::open(runtime, device, {})));
  VolumeHistory history;
  history.lineage.newest = 1;
  history.snapshots = {{.volume = VolumeId{3}, .generation = 0, .blocks = 50, .name = {}}};
  const VolumeRecord record{.id = VolumeId{3}, .blocks = 100, .name = "v", .groups = {kGroup}};
  require(loop.run(store->put_fence({kGroup, VolumeId{3}, 1}, record, history))->ok());
  require(loop.run(store->close())->ok());
  return device.image();
}

void check_store(const FencedVolume& volume) {
  static const DiskImage image = make_image();
  SimLoop loop(1);
  Runtime runtime = loop.runtime();
  SimDevice device(loop, {image, {}}, {}, 1);
  auto store = std::move(**loop.run(Store::open(runtime, device, {})));
  const VolumeId id = volume.record.id;
  const Status put = *loop.run(store->put_fence(volume.fence, volume.record, volume.history));
  const VolumeHistory told = store->history(id);
  if (put.ok()) require(told.lineage.newest >= volume.history.lineage.newest);
  require(loop.run(store->close())->ok());
  auto opened = loop.run(Store::open(runtime, device, {}));
  require(opened->ok());
  store = std::move(**opened);
  require(same(store->history(id), told));
  require(store->has_view({VolumeId{3}, 0}));
  // Nothing was written: the way through what it is a clone of ends, and shows zeroes.
  AlignedBuffer data(kBlockBytes);
  if (put.ok()) require(loop.run(store->read(id, {0, 1}, data.data()))->ok());
  require(loop.run(store->close())->ok());
}

}  // namespace
}  // namespace varve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  log_set_level(LogLevel::kNone);
  FenceRequest request;
  request.group = kGroup;
  if (size < sizeof request.fence) return 0;
  std::memcpy(&request.fence, data, sizeof request.fence);
  const Result<uint32_t> expected =
      request_payload_bytes(MessageType::kFence, std::as_bytes(std::span(&request, 1)));
  if (!expected.ok()) return 0;
  std::vector<std::byte> payload(*expected);
  const size_t there = std::min<size_t>(payload.size(), size - sizeof request.fence);
  if (there > 0) std::memcpy(payload.data(), data + sizeof request.fence, there);
  const FencedVolume volume = decode_fence(kGroup, request.fence, payload);
  check_coding(volume, payload);
  check_store(volume);
  return 0;
}
