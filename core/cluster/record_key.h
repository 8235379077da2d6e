// The keys of the records in the metadata store.
//
//     cluster  planner  node/<id>  node_name/<name>  disk_group/<id>  disk_group_uuid/<uuid>
//     group/<id>  volume/<id>  volume_name/<name>  move  moved_cluster
//
// The keys of names and uuids hold an id as plain digits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/ids.h"
#include "core/base/text.h"
#include "core/cluster/record_text.h"

namespace varve {

inline constexpr std::string_view kClusterKey = "cluster";
inline constexpr std::string_view kPlannerKey = "planner";
inline constexpr std::string_view kMoveKey = "move";
inline constexpr std::string_view kMovedClusterKey = "moved_cluster";
inline constexpr std::string_view kNodePrefix = "node/";
inline constexpr std::string_view kDiskGroupPrefix = "disk_group/";
inline constexpr std::string_view kGroupPrefix = "group/";
inline constexpr std::string_view kVolumePrefix = "volume/";

inline std::string record_key(NodeId id) {
  return text(kNodePrefix, static_cast<uint32_t>(id));
}
inline std::string record_key(DiskGroupId id) {
  return text(kDiskGroupPrefix, static_cast<uint32_t>(id));
}
inline std::string record_key(GroupId id) {
  return text(kGroupPrefix, static_cast<uint32_t>(id));
}
inline std::string record_key(VolumeId id) {
  return text(kVolumePrefix, static_cast<uint32_t>(id));
}
inline std::string node_name_key(std::string_view name) {
  return text("node_name/", name);
}
inline std::string disk_group_uuid_key(const Uuid& uuid) {
  return text("disk_group_uuid/", uuid_text(uuid));
}
inline std::string volume_name_key(std::string_view name) {
  return text("volume_name/", name);
}

// The value of a name's or a uuid's key.
template <typename Id>
std::string id_value(Id id) {
  return text(static_cast<uint32_t>(id));
}
// 1 to 2^32 - 1, as id_value() writes it.
std::optional<uint32_t> parse_id_value(std::string_view value);

}  // namespace varve
