// What the node tells about itself: plain values, made on the shard, read by the admin API.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/daemon/cluster_status.h"
#include "core/runtime/uring_loop.h"
#include "core/store/store.h"

namespace varve {

enum class GroupState : uint8_t {
  kRecovering,
  kServing,
  kFormatting,
  kNotFormatted,
  kNotServed,  // see the reason
};
std::string_view group_state_name(GroupState state);

// How far long work has come; total 0: unknown.
struct Progress {
  uint64_t done = 0;
  uint64_t total = 0;
};

// One device that the config names for a disk group.
struct DeviceStatus {
  std::string path;
  std::string_view tier;      // "ssd" or "hdd"
  bool serving = false;       // its disk group's store uses it
  std::string reason;         // of an HDD: why the store, which serves, does not use it
  uint64_t device_bytes = 0;  // this and what follows: while serving
  uint64_t dead_bytes = 0;    // in used segments but not live: old blocks, headers, footers
  DeviceStats stats;
};

struct GroupStatus {
  std::string name;
  std::string path;  // of its SSD
  GroupState state = GroupState::kRecovering;
  std::string reason;                 // why it is not served
  Progress recovery;                  // slots, while recovering
  std::string durability;             // "flush" or "plp", as in the config
  std::string write_cache;            // "write back", "write through" or "unknown"
  std::vector<DeviceStatus> devices;  // the SSD, then the HDDs in the config's order
  uint64_t device_bytes = 0;          // this and what follows: while serving; of all devices
  uint64_t dead_bytes = 0;            // of all devices
  uint64_t volume_count = 0;
  uint64_t waiting_write_count = 0;  // because the store is full
  StoreStats stats;
};

struct VolumeStatus {
  std::string name;
  std::string disk_group;
  uint64_t size_bytes = 0;
  uint64_t used_bytes = 0;
  VolumeTier tier = VolumeTier::kAuto;
  std::string wrapping_key;  // its name; empty: the volume is not encrypted
  bool key_is_here = true;   // this node's key file has that wrapping key
  bool in_use = false;       // a client has it open; in a cluster: some node holds it
  uint32_t copies = 0;       // in a cluster, this and the next; else 0
  std::string attached_on;   // the node that holds it; empty: none
};

struct SnapshotStatus {
  std::string volume;
  std::string name;
  std::string disk_group;
  uint64_t size_bytes = 0;       // of the volume at that time
  uint64_t used_bytes = 0;       // what it shows
  uint64_t exclusive_bytes = 0;  // what nothing else of the volume shows: deletion frees it
  uint64_t created_seconds = 0;
  bool in_use = false;
};

struct ServiceStatus {
  std::string plugin;
  std::string version;
  bool serving = false;
  std::string reason;  // why it does not serve
  uint64_t open_volume_count = 0;
  uint64_t in_flight_count = 0;
};

enum class NodeState : uint8_t { kStarting, kReady, kStopping };
std::string_view node_state_name(NodeState state);

struct NodeStatus {
  std::string name;
  NodeState state = NodeState::kStarting;
  std::vector<GroupStatus> disk_groups;  // in the config's order
  std::vector<VolumeStatus> volumes;     // by name
  std::vector<ServiceStatus> services;
  std::optional<ClusterStatus> cluster;  // of a node that is, or will be, in one
  int64_t certificate_expires = 0;       // seconds since 1970; 0: it has none
  std::string certificate_problem;       // that it expires soon
  UringCounters loop;
};

// Live data against capacity, in hundredths of a percent.
uint32_t fill_basis_points(const StoreStats& stats);

// New volumes are refused from here on; writes wait from kWritesWaitPercent on (the store's
// limits).
inline constexpr uint32_t kCreateRefusedPercent = 80;
inline constexpr uint32_t kWritesWaitPercent = 95;

// What an operator should look at, one sentence each; empty when all is well.
std::vector<std::string> problems_of(const NodeStatus& node);

// Long work that a client polls.
struct OperationStatus {
  enum class State : uint8_t { kRunning, kDone, kFailed };
  uint64_t id = 0;
  std::string what;        // "disk add ssd0"
  std::string step;        // "writing the file"
  Progress progress;       // of the step; bytes or slots
  bool on_thread = false;  // the step runs on a thread of its own and cannot be hurried
  State state = State::kRunning;
  ErrorCode code = ErrorCode::kOk;
  std::string message;  // how it ended
};
std::string_view operation_state_name(OperationStatus::State state);

}  // namespace varve
