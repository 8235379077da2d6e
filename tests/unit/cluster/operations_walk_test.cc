// Several nodes work on the same records through a store that loses answers, delays commits and is
// not there at times. Whatever happens, the records stay whole, and an operation that has said how
// it ended changes nothing afterwards.
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <set>

#include "core/cluster/cluster_birth.h"
#include "core/cluster/planner.h"
#include "core/cluster/record_key.h"
#include "core/cluster/volume_operations.h"
#include "tests/unit/cluster/cluster_bench.h"

namespace varve {
namespace {

constexpr uint32_t kNodes = 4;
constexpr uint64_t kVolumeNames = 6;

struct LateCommit {
  uint32_t node = 0;
  size_t operation = 0;
  MetadataTransaction transaction;
};

// The store as one node sees it.
class NodeStore final : public MetadataStore {
 public:
  NodeStore(FakeMetadata& store, Random& dice, std::vector<LateCommit>& late, uint32_t node)
      : store_(store), dice_(dice), late_(late), node_(node) {}

  Task<Result<MetadataRange>> range(std::string prefix) override {
    if (dice_.chance(trouble, 10)) co_return Status(ErrorCode::kUnavailable, "no leader");
    co_return co_await store_.range(std::move(prefix));
  }

  Task<Result<MetadataCommit>> commit(MetadataTransaction transaction) override {
    if (!dice_.chance(trouble, 3)) co_return co_await store_.commit(std::move(transaction));
    switch (dice_.below(4)) {
      case 0:
        co_return Status(ErrorCode::kUnavailable, "no leader");
      case 1:
        (void)co_await store_.commit(std::move(transaction));
        break;
      case 2:
        late_.push_back({node_, operation, std::move(transaction)});
        break;
      default:
        break;
    }
    co_return Status(ErrorCode::kUnknown, "no answer");
  }
  uint64_t watch(std::string, uint64_t, MetadataWatcher) override { return 0; }
  void unwatch(uint64_t) override {}

  uint64_t trouble = 1;  // 0: none
  size_t operation = 0;

 private:
  FakeMetadata& store_;
  Random& dice_;
  std::vector<LateCommit>& late_;
  uint32_t node_;
};

struct Walk : ClusterBench {
  explicit Walk(uint64_t seed) : dice(seed) {
    for (uint32_t node = 0; node < kNodes; ++node) {
      stores.push_back(std::make_unique<NodeStore>(store, dice, late, node));
      ended.emplace_back();
    }
  }
  ClusterContext context_of(uint32_t node) {
    ClusterContext context = context_now();
    context.store = stores[node].get();
    return context;
  }
  ClusterContext context_now() {
    ClusterContext out = context();
    const uint64_t patience_ms = dice.chance(1, 2) ? 2000 : dice.below(40);
    out.deadline_ns = clock.now_ns + patience_ms * kMillisecond;
    return out;
  }
  // Who asks twice may hear something else.
  bool is_silent(NodeId) const override { return dice.chance(1, 2); }
  // An operation of a node has ended; when it said how, nothing of it may come any more.
  void end(uint32_t node, ErrorCode code) {
    INFO(static_cast<int>(code));
    CHECK(code != ErrorCode::kDamaged);
    CHECK(code != ErrorCode::kInvalidArgument);
    if (code != ErrorCode::kUnknown) ended[node].insert(stores[node]->operation);
    ++stores[node]->operation;
  }
  void one_late_arrives() {
    if (late.empty()) return;
    const auto chosen = late.begin() + static_cast<ptrdiff_t>(dice.below(late.size()));
    const LateCommit arriving = std::move(*chosen);
    late.erase(chosen);
    if (store.apply(arriving.transaction)) {
      CHECK_FALSE(ended[arriving.node].contains(arriving.operation));
    }
  }
  // Runs what was started, with late commits in between.
  void run_all(TaskGroup& group) {
    while (group.running() > 0) {
      if (dice.chance(1, 16)) one_late_arrives();
      if (ready.run_ready() > 0) continue;
      clock.now_ns = std::max(clock.now_ns, timers.next_deadline_ns());
      timers.fire();
    }
    while (!late.empty()) one_late_arrives();
  }

  mutable Random dice;
  std::vector<LateCommit> late;
  std::vector<std::unique_ptr<NodeStore>> stores;
  std::vector<std::set<size_t>> ended;  // by node: the operations that said how they ended
  std::vector<ClusterVolume> attached;
};

Task<void> be_born(Walk* walk, uint32_t node) {
  for (bool done = false; !done;) {
    const auto cluster = co_await cluster_init(walk->context_of(node), test_uuid(9), 0);
    walk->end(node, cluster.code());
    done = cluster.ok();
  }
  NodeId id{};
  while (id == NodeId{}) {
    const NodeRecord wanted{.name = text("node", node), .address = "a:1", .version = "1"};
    const auto record = co_await register_node(walk->context_of(node), wanted);
    walk->end(node, record.code());
    if (record.ok()) id = record->id;
  }
  for (bool done = false; !done;) {
    const DiskGroupRecord wanted{
        .node = id, .uuid = test_uuid(static_cast<uint8_t>(1 + node)), .name = "ssd0"};
    const auto record = co_await register_disk_group(walk->context_of(node), wanted);
    walk->end(node, record.code());
    done = record.ok();
  }
}

Task<ErrorCode> attach(Walk* walk, uint32_t node, std::string name) {
  const VolumeAttachment wanted{
      .name = std::move(name), .node = NodeId{node + 1}, .force = walk->dice.chance(1, 8)};
  const auto volume = co_await attach_volume(walk->context_of(node), wanted, walk);
  if (volume.ok()) walk->attached.push_back(*volume);
  co_return volume.code();
}

Task<ErrorCode> one_operation(Walk* walk, uint32_t node) {
  const std::string name = text("v", walk->dice.below(kVolumeNames));
  const ClusterContext context = walk->context_of(node);
  switch (walk->dice.below(8)) {
    case 0: {
      const VolumeCreation wanted{.name = name, .size_bytes = kGiB, .node = NodeId{node + 1}};
      const auto created = co_await create_volume(context, wanted);
      co_return created.code();
    }
    case 1: {
      const auto deleted = co_await delete_volume(context, name);
      co_return deleted.code();
    }
    case 2: {
      const VolumeDetachment wanted{
          .name = name, .node = NodeId{node + 1}, .force = walk->dice.chance(1, 3)};
      const auto volume = co_await detach_volume(context, wanted);
      co_return volume.code();
    }
    case 3: {
      const auto planned = co_await plan_cluster(context, NodeId{node + 1}, walk);
      co_return planned.code();
    }
    case 4: {
      const VolumeResize wanted{.name = name,
                                .size_bytes = kGiB + walk->dice.below(9) * kBlockBytes};
      const auto resized = co_await resize_volume(context, wanted);
      // Others may have gone further.
      const bool shrinks = resized.code() == ErrorCode::kInvalidArgument;
      co_return shrinks ? ErrorCode::kBusy : resized.code();
    }
    default:
      co_return co_await attach(walk, node, name);
  }
}

Task<void> operate(Walk* walk, uint32_t node, int count) {
  for (int i = 0; i < count; ++i) {
    const ErrorCode code = co_await one_operation(walk, node);
    walk->end(node, code);
  }
}

// Names lead to volumes and back.
void check_volumes(Walk& walk) {
  CasLoop loop(walk.context());
  const auto volumes =
      walk.run(read_records(&loop, std::string(kVolumePrefix), decode_cluster_volume));
  REQUIRE(volumes.ok());
  size_t named = 0;
  for (const ClusterVolume& volume : *volumes) {
    if (volume.deleted) continue;
    ++named;
    CHECK(walk.store.value(volume_name_key(volume.name)) == id_value(volume.id));
  }
  CHECK(walk.store.count("volume_name/") == named);
  const auto cluster = decode_cluster_record(walk.store.value("cluster"));
  CHECK(cluster->next_volume == volumes->size() + 1);
}

// Generations only rise, by one with each change but of the size, which only grows, and every
// attachment was really made.
void check_generations(const Walk& walk) {
  std::map<std::string, uint64_t> generations;
  std::map<std::string, uint64_t> sizes;
  std::set<std::string> made;
  for (const MetadataEntry& entry : walk.store.history()) {
    if (!entry.key.starts_with(kVolumePrefix)) continue;
    const auto volume = decode_cluster_volume(entry.value);
    REQUIRE(volume.ok());
    uint64_t& generation = generations[entry.key];
    CHECK(volume->generation >= generation);
    CHECK(volume->generation <= generation + 1);
    uint64_t& size_bytes = sizes[entry.key];
    CHECK(volume->size_bytes >= size_bytes);
    const bool has_grown = size_bytes > 0 && volume->size_bytes > size_bytes;
    size_bytes = volume->size_bytes;
    if (has_grown) CHECK(volume->generation == generation);
    if (volume->holder != NodeId{} && !has_grown) CHECK(volume->generation == generation + 1);
    generation = volume->generation;
    CHECK(made.insert(entry.value).second);
  }
  for (const ClusterVolume& volume : walk.attached) {
    CHECK(made.contains(encode_cluster_volume(volume)));
  }
}

}  // namespace

TEST_CASE("nodes that work on the same records through a bad store leave them whole") {
  size_t attached = 0;
  for (uint64_t seed = 1; seed <= 250; ++seed) {
    CAPTURE(seed);
    Walk walk(seed);
    TaskGroup group(walk.ready);
    for (uint32_t node = 0; node < kNodes; ++node) group.start(be_born(&walk, node));
    walk.run_all(group);
    CHECK(walk.store.count("node/") == kNodes);
    CHECK(walk.store.count("disk_group/") == kNodes);
    for (uint32_t node = 0; node < kNodes; ++node) group.start(operate(&walk, node, 40));
    walk.run_all(group);
    for (const auto& one : walk.stores) one->trouble = 0;
    CasLoop loop(walk.context());
    CHECK(walk.run(create_missing_groups(&loop, 0, 0)).ok());
    CHECK(walk.store.count("group/") == kNodes * kGroupsPerDiskGroup);
    check_volumes(walk);
    check_generations(walk);
    attached += walk.attached.size();
  }
  CHECK(attached > 1000);
}

}  // namespace varve
