#include "core/cluster/group_record.h"

#include "core/cluster/record_text.h"

namespace varve {
namespace {

constexpr size_t kMembersMax = 3;

// Each id of `ids` is a member.
bool all_members(const GroupRecord& record, const std::vector<DiskGroupId>& ids) {
  return std::all_of(ids.begin(), ids.end(),
                     [&](DiskGroupId id) { return record.member(id) != nullptr; });
}

// What no writer of a record would do.
void check(const GroupRecord& record, RecordReader& reader) {
  if (record.min_in_sync > record.members.size()) reader.fail("min_in_sync", "more than members");
  if (record.office > record.epoch) reader.fail("office", "later than the epoch");
  const bool has_primary = record.primary != DiskGroupId{};
  if (record.office > 0 && !has_primary) reader.fail("primary", "missing, though in office");
  if (record.in_sync.empty()) reader.fail("in_sync", "empty");
  if (record.last_full.empty()) reader.fail("last_full", "empty");
  if (!all_members(record, record.in_sync)) reader.fail("in_sync", "not a member");
  if (!all_members(record, record.last_full)) reader.fail("last_full", "not a member");
  if (has_primary && !record.is_in_sync(record.primary)) reader.fail("primary", "not in sync");
}

}  // namespace

std::string encode_group_record(const GroupRecord& record) {
  std::vector<DiskGroupId> disk_groups;
  std::vector<NodeId> nodes;
  for (const GroupMember& member : record.members) {
    disk_groups.push_back(member.disk_group);
    nodes.push_back(member.node);
  }
  RecordWriter writer("group");
  writer.id("id", record.id);
  writer.number("epoch", record.epoch);
  writer.number("office", record.office);
  writer.id("primary", record.primary);
  writer.number("min_in_sync", record.min_in_sync);
  writer.ids("members", disk_groups);
  writer.ids("nodes", nodes);
  writer.ids("in_sync", record.in_sync);
  writer.ids("last_full", record.last_full);
  writer.number("token", record.token);
  return writer.take();
}

Result<GroupRecord> decode_group_record(std::string_view text) {
  RecordReader reader("group", text);
  GroupRecord record;
  record.id = reader.id<GroupId>("id");
  record.epoch = static_cast<Epoch>(reader.number("epoch", 0, kEpochMax));
  record.office = static_cast<Epoch>(reader.number("office", 0, kEpochMax));
  record.primary = reader.id_or_none<DiskGroupId>("primary");
  record.min_in_sync = static_cast<uint32_t>(reader.number("min_in_sync", 1, kMembersMax));
  const auto disk_groups = reader.ids<DiskGroupId>("members", kMembersMax);
  const auto nodes = reader.ids<NodeId>("nodes", kMembersMax);  // none twice: a copy each
  if (disk_groups.size() != nodes.size()) reader.fail("nodes", "not as many as members");
  if (disk_groups.empty()) reader.fail("members", "empty");
  record.in_sync = reader.ids<DiskGroupId>("in_sync", kMembersMax);
  record.last_full = reader.ids<DiskGroupId>("last_full", kMembersMax);
  record.token = reader.number("token", 0, UINT64_MAX);
  if (reader.ok()) {
    for (size_t i = 0; i < nodes.size(); ++i) record.members.push_back({disk_groups[i], nodes[i]});
    check(record, reader);
  }
  VARVE_TRY(reader.finish());
  return record;
}

}  // namespace varve
