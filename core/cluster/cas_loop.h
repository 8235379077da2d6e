// CasLoop: read, decide, change by compare-and-swap, and again until it is settled. Every operation
// on the cluster's records is one:
//
//     CasLoop loop(context);
//     for (;;) {
//       auto found = co_await read_record(&loop, key, decode);
//       if (!found.ok()) co_return found.status();
//       ...decide: done already, refused, or a transaction on found->revision...
//       const auto applied = co_await loop.commit(std::move(transaction));
//       if (!applied.ok()) co_return applied.status();
//       if (*applied) co_return ...;
//     }
//
// A result that is not known leads to another turn as a conflict does. The turn must recognise its
// own change, by token or content, and must otherwise decide as before on the same revision: only
// the success of that, or a newer revision, rules out that the first one still arrives.
//
// Thread rule: one shard's thread, one task. Ownership: borrows what the context points at.
// Errors: while the store cannot be reached, it tries again until the deadline; then kUnknown when
// a change of this loop may still arrive, else what the store said.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/text.h"
#include "core/cluster/metadata_store.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"

namespace varve {

struct ClusterContext {
  MetadataStore* store = nullptr;
  Runtime* runtime = nullptr;
  uint64_t deadline_ns = 0;  // on the clock of `runtime`
};

class CasLoop {
 public:
  explicit CasLoop(ClusterContext context) : context_(context) {}
  CasLoop(const CasLoop&) = delete;
  CasLoop& operator=(const CasLoop&) = delete;

  // Never older than what this loop has read or written before.
  Task<Result<MetadataRange>> range(std::string prefix);
  // Revision 0 and no value when the key does not exist.
  Task<Result<MetadataEntry>> get(std::string key);
  // True: applied. False: not, or not known: read again and decide again.
  Task<Result<bool>> commit(MetadataTransaction transaction);
  // Not 0; tells a change of this loop from others.
  uint64_t draw_token();

 private:
  Task<void> pause();
  bool is_late() const;
  // What to say when the time is over.
  Status give_up(const Status& reason) const;

  ClusterContext context_;
  uint64_t seen_revision_ = 0;
  uint64_t pause_ns_ = 5 * kMillisecond;
  bool is_pending_ = false;  // a change of ours may still arrive
};

// A record with the revision that its next change is made on; 0: there is none.
template <typename Record>
struct Versioned {
  Record record;
  uint64_t revision = 0;
  bool exists() const { return revision > 0; }
};

template <typename Record>
using RecordDecoder = Result<Record> (*)(std::string_view text);

template <typename Record>
Task<Result<Versioned<Record>>> read_record(CasLoop* loop, std::string key,
                                            RecordDecoder<Record> decode) {
  const Result<MetadataEntry> entry = co_await loop->get(key);
  if (!entry.ok()) co_return entry.status();
  Versioned<Record> found;
  if (entry->revision == 0) co_return found;
  Result<Record> record = decode(entry->value);
  if (!record.ok()) {
    co_return Status(record.code(), text("metadata ", key, ": ", record.status().message()));
  }
  found.record = std::move(*record);
  found.revision = entry->revision;
  co_return found;
}

// All records under a prefix, in the order of their keys.
template <typename Record>
Task<Result<std::vector<Record>>> read_records(CasLoop* loop, std::string prefix,
                                               RecordDecoder<Record> decode) {
  const Result<MetadataRange> range = co_await loop->range(prefix);
  if (!range.ok()) co_return range.status();
  std::vector<Record> records;
  for (const MetadataEntry& entry : range->entries) {
    Result<Record> record = decode(entry.value);
    if (!record.ok()) {
      co_return Status(record.code(),
                       text("metadata ", entry.key, ": ", record.status().message()));
    }
    records.push_back(std::move(*record));
  }
  co_return records;
}

}  // namespace varve
