// Catalog: the volumes of a disk group, and their records in the log.
//
// A catalog segment begins with a complete record of all volumes; changes follow. When it is full,
// or at start, a new segment with a complete record takes its place. Each change is durable when
// commit ends.
//
// Thread rule: one shard's thread. Borrows the writer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
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

  const std::map<uint32_t, VolumeRecord>& volumes() const { return volumes_; }
  const VolumeRecord* find(std::string_view name) const;
  const VolumeRecord* find(VolumeId id) const;

  // kAlreadyExists, kNoSpace (the catalog is full).
  Task<Result<VolumeRecord>> create(std::string name, uint64_t blocks);
  // kNotFound.
  Task<Status> remove(VolumeId id);

 private:
  // One change at a time.
  Task<void> take_turn();
  void end_turn();
  Task<Status> commit(const VolumeRecord& change);
  Task<Status> write(const CatalogPayload& payload, std::vector<std::byte> bytes);
  Task<Status> write_complete(const VolumeRecord* change);
  void retire(UnsealedSegment& former);
  CatalogPayload complete_with(const VolumeRecord* change) const;
  void apply(const VolumeRecord& record);

  LogWriter& writer_;
  std::map<uint32_t, VolumeRecord> volumes_;
  uint32_t next_volume_ = 1;
  bool busy_ = false;
  WaitList turn_;
};

}  // namespace varve
