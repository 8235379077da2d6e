// Catalog: the volumes of a disk group, in a cluster the state of its replication groups, and their
// records in the log.
//
// A catalog segment begins with a complete record; changes follow. When it is full, or at start, a
// new segment with a complete record takes its place. Each change is durable, and seen here, when
// its task ends; changes take effect in the order of the calls.
//
// Thread rule: one shard's thread. Borrows the writer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/format/catalog_record.h"
#include "core/log/log_writer.h"

namespace varve {

class Catalog {
 public:
  explicit Catalog(LogWriter& writer) : writer_(writer), turn_(writer.runtime().ready) {}

  // Takes what recovery read, oldest first. False: the bytes make no sense.
  bool load(const std::vector<std::vector<std::byte>>& payloads);
  // Writes a complete record into a new segment. `former` held what was loaded; its slot becomes
  // free.
  Task<Status> begin(UnsealedSegment& former);

  const std::map<uint32_t, VolumeRecord>& volumes() const { return content_.volumes; }
  const std::map<GroupId, MemberState>& groups() const { return content_.groups; }
  std::vector<AttachFence> fences() const { return content_.complete().fences; }
  // 0: none.
  uint64_t fence(GroupId group, VolumeId volume) const;
  const VolumeRecord* find(std::string_view name) const;
  const VolumeRecord* find(VolumeId id) const;

  // kAlreadyExists, kNoSpace (the catalog is full).
  Task<Result<VolumeRecord>> create(std::string name, uint64_t blocks);
  // It never shrinks. kNotFound.
  Task<Status> grow(VolumeId id, uint64_t blocks);
  // kNotFound. Its fences go with it.
  Task<Status> remove(VolumeId id);
  // kStale: the epoch that is durable is newer. Positions only rise.
  Task<Status> put_group(MemberState group);
  // Adds the volume when it is not there, and lets it grow to the size that it says. kStale: a
  // newer generation is durable.
  Task<Status> put_fence(AttachFence fence, VolumeRecord volume);

 private:
  // One change at a time.
  Task<void> take_turn();
  void end_turn();
  Task<Status> commit(CatalogPayload change);
  Task<Status> write(std::vector<std::byte> bytes);
  Task<Status> write_complete(const CatalogPayload* change);
  void retire(UnsealedSegment& former);

  LogWriter& writer_;
  // What the records say together, without the writer.
  struct Content {
    void apply(const CatalogPayload& change);
    CatalogPayload complete() const;
    std::map<uint32_t, VolumeRecord> volumes;
    std::map<GroupId, MemberState> groups;
    std::map<std::pair<GroupId, VolumeId>, uint64_t> fences;
    uint32_t next_volume = 1;
  };
  Content content_;
  bool busy_ = false;
  WaitList turn_;
};

}  // namespace varve
