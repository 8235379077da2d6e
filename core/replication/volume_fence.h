// What a fence says of a volume, as a message: its size, groups and name, its generations and
// snapshots.
//
// Thread rule: plain values. What comes from a peer is checked by Store::put_fence().
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/store/store.h"
#include "core/wire/messages.h"

namespace varve {

// What every member of the volume's groups must know before a client may use it.
struct FencedVolume {
  AttachFence fence;
  VolumeRecord record;
  VolumeHistory history;
  // A learner gives up what its primary does not have: it would not get the blocks of it.
  bool exact = false;
};

struct FenceMessage {
  VolumeFence body;
  std::vector<std::byte> payload;
};

// REQUIRES no more snapshots and branches than a message takes.
FenceMessage encode_fence(const FencedVolume& volume);
// REQUIRES `payload` to have the length that `body` says.
FencedVolume decode_fence(GroupId group, const VolumeFence& body,
                          std::span<const std::byte> payload);

}  // namespace varve
