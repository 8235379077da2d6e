// The simulated metadata store: compare-and-swap is exact, everything else may be late, lost or
// old.
#include "tests/sim/cluster/sim_metadata.h"

#include <catch2/catch_test_macros.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "core/runtime/task_group.h"
#include "tests/sim/cluster/sim_shard.h"

namespace varve {
namespace {

constexpr uint64_t kSecond = 1000 * kMillisecond;

struct World {
  SimLoop loop;
  ClusterFaultCounts counts;
  SimMetadata store;
  SimShard shard;
  std::unique_ptr<SimMetadataClient> client;

  explicit World(uint64_t seed, SimMetadataOptions options = {})
      : loop(seed),
        store(loop, 1, options, seed, counts),
        shard(loop, {}, seed),
        client(std::make_unique<SimMetadataClient>(store, 0, shard)) {}
  Result<MetadataRange> range(std::string prefix) {
    return *loop.run(client->range(std::move(prefix)));
  }
  Result<MetadataCommit> put(std::string key, uint64_t expected, std::string value) {
    return *loop.run(client->commit(swap(std::move(key), expected, std::move(value))));
  }
  static MetadataTransaction swap(std::string key, uint64_t expected, std::string value) {
    MetadataTransaction transaction;
    transaction.compares.push_back({key, expected});
    transaction.puts.push_back({std::move(key), std::move(value)});
    return transaction;
  }
};

TEST_CASE("a commit is applied when its conditions hold, and changes nothing when they do not") {
  World world(1);
  const auto first = world.put("k/a", 0, "one");
  REQUIRE(first.ok());
  CHECK(first->succeeded);
  CHECK(first->revision == 1);
  const auto wrong = world.put("k/a", 0, "two");
  REQUIRE(wrong.ok());
  CHECK_FALSE(wrong->succeeded);
  const auto second = world.put("k/a", 1, "two");
  CHECK(second->succeeded);
  CHECK(world.put("k/b", 0, "b")->succeeded);
  CHECK(world.put("l", 0, "l")->succeeded);
  const auto found = world.range("k/");
  REQUIRE(found.ok());
  CHECK(found->revision == 4);
  REQUIRE(found->entries.size() == 2);
  CHECK(found->entries[0].key == "k/a");
  CHECK(found->entries[0].value == "two");
  CHECK(found->entries[0].revision == 2);
}

TEST_CASE("a deleted key does not exist any more") {
  World world(1);
  CHECK(world.put("k", 0, "one")->succeeded);
  MetadataTransaction removal;
  removal.puts.push_back({"k", "", true});
  CHECK(world.loop.run(world.client->commit(removal))->ok());
  CHECK(world.range("k")->entries.empty());
  CHECK(world.put("k", 0, "again")->succeeded);
}

TEST_CASE("a commit that changes nothing leaves the revision as it is") {
  World world(1);
  CHECK(world.put("k", 0, "one")->succeeded);
  MetadataTransaction nothing;
  nothing.compares.push_back({"k", 1});
  nothing.puts.push_back({"other", "", true});
  const auto result = *world.loop.run(world.client->commit(nothing));
  CHECK(result->succeeded);
  CHECK(result->revision == 1);
  CHECK(world.store.revision() == 1);
}

TEST_CASE("a transaction against the rules is refused") {
  World world(1);
  MetadataTransaction twice;
  twice.puts.push_back({"k", "one"});
  twice.puts.push_back({"k", "two"});
  CHECK(world.loop.run(world.client->commit(twice))->code() == ErrorCode::kInvalidArgument);
  CHECK(world.put("", 0, "x").code() == ErrorCode::kInvalidArgument);
  CHECK(world.put("k", 0, std::string(65537, 'x')).code() == ErrorCode::kInvalidArgument);
  CHECK(world.store.revision() == 0);
}

TEST_CASE("an unknown commit was applied, was not, or is applied later") {
  uint64_t applied = 0;
  uint64_t late = 0;
  uint64_t never = 0;
  for (uint64_t seed = 1; seed < 60; ++seed) {
    World world(seed, {.unknown_per_mille = 1000});
    const auto result = world.put("k", 0, "v");
    REQUIRE(result.code() == ErrorCode::kUnknown);
    const bool before = world.store.revision() > 0;
    REQUIRE(world.loop.drain());
    const bool after = world.store.revision() > 0;
    applied += before;
    late += !before && after;
    never += !after;
  }
  CHECK(applied > 0);
  CHECK(late > 0);
  CHECK(never > 0);
}

TEST_CASE("a late commit changes nothing when its conditions do not hold any more") {
  ClusterFaultCounts counts;
  for (uint64_t seed = 1; seed < 60; ++seed) {
    World world(seed, {.unknown_per_mille = 1000});
    CHECK(world.put("k", 0, "mine").code() == ErrorCode::kUnknown);
    world.store.apply(World::swap("k", 0, "other's"));
    REQUIRE(world.loop.drain());
    CHECK(world.store.revision() == 1);
    counts.add(world.counts);
  }
  CHECK(counts.of(ClusterFault::kCommitLateRefused) > 0);
}

TEST_CASE("unavailable means never applied") {
  for (uint64_t seed = 1; seed < 20; ++seed) {
    World world(seed, {.unavailable_per_mille = 1000});
    CHECK(world.put("k", 0, "v").code() == ErrorCode::kUnavailable);
    CHECK(world.range("k").code() == ErrorCode::kUnavailable);
    REQUIRE(world.loop.drain());
    CHECK(world.store.revision() == 0);
  }
}

TEST_CASE("a stale range is a revision that once was, as a whole") {
  World world(3, {.stale_per_mille = 500});
  uint64_t stale = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    MetadataTransaction both;
    both.puts.push_back({"a", text(i + 1)});
    both.puts.push_back({"b", text(i + 1)});
    world.store.apply(both);
    const auto found = world.range("");
    REQUIRE(found.ok());
    stale += found->revision <= i;
    for (const MetadataEntry& entry : found->entries) CHECK(entry.value == text(found->revision));
  }
  CHECK(stale > 20);
  CHECK(stale < 150);
}

TEST_CASE("a node that is cut off gets no answers, and may not know of its commits") {
  uint64_t unknown = 0;
  for (uint64_t seed = 1; seed < 20; ++seed) {
    World world(seed);
    world.store.cut(0);
    CHECK(world.range("k").code() == ErrorCode::kUnavailable);
    const auto result = world.put("k", 0, "v");
    CHECK_FALSE(result.ok());
    unknown += result.code() == ErrorCode::kUnknown;
    world.store.heal(0);
    CHECK(world.range("k").ok());
  }
  CHECK(unknown > 0);
}

struct Watcher {
  std::map<std::string, std::string> seen;
  uint64_t resyncs = 0;
  uint64_t last_revision = 0;
  uint64_t calls = 0;
  void operator()(const MetadataNews& news) {
    ++calls;
    resyncs += news.missed;
    for (const MetadataEntry& entry : news.entries) {
      CHECK(entry.revision >= last_revision);
      last_revision = entry.revision;
      seen[entry.key] = entry.deleted ? "gone" : entry.value;
    }
  }
};

TEST_CASE("a watch shows every key's last value, in order") {
  World world(4);
  world.store.apply(World::swap("w/before", 0, "x"));
  Watcher watcher;
  const uint64_t watch =
      world.client->watch("w/", 1, [&](const MetadataNews& news) { watcher(news); });
  for (int i = 0; i < 100; ++i) {
    MetadataTransaction change;
    change.puts.push_back({text("w/", i % 5), text(i)});
    world.store.apply(change);
    if (i % 10 == 0) REQUIRE(world.loop.drain());
  }
  REQUIRE(world.loop.drain());
  CHECK(watcher.seen.size() == 5);
  CHECK(watcher.seen["w/4"] == "99");
  CHECK(watcher.resyncs == 0);
  CHECK(world.counts.of(ClusterFault::kWatchMerged) > 0);
  world.client->unwatch(watch);
  world.store.apply(World::swap("w/new", 0, "x"));
  REQUIRE(world.loop.drain());
  CHECK_FALSE(watcher.seen.contains("w/new"));
}

TEST_CASE("lost changes are followed by a resync") {
  World world(5, {.watch_lost_per_mille = 500});
  Watcher watcher;
  world.client->watch("", 0, [&](const MetadataNews& news) { watcher(news); });
  for (uint64_t i = 0; i < 50; ++i) {
    world.store.apply(World::swap(text("k", i), 0, "x"));
    REQUIRE(world.loop.drain());
  }
  CHECK(watcher.resyncs > 5);
  CHECK(watcher.seen.size() + watcher.resyncs == 50);
}

Task<void> commit_and_tell(SimMetadataClient* client, MetadataTransaction transaction,
                           std::optional<ErrorCode>* code) {
  const auto result = co_await client->commit(std::move(transaction));
  *code = result.code();
}

TEST_CASE("a dead node's calls end at once; what it had sent may still be applied") {
  uint64_t applied = 0;
  for (uint64_t seed = 1; seed < 20; ++seed) {
    World world(seed, {.unknown_per_mille = 300});
    std::optional<ErrorCode> code;
    std::optional<ErrorCode> next;
    TaskGroup group(world.shard.ready());
    group.start(commit_and_tell(world.client.get(), World::swap("k", 0, "v"), &code));
    world.client->die();
    group.start(commit_and_tell(world.client.get(), World::swap("l", 0, "v"), &next));
    while (world.shard.run()) {
    }
    CHECK(code == ErrorCode::kUnavailable);
    CHECK(next == ErrorCode::kUnavailable);
    REQUIRE(world.loop.drain());
    CHECK(world.store.range_at("l", world.store.revision()).entries.empty());
    applied += world.store.revision();
  }
  CHECK(applied > 5);
}

TEST_CASE("one seed is one run of the store") {
  const auto run = [](uint64_t seed) {
    World world(seed, {.unknown_per_mille = 200,
                       .unavailable_per_mille = 100,
                       .slow_per_mille = 100,
                       .stale_per_mille = 200});
    uint64_t revision = 0;
    for (int i = 0; i < 50; ++i) {
      const auto result = world.put("k", revision, text(i));
      if (result.ok() && result->succeeded) revision = result->revision;
      const auto found = world.range("k");
      if (found.ok() && !found->entries.empty()) revision = found->entries[0].revision;
      world.loop.note(revision);
    }
    return world.loop.hash();
  };
  CHECK(run(6) == run(6));
  CHECK(run(6) != run(7));
}

}  // namespace
}  // namespace varve
