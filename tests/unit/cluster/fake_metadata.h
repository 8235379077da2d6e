// FakeMetadata: a metadata store in memory that can be as unhelpful as a real one may be.
//
// Calls end at the next turn of the run queue. `plan_commits` says how the next commits end; a
// commit that is "later" waits until apply_late(). Watchers are told by deliver(), or never when
// lose_changes() came first: then they hear RESYNC.
#pragma once

#include <coroutine>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/cluster/metadata_store.h"
#include "core/runtime/run_queue.h"

namespace varve {

class FakeMetadata final : public MetadataStore {
 public:
  enum class Answer { kKnown, kAppliedUnknown, kLostUnknown, kLateUnknown, kUnavailable };

  explicit FakeMetadata(RunQueue& ready) : ready_(ready) {}

  Task<Result<MetadataRange>> range(std::string prefix) override;
  Task<Result<MetadataCommit>> commit(MetadataTransaction transaction) override;
  uint64_t watch(std::string prefix, uint64_t revision, MetadataWatcher watcher) override;
  void unwatch(uint64_t watch) override { watches_.erase(watch); }

  // What somebody else writes, at once. Empty value: removes.
  void put(const std::string& key, const std::string& value);
  std::string value(const std::string& key) const;
  size_t count(const std::string& prefix) const;
  uint64_t revision() const { return revision_; }
  size_t watch_count() const { return watches_.size(); }

  // What a commit does: false, and nothing, when a condition does not hold.
  bool apply(const MetadataTransaction& transaction);
  // All changes so far, in order.
  const std::vector<MetadataEntry>& history() const { return history_; }

  // Late commits arrive; each applies if its conditions hold still. How many were applied.
  size_t apply_late();
  // Tells the watchers what they were not told yet. False: nothing.
  bool deliver();
  // What is not told yet never will be: the next deliver() says RESYNC.
  void lose_changes();

  std::deque<Answer> plan_commits;       // then kKnown
  std::deque<bool> plan_ranges;          // false: unavailable; then true
  std::deque<MetadataRange> old_ranges;  // answers of a replica that is behind; then none
  std::function<void()> before_commit;   // called once before the next commit is looked at
  bool late_comes_first = false;         // late commits arrive right before the next one
  size_t commit_count = 0;

 private:
  struct Value {
    std::string text;
    uint64_t revision = 0;
  };
  struct Watch {
    std::string prefix;
    uint64_t told_revision = 0;
    bool lost = false;
    MetadataWatcher watcher;
  };
  // Goes through the run queue once.
  auto turn() {
    struct Awaiter {
      bool await_ready() noexcept { return false; }
      void await_suspend(std::coroutine_handle<> self) { ready.push(self); }
      void await_resume() noexcept {}
      RunQueue& ready;
    };
    return Awaiter{ready_};
  }

  RunQueue& ready_;
  uint64_t revision_ = 1;
  std::map<std::string, Value> values_;
  std::vector<MetadataEntry> history_;
  std::vector<MetadataTransaction> late_;
  std::map<uint64_t, Watch> watches_;
  uint64_t next_watch_ = 1;
};

}  // namespace varve
