// What a node of a cluster tells about the cluster, and what the admin API can ask of it.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>

namespace varve {

struct ClusterInitialised {
  std::string id;       // 32 hexadecimal digits
  uint32_t copies = 0;  // of a volume that asks for none; 0: one per node, at most 3
  bool existed = false;
};

// A node as another one sees it.
struct ClusterNodeStatus {
  uint32_t id = 0;
  std::string name;
  std::string address;  // of its transport
  std::string version;
  bool heard = false;  // lately
  uint64_t disk_group_count = 0;
  uint64_t capacity_bytes = 0;
  uint64_t group_count = 0;    // of which it has a member
  uint64_t primary_count = 0;  // of which it has the primary
};

// Who may use a volume, after varve attach or detach.
struct AttachmentStatus {
  std::string volume;
  std::string node;  // empty: none
  uint64_t generation = 0;
};

}  // namespace varve
