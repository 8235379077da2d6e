// NodeRecord, DiskGroupRecord: the nodes of the cluster ("node/<id>") and the stores that they
// bring ("disk_group/<id>"). "node_name/<name>" and "disk_group_uuid/<uuid>" hold the id, so that
// neither exists twice.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace varve {

struct NodeRecord {
  NodeId id{};
  std::string name;
  std::string address;  // for other nodes, as core/net/peer_address.h; without a name in old ones
  uint64_t boot = 0;    // random; drawn at the daemon's start
  std::string version;  // of the daemon

  bool operator==(const NodeRecord&) const = default;
};

std::string encode_node_record(const NodeRecord& record);
Result<NodeRecord> decode_node_record(std::string_view text);

enum class DiskGroupState : uint8_t {
  kActive,    // gets groups
  kDraining,  // keeps those it has, gets no others
  kRemoved,   // gone for good
};
std::string_view disk_group_state_name(DiskGroupState state);

struct DiskGroupRecord {
  DiskGroupId id{};
  NodeId node{};
  Uuid uuid{};       // of its superblock
  std::string name;  // in its node's config
  uint64_t capacity_bytes = 0;
  DiskGroupState state = DiskGroupState::kActive;

  bool operator==(const DiskGroupRecord&) const = default;
};

std::string encode_disk_group_record(const DiskGroupRecord& record);
Result<DiskGroupRecord> decode_disk_group_record(std::string_view text);

}  // namespace varve
