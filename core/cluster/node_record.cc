#include "core/cluster/node_record.h"

#include <algorithm>
#include <array>

#include "core/cluster/record_text.h"
#include "core/format/catalog_record.h"

namespace varve {
namespace {

constexpr std::array<std::string_view, 3> kStateNames = {"active", "draining", "removed"};

// Names of nodes and disk groups follow the rules of volumes.
std::string take_name(RecordReader& reader) {
  std::string name(reader.words("name"));
  if (reader.ok() && !volume_name_allowed(name)) reader.fail("name", "not a name");
  return name;
}

std::string take_words(RecordReader& reader, std::string_view key) {
  std::string words(reader.words(key));
  if (!record_words_allowed(words)) reader.fail(key, "holds control characters");
  return words;
}

}  // namespace

std::string encode_node_record(const NodeRecord& record) {
  RecordWriter writer("node");
  writer.id("id", record.id);
  writer.words("name", record.name);
  writer.words("address", record.address);
  writer.number("boot", record.boot);
  writer.words("version", record.version);
  return writer.take();
}

Result<NodeRecord> decode_node_record(std::string_view text) {
  RecordReader reader("node", text);
  NodeRecord record;
  record.id = reader.id<NodeId>("id");
  record.name = take_name(reader);
  record.address = take_words(reader, "address");
  record.boot = reader.number("boot", 0, UINT64_MAX);
  record.version = take_words(reader, "version");
  VARVE_TRY(reader.finish());
  return record;
}

std::string_view disk_group_state_name(DiskGroupState state) {
  return kStateNames[static_cast<size_t>(state)];
}

std::string encode_disk_group_record(const DiskGroupRecord& record) {
  RecordWriter writer("disk_group");
  writer.id("id", record.id);
  writer.id("node", record.node);
  writer.uuid("uuid", record.uuid);
  writer.words("name", record.name);
  writer.number("capacity_bytes", record.capacity_bytes);
  writer.words("state", disk_group_state_name(record.state));
  return writer.take();
}

Result<DiskGroupRecord> decode_disk_group_record(std::string_view text) {
  RecordReader reader("disk_group", text);
  DiskGroupRecord record;
  record.id = reader.id<DiskGroupId>("id");
  record.node = reader.id<NodeId>("node");
  record.uuid = reader.uuid("uuid");
  record.name = take_name(reader);
  record.capacity_bytes = reader.number("capacity_bytes", 0, UINT64_MAX);
  const std::string_view state = reader.words("state");
  const auto found = std::find(kStateNames.begin(), kStateNames.end(), state);
  if (found == kStateNames.end()) {
    reader.fail("state", "must be active, draining or removed");
  } else {
    record.state = static_cast<DiskGroupState>(found - kStateNames.begin());
  }
  VARVE_TRY(reader.finish());
  return record;
}

}  // namespace varve
