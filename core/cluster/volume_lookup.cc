#include "core/cluster/volume_lookup.h"

#include "core/cluster/cluster_birth.h"
#include "core/cluster/node_record.h"
#include "core/cluster/record_key.h"

namespace varve {

Task<FoundVolume> find_volume(CasLoop* loop, std::string name) {
  const std::string name_key = volume_name_key(name);
  for (;;) {
    const Result<MetadataEntry> entry = co_await loop->get(name_key);
    if (!entry.ok()) co_return entry.status();
    if (entry->revision == 0) co_return Versioned<ClusterVolume>{};
    const auto id = parse_id_value(entry->value);
    if (!id) co_return Status(ErrorCode::kDamaged, text("metadata ", name_key, ": not an id"));
    FoundVolume found =
        co_await read_record(loop, record_key(VolumeId{*id}), decode_cluster_volume);
    if (!found.ok() || (found->exists() && !found->record.deleted)) co_return found;
    // Deleted between the two reads, unless the name is still there.
    const Result<MetadataEntry> again = co_await loop->get(name_key);
    if (!again.ok()) co_return again.status();
    if (again->revision == entry->revision) {
      co_return Status(ErrorCode::kDamaged,
                       text("metadata ", name_key, ": volume ", *id, " does not exist"));
    }
  }
}

Status no_volume(std::string_view name) {
  return Status(ErrorCode::kNotFound, text("there is no volume \"", name, "\""));
}

Task<std::string> node_words(CasLoop* loop, NodeId node) {
  const auto found = co_await read_record(loop, record_key(node), decode_node_record);
  if (found.ok() && found->exists()) co_return found->record.name;
  co_return text("number ", static_cast<uint32_t>(node));
}

void add_change(MetadataTransaction& transaction, const Versioned<ClusterVolume>& before,
                const ClusterVolume& after) {
  const std::string key = record_key(after.id);
  transaction.compares.push_back({key, before.revision});
  transaction.puts.push_back({key, encode_cluster_volume(after)});
}

Task<Status> raise_format(CasLoop* loop, uint32_t version, MetadataTransaction* transaction) {
  const auto cluster = co_await read_cluster(loop);
  if (!cluster.ok()) co_return cluster.status();
  if (cluster->record.format_version >= version) co_return Status();
  ClusterRecord raised = cluster->record;
  raised.format_version = version;
  const std::string key(kClusterKey);
  transaction->compares.push_back({key, cluster->revision});
  transaction->puts.push_back({key, encode_cluster_record(raised)});
  co_return Status();
}

}  // namespace varve
