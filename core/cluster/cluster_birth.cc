#include "core/cluster/cluster_birth.h"

#include "core/cluster/record_key.h"
#include "core/format/catalog_record.h"

namespace varve {
namespace {

// Fewer are left than one transaction may take.
bool ids_used_up(const ClusterRecord& record) {
  constexpr uint32_t kLast = UINT32_MAX - 64;
  return record.next_node > kLast || record.next_disk_group > kLast || record.next_group > kLast ||
         record.next_volume > kLast;
}

// kUnavailable: half of a cluster is here.
Task<Status> no_move_under_way(CasLoop* loop) {
  const auto move = co_await read_record(loop, std::string(kMoveKey), decode_move_record);
  if (!move.ok()) co_return move.status();
  if (!move->exists()) co_return Status();
  co_return Status(
      ErrorCode::kUnavailable,
      text("the move of cluster ", uuid_text(move->record.cluster), " from ",
           move->record.other_store, " has not ended; run varve cluster move-metadata again"));
}

}  // namespace

Task<Result<ClusterRecord>> cluster_init(ClusterContext context, Uuid id, uint32_t copies) {
  if (copies > kCopiesMax || id == Uuid{}) {
    co_return Status(ErrorCode::kInvalidArgument,
                     text("a cluster has an id, and 1 to ", kCopiesMax, " copies"));
  }
  CasLoop loop(context);
  for (;;) {
    auto found = co_await read_record(&loop, std::string(kClusterKey), decode_cluster_record);
    if (!found.ok()) co_return found.status();
    if (found->exists()) {
      const ClusterRecord& record = found->record;
      if (record.id == id && record.copies == copies) co_return record;
      std::string why = text("the cluster is initialised already, with id ", uuid_text(record.id));
      if (record.copies > 0) why += text(" and ", record.copies, " copies");
      co_return Status(ErrorCode::kAlreadyExists, why);
    }
    VARVE_CO_TRY(co_await no_move_under_way(&loop));
    const ClusterRecord record{.id = id, .copies = copies};
    MetadataTransaction transaction;
    transaction.compares.push_back({std::string(kMoveKey), 0});
    transaction.compares.push_back({std::string(kClusterKey), 0});
    transaction.puts.push_back({std::string(kClusterKey), encode_cluster_record(record)});
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return record;
  }
}

Task<Result<Versioned<ClusterRecord>>> read_cluster(CasLoop* loop) {
  auto found = co_await read_record(loop, std::string(kClusterKey), decode_cluster_record);
  if (found.ok() && !found->exists()) {
    VARVE_CO_TRY(co_await no_move_under_way(loop));
    co_return Status(ErrorCode::kNotFound,
                     "there is no cluster in this metadata store yet; run: varve cluster init");
  }
  if (found.ok() && ids_used_up(found->record)) {
    co_return Status(ErrorCode::kNoSpace, "the cluster has given out all its ids");
  }
  co_return found;
}

namespace {

// The id that stands under a name's or a uuid's key; revision 0: none.
Task<Result<Versioned<uint32_t>>> read_id(CasLoop* loop, std::string key) {
  const Result<MetadataEntry> entry = co_await loop->get(key);
  if (!entry.ok()) co_return entry.status();
  Versioned<uint32_t> found{.record = 0, .revision = entry->revision};
  if (found.exists()) {
    const auto id = parse_id_value(entry->value);
    if (!id) co_return Status(ErrorCode::kDamaged, text("metadata ", key, ": not an id"));
    found.record = *id;
  }
  co_return found;
}

Status no_record(std::string_view from, std::string_view key) {
  return Status(ErrorCode::kDamaged, text("metadata ", from, ": ", key, " does not exist"));
}

// Creates `record` under the next id of its kind, with the key that makes it unique.
template <typename Record, typename Encoder>
MetadataTransaction creation(const Versioned<ClusterRecord>& cluster, const ClusterRecord& after,
                             const std::string& unique_key, const Record& record,
                             const Encoder& encode) {
  MetadataTransaction transaction;
  transaction.compares.push_back({std::string(kClusterKey), cluster.revision});
  transaction.compares.push_back({unique_key, 0});
  transaction.puts.push_back({std::string(kClusterKey), encode_cluster_record(after)});
  transaction.puts.push_back({record_key(record.id), encode(record)});
  transaction.puts.push_back({unique_key, id_value(record.id)});
  return transaction;
}

}  // namespace

Task<Result<NodeRecord>> register_node(ClusterContext context, NodeRecord wanted) {
  VARVE_CO_TRY(check_name(wanted.name, "node"));
  if (!record_words_allowed(wanted.address) || !record_words_allowed(wanted.version)) {
    co_return Status(ErrorCode::kInvalidArgument,
                     "a node's addresses or version are longer than 255 bytes, or not readable");
  }
  CasLoop loop(context);
  const std::string name_key = node_name_key(wanted.name);
  for (;;) {
    const auto id = co_await read_id(&loop, name_key);
    if (!id.ok()) co_return id.status();
    MetadataTransaction transaction;
    if (id->exists()) {
      wanted.id = NodeId{id->record};
      const std::string key = record_key(wanted.id);
      const auto found = co_await read_record(&loop, key, decode_node_record);
      if (!found.ok()) co_return found.status();
      if (!found->exists()) co_return no_record(name_key, key);
      if (found->record == wanted) co_return wanted;
      transaction.compares.push_back({key, found->revision});
      transaction.puts.push_back({key, encode_node_record(wanted)});
    } else {
      const auto cluster = co_await read_cluster(&loop);
      if (!cluster.ok()) co_return cluster.status();
      ClusterRecord after = cluster->record;
      wanted.id = NodeId{after.next_node++};
      transaction = creation(*cluster, after, name_key, wanted, encode_node_record);
    }
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return wanted;
  }
}

Task<Result<DiskGroupRecord>> register_disk_group(ClusterContext context, DiskGroupRecord wanted) {
  VARVE_CO_TRY(check_name(wanted.name, "disk group"));
  if (wanted.uuid == Uuid{} || wanted.node == NodeId{}) {
    co_return Status(ErrorCode::kInvalidArgument, "a disk group has a uuid and a node");
  }
  CasLoop loop(context);
  const std::string uuid_key = disk_group_uuid_key(wanted.uuid);
  for (;;) {
    const auto id = co_await read_id(&loop, uuid_key);
    if (!id.ok()) co_return id.status();
    MetadataTransaction transaction;
    if (id->exists()) {
      wanted.id = DiskGroupId{id->record};
      const std::string key = record_key(wanted.id);
      const auto found = co_await read_record(&loop, key, decode_disk_group_record);
      if (!found.ok()) co_return found.status();
      if (!found->exists()) co_return no_record(uuid_key, key);
      wanted.state = found->record.state;
      if (found->record.node != wanted.node) {
        co_return Status(ErrorCode::kAlreadyExists,
                         text("disk group ", wanted.name, " (", uuid_text(wanted.uuid),
                              ") belongs to node ", static_cast<uint32_t>(found->record.node)));
      }
      if (wanted.state == DiskGroupState::kRemoved) {
        co_return Status(ErrorCode::kNotFound,
                         text("disk group ", wanted.name, " (", uuid_text(wanted.uuid),
                              ") was removed from the cluster; format it to use it again"));
      }
      if (found->record == wanted) co_return wanted;
      transaction.compares.push_back({key, found->revision});
      transaction.puts.push_back({key, encode_disk_group_record(wanted)});
    } else {
      const auto cluster = co_await read_cluster(&loop);
      if (!cluster.ok()) co_return cluster.status();
      ClusterRecord after = cluster->record;
      wanted.id = DiskGroupId{after.next_disk_group++};
      wanted.state = DiskGroupState::kActive;
      transaction = creation(*cluster, after, uuid_key, wanted, encode_disk_group_record);
    }
    const Result<bool> applied = co_await loop.commit(std::move(transaction));
    if (!applied.ok()) co_return applied.status();
    if (*applied) co_return wanted;
  }
}

}  // namespace varve
