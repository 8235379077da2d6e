// RecordChange: changes a group's record by compare-and-swap, and does not stop before the result
// is known (docs/replication.md, "CAS results that are not known").
//
// Thread rule: one shard's thread.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/cluster/group_record.h"
#include "core/cluster/metadata_store.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"

namespace varve {

// A record as it was seen, and the revision to compare with.
struct SeenRecord {
  GroupRecord record;
  uint64_t revision = 0;
};

std::string group_key(GroupId group);

enum class ChangeResult : uint8_t {
  kApplied,  // `seen` is now what was wanted
  kLost,     // somebody else changed the record first; `seen` is theirs; ours can never be applied
  kStopped,  // gave up because `stopping` became true: it may still be applied
};

// Writes `wanted` (its epoch and token are filled in) over `seen`. `stopping` is looked at between
// attempts; both pointers outlive the task.
Task<ChangeResult> change_record(Runtime* runtime, MetadataStore* metadata, SeenRecord* seen,
                                 GroupRecord wanted, const bool* stopping);

// The record as the store shows it now; possibly an old one. kNotFound, kUnavailable, kDamaged.
Task<Result<SeenRecord>> read_record(MetadataStore* metadata, GroupId group);

}  // namespace varve
