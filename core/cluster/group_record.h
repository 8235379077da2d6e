// GroupRecord: who the members of a replication group are; see docs/replication.md. The record
// stands in the metadata store under "group/<id>" and changes only by compare-and-swap.
//
// Thread rule: plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace varve {

struct GroupMember {
  DiskGroupId disk_group{};
  NodeId node{};
  bool operator==(const GroupMember&) const = default;
};

struct GroupRecord {
  GroupId id{};
  Epoch epoch = 0;        // raised by one with every change
  Epoch office = 0;       // the epoch in which the primary took office; 0: none ever did
  DiskGroupId primary{};  // 0: none yet
  uint32_t min_in_sync = 1;
  std::vector<GroupMember> members;
  std::vector<DiskGroupId> in_sync;    // they hold every acknowledged write
  std::vector<DiskGroupId> last_full;  // the last in_sync of at least min_in_sync members
  uint64_t token = 0;                  // random; tells a writer that its change was applied

  bool operator==(const GroupRecord&) const = default;
  bool is_in_sync(DiskGroupId id) const {
    return std::find(in_sync.begin(), in_sync.end(), id) != in_sync.end();
  }
  // Null when it is no member.
  const GroupMember* member(DiskGroupId id) const {
    const auto found = std::find_if(members.begin(), members.end(),
                                    [id](const GroupMember& m) { return m.disk_group == id; });
    return found == members.end() ? nullptr : &*found;
  }
};

// Readable text, as it stands in the metadata store.
std::string encode_group_record(const GroupRecord& record);
// kDamaged: not a group record, or one that contradicts itself; the message says where.
Result<GroupRecord> decode_group_record(std::string_view text);

}  // namespace varve
