// MetadataStore: the cluster's small, strongly ordered key-value store as core sees it. A plugin
// implements it (PluginMetadata), or the simulator. The promises are those of
// plugins/abi/metadata.h.
//
// Nothing is ever read from here on the data path, and no safety rests on a read (rule 7): only
// commits count.
//
// Thread rule: one shard's thread. Watchers are called through the run queue, one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/runtime/task.h"

namespace varve {

struct MetadataEntry {
  std::string key;
  std::string value;      // empty when deleted
  uint64_t revision = 0;  // of the last change
  bool deleted = false;   // in changes only
};

struct MetadataRange {
  uint64_t revision = 0;  // of the store when it answered
  std::vector<MetadataEntry> entries;
};

struct MetadataCompare {
  std::string key;
  uint64_t revision = 0;  // 0: the key does not exist
};
struct MetadataPut {
  std::string key;
  std::string value;
  bool remove = false;
};
struct MetadataTransaction {
  std::vector<MetadataCompare> compares;
  std::vector<MetadataPut> puts;
};
struct MetadataCommit {
  bool succeeded = false;  // false: a condition did not hold, nothing was changed
  uint64_t revision = 0;   // of the puts when it succeeded
};

// What a watch tells.
struct MetadataNews {
  bool missed = false;    // changes up to `revision` may have been (entries is empty): read again
  uint64_t revision = 0;  // all changes up to it are told or missed; those after it follow
  std::vector<MetadataEntry> entries;  // in the order of their revisions
};
using MetadataWatcher = std::function<void(const MetadataNews& news)>;

class MetadataStore {
 public:
  virtual ~MetadataStore() = default;
  // All keys that begin with `prefix`, in order. kUnavailable.
  virtual Task<Result<MetadataRange>> range(std::string prefix) = 0;
  // kUnavailable: not applied and never will be. kUnknown: it may have been, or may still be.
  virtual Task<Result<MetadataCommit>> commit(MetadataTransaction transaction) = 0;
  // Calls `watcher` for every change under `prefix` after `revision`, until unwatch(). Merged
  // changes of one key show the last.
  virtual uint64_t watch(std::string prefix, uint64_t revision, MetadataWatcher watcher) = 0;
  virtual void unwatch(uint64_t watch) = 0;
};

}  // namespace varve
