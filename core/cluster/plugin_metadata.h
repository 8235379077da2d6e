// PluginMetadata: a MetadataStore that a metadata plugin keeps.
//
//     start -> (a poller of the loop) range, commit, watch, unwatch -> close -> destructor
//
// After the plugin broke its contract all calls answer kUnavailable (a commit that was under way:
// kUnknown) and watchers hear nothing any more.
//
// Thread rule: one shard's thread. Watchers are called from a task of its own, one at a time, in
// the order in which the plugin told.
// Ownership: borrows runtime and library. The owner adds it to the loop as a poller, awaits
// close(), and removes it from the loop before the destructor. Errors: kInvalidArgument for keys,
// values and transactions beyond the limits of the contract.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "core/cluster/metadata_store.h"
#include "core/plugin/metadata_plugin.h"
#include "core/runtime/latch.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task_group.h"
#include "core/runtime/wait_list.h"

namespace varve {

class PluginMetadata final : public MetadataStore, public Poller, private MetadataSink {
 public:
  // Makes the plugin's instance and opens its store, which may take as long as a disk or a network.
  static Result<std::unique_ptr<PluginMetadata>> start(Runtime& runtime,
                                                       const PluginLibrary& library,
                                                       std::span<const ServiceOption> options);
  ~PluginMetadata() override;
  PluginMetadata(const PluginMetadata&) = delete;
  PluginMetadata& operator=(const PluginMetadata&) = delete;

  Task<Result<MetadataRange>> range(std::string prefix) override;
  Task<Result<MetadataCommit>> commit(MetadataTransaction transaction) override;
  uint64_t watch(std::string prefix, uint64_t revision, MetadataWatcher watcher) override;
  void unwatch(uint64_t watch) override;

  // Ends all calls, as after a broken contract, and all watches. No call may begin after it.
  Task<void> close();

  size_t poll() override { return plugin_->poll(); }
  bool arm() override { return plugin_->arm(); }
  int wait_fd() override { return plugin_->wait_fd(); }

  // Why the plugin is not trusted any more; empty while it is.
  const std::string& broken_why() const { return plugin_->broken_why(); }

 private:
  // A call that the plugin has accepted; lives in the frame of the coroutine that waits for it.
  struct Call {
    explicit Call(RunQueue& ready) : ended(ready, 1) {}
    Latch ended;
    ErrorCode code = ErrorCode::kOk;
    MetadataRange range;
    MetadataCommit commit;
    bool is_commit = false;
  };
  class Inside;

  PluginMetadata(Runtime& runtime, std::unique_ptr<MetadataPlugin> plugin);
  Task<void> tell_watchers();
  void end(uint64_t op_id, ErrorCode code);
  void end_all();
  void add_news(uint64_t watch, MetadataNews news);

  void range_ended(uint64_t op_id, ErrorCode code, uint64_t revision,
                   std::span<const varve_key_value> entries) override;
  void commit_ended(uint64_t op_id, ErrorCode code, bool succeeded, uint64_t revision) override;
  void changed(uint64_t watch, uint64_t revision,
               std::span<const varve_key_value> entries) override;
  void missed(uint64_t watch, uint64_t revision) override;
  void broke() override { end_all(); }

  RunQueue& ready_;
  std::unique_ptr<MetadataPlugin> plugin_;
  uint64_t last_op_id_ = 0;
  std::map<uint64_t, Call*> calls_;
  size_t inside_count_ = 0;  // coroutines inside range() and commit()
  WaitList room_;            // the plugin has said that too many calls are under way
  WaitList left_;            // a coroutine has left range() or commit()

  std::map<uint64_t, std::shared_ptr<MetadataWatcher>> watchers_;
  std::deque<std::pair<uint64_t, MetadataNews>> news_;  // with its watch
  WaitList news_arrived_;
  TaskGroup tasks_;
  bool closing_ = false;
};

}  // namespace varve
