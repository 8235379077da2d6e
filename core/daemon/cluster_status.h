// What a node of a cluster tells about the cluster, and what the admin API can ask of it.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

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
  std::string address;  // on each of its transports
  std::string version;
  bool heard = false;  // lately
  uint64_t disk_group_count = 0;
  uint64_t capacity_bytes = 0;
  uint64_t group_count = 0;    // of which it has a member
  uint64_t primary_count = 0;  // of which it has the primary
};

// A group with a member on this node.
struct GroupInSync {
  uint32_t id = 0;
  uint64_t epoch = 0;
  std::vector<std::string> members;  // names of nodes
  std::vector<std::string> in_sync;
  std::string primary;       // empty: none took office yet
  bool office_here = false;  // this node is the primary and serves
};

// A transport of this node's config.
struct TransportStatus {
  std::string name;
  std::string address;  // where this node listens
  std::string problem;  // why it is not used; empty when it is
};

// How this node reaches another one.
struct PeerStatus {
  std::string node;
  std::string transport;        // in use now; empty: no connection is open
  std::string address;          // on it
  std::string fallback;         // why it is not on the most wanted transport; empty when it is
  std::string problem;          // why it cannot be reached at all, when that is known
  uint64_t fallback_count = 0;  // since the start: connections over a less wanted transport
};

// A volume that a disk group of this node cannot keep as its tier says; it has auto there.
struct TierDifferenceStatus {
  std::string volume;
  std::string_view held;
  std::string_view wanted;
  std::string disk_group;
  std::string why;
};

struct ClusterStatus {
  bool joined = false;
  std::string state;  // in words: what it is, or what it waits for
  std::string id;     // this and what follows: once joined
  uint32_t node_id = 0;
  uint64_t group_count = 0;           // of the whole cluster, as the next two
  uint64_t degraded_group_count = 0;  // not all members are in sync
  uint64_t silent_primary_count = 0;  // their primary was not heard of lately
  uint64_t office_count = 0;          // groups that this node is the serving primary of
  std::vector<std::string> silent_nodes;
  bool name_taken = false;  // another daemon has registered under this node's name
  std::vector<GroupInSync> groups;
  std::vector<TransportStatus> transports;        // in the config's order
  std::vector<PeerStatus> peers;                  // all other nodes, by number
  std::map<std::string, std::string> unreadable;  // records, by key, with the reason
  std::vector<TierDifferenceStatus> tier_differences;
  std::string metadata_problem;  // why a plugin is not trusted any more
};

// Who may use a volume, after varve attach or detach.
struct AttachmentStatus {
  std::string volume;
  std::string node;  // empty: none
  uint64_t generation = 0;
};

}  // namespace varve
