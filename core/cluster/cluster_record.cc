#include "core/cluster/cluster_record.h"

#include "core/base/text.h"
#include "core/cluster/record_text.h"

namespace varve {

std::string encode_cluster_record(const ClusterRecord& record) {
  RecordWriter writer("cluster");
  writer.number("format_version", record.format_version);
  writer.uuid("id", record.id);
  writer.number("copies", record.copies);
  writer.number("next_node", record.next_node);
  writer.number("next_disk_group", record.next_disk_group);
  writer.number("next_group", record.next_group);
  writer.number("next_volume", record.next_volume);
  return writer.take();
}

Result<ClusterRecord> decode_cluster_record(std::string_view text) {
  if (is_move_record(text)) {
    const Result<MoveRecord> moved = decode_move_record(text);
    if (!moved.ok()) return moved.status();
    return Status(ErrorCode::kStale, varve::text("the cluster was moved to ", moved->other_store,
                                                 ", which the node's config must name"));
  }
  RecordReader reader("cluster", text);
  ClusterRecord record;
  record.format_version = static_cast<uint32_t>(reader.number("format_version", 1, kRecordIdMax));
  if (reader.ok() && record.format_version > kClusterFormatVersion) {
    return Status(ErrorCode::kNewerFormat,
                  varve::text("the cluster's records have format ", record.format_version,
                              "; this release knows ", kClusterFormatVersion));
  }
  record.id = reader.uuid("id");
  if (reader.ok() && record.id == Uuid{}) reader.fail("id", "must not be zero");
  const auto next = [&](std::string_view key) {
    return static_cast<uint32_t>(reader.number(key, 1, kRecordIdMax));
  };
  record.copies = static_cast<uint32_t>(reader.number("copies", 0, kCopiesMax));
  record.next_node = next("next_node");
  record.next_disk_group = next("next_disk_group");
  record.next_group = next("next_group");
  record.next_volume = next("next_volume");
  VARVE_TRY(reader.finish());
  return record;
}

std::string encode_planner_record(const PlannerRecord& record) {
  RecordWriter writer("planner");
  writer.id("node", record.node);
  writer.number("token", record.token);
  return writer.take();
}

Result<PlannerRecord> decode_planner_record(std::string_view text) {
  RecordReader reader("planner", text);
  PlannerRecord record;
  record.node = reader.id<NodeId>("node");
  record.token = reader.number("token", 0, UINT64_MAX);
  VARVE_TRY(reader.finish());
  return record;
}

std::string encode_move_record(const MoveRecord& record) {
  RecordWriter writer("move");
  writer.uuid("cluster", record.cluster);
  writer.number("token", record.token);
  writer.words("other_store", record.other_store);
  return writer.take();
}

Result<MoveRecord> decode_move_record(std::string_view text) {
  RecordReader reader("move", text);
  MoveRecord record;
  record.cluster = reader.uuid("cluster");
  record.token = reader.number("token", 1, UINT64_MAX);
  record.other_store = reader.words("other_store");
  if (!record_words_allowed(record.other_store)) {
    reader.fail("other_store", "holds control characters");
  }
  VARVE_TRY(reader.finish());
  return record;
}

bool is_move_record(std::string_view text) {
  return text.starts_with("record=move\n");
}

}  // namespace varve
