// Catalog: the volumes of a disk group, their snapshots and how their generations hang together, in
// a cluster the state of its replication groups; and the records of all this in the log.
//
// A catalog segment begins with a complete record; changes follow. When it is full, or at start, a
// new segment with a complete record takes its place. Each change is durable, and seen here, when
// its task ends; changes take effect in the order of the calls, each of them whole or not at all.
//
// Thread rule: one shard's thread. Borrows the writer.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format/catalog_record.h"
#include "core/log/log_writer.h"
#include "core/runtime/turn.h"

namespace varve {

class Catalog {
 public:
  using Snapshots = std::map<std::pair<VolumeId, Generation>, SnapshotRecord>;

  explicit Catalog(LogWriter& writer) : writer_(writer), turn_(writer.runtime().ready) {}

  // Takes what recovery read, oldest first. False: the bytes make no sense.
  bool load(const std::vector<std::vector<std::byte>>& payloads);
  // Writes a complete record into a new segment. `former` held what was loaded; its slot becomes
  // free.
  Task<Status> begin(UnsealedSegment& former);

  const std::map<uint32_t, VolumeRecord>& volumes() const { return content_.volumes; }
  const std::map<GroupId, MemberState>& groups() const { return content_.groups; }
  const Snapshots& snapshots() const { return content_.snapshots; }
  std::vector<AttachFence> fences() const { return content_.complete().fences; }
  // 0: none.
  uint64_t fence(GroupId group, VolumeId volume) const;
  // Not the headless ones.
  const VolumeRecord* find(std::string_view name) const;
  const VolumeRecord* find(VolumeId id) const;
  // Not the nameless ones.
  const SnapshotRecord* find_snapshot(VolumeId volume, std::string_view name) const;
  // The volume's snapshots, nameless ones included, oldest first.
  std::vector<const SnapshotRecord*> snapshots_of(VolumeId volume) const;
  // What was never written down is the lineage of a volume without any history.
  LineageRecord lineage(VolumeId volume) const;
  const std::map<uint32_t, LineageRecord>& lineages() const { return content_.lineages; }
  // The volume itself, or the one that it was cloned from in the first place.
  VolumeId family(VolumeId volume) const;
  // The HDDs, by number.
  const std::map<uint32_t, DeviceRecord>& devices() const { return content_.devices; }
  VolumeTier tier(VolumeId volume) const;
  // Of all volumes with kSsd together, by their sizes.
  uint64_t kept_blocks() const { return content_.kept_blocks; }
  // Of the volume's family; null: it is not encrypted.
  const WrappedKey* key(VolumeId volume) const;

  // Fills in what is to be different, from what is durable now; an error is handed on, and nothing
  // changes. It is called once, when all earlier changes have taken effect.
  using Change = std::function<Status(CatalogPayload& change)>;
  // kNoSpace: the catalog is full.
  Task<Status> change(const Change& make);

  // kStale: the epoch that is durable is newer. Positions only rise.
  Task<Status> put_group(MemberState group);
  // For a change: the record of a volume with the next number.
  VolumeRecord next_volume(std::string name, uint64_t blocks) const {
    return {VolumeId{content_.next_volume}, blocks, std::move(name), {}};
  }

 private:
  Task<Status> commit(CatalogPayload change);
  Task<Status> write(std::vector<std::byte> bytes);
  Task<Status> write_complete(const CatalogPayload* change);
  void retire(UnsealedSegment& former);

  LogWriter& writer_;
  // What the records say together, without the writer.
  struct Content {
    void apply(const CatalogPayload& change);
    void apply_volume(const VolumeRecord& record);
    CatalogPayload complete() const;
    std::map<uint32_t, VolumeRecord> volumes;
    std::map<GroupId, MemberState> groups;
    std::map<std::pair<GroupId, VolumeId>, uint64_t> fences;
    void apply_snapshot(const SnapshotRecord& record);
    Snapshots snapshots;
    std::map<std::pair<VolumeId, std::string>, Generation> snapshot_names;
    std::map<uint32_t, LineageRecord> lineages;
    std::map<uint32_t, WrappedKey> keys;
    std::map<uint32_t, DeviceRecord> devices;
    void apply_tier(const TierRecord& record);
    void count_kept_blocks();
    std::map<uint32_t, VolumeTier> tiers;  // those with kAuto are not there
    uint64_t kept_blocks = 0;
    uint32_t next_volume = 1;
  };
  Content content_;
  Turn turn_;
};

}  // namespace varve
