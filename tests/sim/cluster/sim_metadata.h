// SimMetadata: the metadata store that all simulated nodes share: one linearizable map, and all
// that can go wrong on the way to it. SimMetadataClient is the MetadataStore of one life of a node.
//
// A commit whose result is unknown was applied, was not, or is applied at any later time if its
// conditions hold then, whether its caller is still alive or not. Ranges may show any earlier
// revision of the whole map. Changes come late, merged, or not at all; then a resync follows some
// time later. A node can be cut off.
//
// Thread rule: the loop's thread. Ownership: loop and counts are borrowed; the store outlives its
// clients, a client does not outlive its shard. Units: nanoseconds of the loop's time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/cluster/metadata_store.h"
#include "tests/sim/cluster/cluster_faults.h"
#include "tests/sim/sim_loop.h"

namespace varve {

class SimMetadataClient;
class SimShard;

struct SimMetadataOptions {
  uint64_t delay_min_ns = 200'000;
  uint64_t delay_spread_ns = 1'800'000;
  uint64_t timeout_ns =
      2'000'000'000;               // of a call that gets no answer; half of it to one and a half
  uint32_t unknown_per_mille = 0;  // commits: a third each applied, not applied, applied later
  uint64_t late_max_ns = 15'000'000'000;
  uint32_t unavailable_per_mille = 0;
  uint32_t slow_per_mille = 0;  // calls that take up to slow_max_ns
  uint64_t slow_max_ns = 1'500'000'000;
  uint32_t stale_per_mille = 0;
  uint32_t watch_lost_per_mille = 0;
  uint64_t resync_max_ns = 3'000'000'000;
};

class SimMetadata {
 public:
  SimMetadata(SimLoop& loop, uint32_t node_count, SimMetadataOptions options, uint64_t seed,
              ClusterFaultCounts& counts);
  SimMetadata(const SimMetadata&) = delete;
  SimMetadata& operator=(const SimMetadata&) = delete;

  void set_options(SimMetadataOptions options) { options_ = options; }
  void cut(uint32_t node);
  void heal(uint32_t node) { cut_[node] = false; }
  void heal_all() { cut_.assign(cut_.size(), false); }

  // The truth, for set-up and checkers.
  MetadataCommit apply(const MetadataTransaction& transaction);
  MetadataRange range_at(std::string_view prefix, uint64_t revision) const;
  uint64_t revision() const { return revision_; }
  // Told of every transaction that was applied, in order. May be empty.
  void set_observer(std::function<void(const MetadataTransaction&, uint64_t revision)> observer) {
    observer_ = std::move(observer);
  }

 private:
  friend class SimMetadataClient;
  struct Version {
    uint64_t revision = 0;
    std::string value;
    bool deleted = false;
  };
  struct Call {
    SimMetadataClient* client = nullptr;  // null: that life is over
    uint32_t node = 0;
    bool ended = false;
    std::coroutine_handle<> waiter;
    std::string prefix;
    MetadataTransaction transaction;
    ErrorCode result = ErrorCode::kOk;
    MetadataRange range;
    MetadataCommit commit;
  };
  using CallPtr = std::shared_ptr<Call>;
  struct Watch {
    SimMetadataClient* client = nullptr;
    uint32_t node = 0;
    std::string prefix;
    uint64_t revision = 0;  // told up to here
    bool scheduled = false;
    MetadataWatcher watcher;
  };

  const Version* version_at(const std::vector<Version>& versions, uint64_t revision) const;
  uint64_t revision_of(const std::string& key) const;
  void begin_range(const CallPtr& call);
  void serve_range(const CallPtr& call);
  void begin_commit(const CallPtr& call);
  void begin_unknown_commit(const CallPtr& call);
  void serve_commit(const CallPtr& call);
  void end_call(const CallPtr& call, ErrorCode result);
  void end_call_later(const CallPtr& call, ErrorCode result, uint64_t delay_ns);
  void notify(uint64_t watch);
  void deliver(uint64_t watch);
  void tell(Watch& watch, uint64_t number, MetadataNews news);
  std::vector<MetadataEntry> changes_after(const Watch& watch, bool merged) const;
  uint64_t draw_delay_ns();
  uint64_t draw_timeout_ns();

  SimLoop& loop_;
  SimMetadataOptions options_;
  Random random_;
  ClusterFaultCounts& counts_;
  std::vector<bool> cut_;
  std::map<std::string, std::vector<Version>> keys_;
  std::vector<std::pair<uint64_t, std::string>> log_;  // revision, key; every change
  uint64_t revision_ = 0;
  std::map<uint64_t, Watch> watches_;
  uint64_t watch_count_ = 0;
  std::function<void(const MetadataTransaction&, uint64_t)> observer_;
};

class SimMetadataClient final : public MetadataStore {
 public:
  SimMetadataClient(SimMetadata& store, uint32_t node, SimShard& shard)
      : store_(store), node_(node), shard_(shard) {}
  SimMetadataClient(const SimMetadataClient&) = delete;
  SimMetadataClient& operator=(const SimMetadataClient&) = delete;
  ~SimMetadataClient() override;

  Task<Result<MetadataRange>> range(std::string prefix) override;
  Task<Result<MetadataCommit>> commit(MetadataTransaction transaction) override;
  uint64_t watch(std::string prefix, uint64_t revision, MetadataWatcher watcher) override;
  void unwatch(uint64_t watch) override;

  // The node has died: every call ends with kUnavailable, now and from now on; what was sent may
  // still be applied.
  void die();

 private:
  friend class SimMetadata;
  static bool well_formed(const MetadataTransaction& transaction);
  void end(SimMetadata::Call& call, ErrorCode result);

  SimMetadata& store_;
  const uint32_t node_;
  SimShard& shard_;
  bool alive_ = true;
  std::vector<SimMetadata::CallPtr> calls_;  // under way
};

}  // namespace varve
