// Distinct types for the numbers that name things.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace varve {

// Names a volume: in a cluster everywhere the same, else on one disk group. Never 0, never reused,
// even after the volume is deleted.
enum class VolumeId : uint32_t {};

// In a cluster; given out by the metadata store, never 0, never reused.
enum class NodeId : uint32_t {};
enum class DiskGroupId : uint32_t {};
enum class GroupId : uint32_t {};  // replication group; 0 in a store without cluster

// Version of a group's membership; at most 24 bits.
using Epoch = uint32_t;
inline constexpr Epoch kEpochMax = (1u << 24) - 1;

// Order of operations: epoch in the upper 24 bits, counter in the lower 40. Higher wins, always.
using Sequence = uint64_t;
inline constexpr uint32_t kSequenceCounterBits = 40;
constexpr Sequence make_sequence(Epoch epoch, uint64_t counter) {
  return (Sequence{epoch} << kSequenceCounterBits) | counter;
}
constexpr Epoch epoch_of(Sequence sequence) {
  return static_cast<Epoch>(sequence >> kSequenceCounterBits);
}

// Which writes of a volume came before which snapshot: every write carries the volume's newest
// generation, and a snapshot makes that one its own and begins the next.
using Generation = uint32_t;
// As a view: the volume itself, whatever its newest generation is.
inline constexpr Generation kHead = UINT32_MAX;

using Uuid = std::array<std::byte, 16>;

// A run of blocks of one volume.
struct BlockRange {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t end() const { return first + count; }
};

// What can be read: a volume, or one of its snapshots (by the snapshot's generation).
struct VolumeView {
  VolumeView(VolumeId id, Generation view = kHead) : volume(id), generation(view) {}
  VolumeId volume;
  Generation generation;
};

}  // namespace varve
