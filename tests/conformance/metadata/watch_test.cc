#include <algorithm>
#include <set>

#include "core/runtime/task_group.h"
#include "tests/conformance/metadata/bench.h"

namespace varve {

TEST_CASE("a watch tells every change under its prefix after its revision, in order") {
  Bench bench;
  bench.put("a/1", "before");
  const uint64_t known = bench.put("a/2", "before");
  Ear ear(bench, "a/", known);
  bench.put("b/1", "elsewhere");
  bench.put("a/3", "new");
  CHECK(ear.until_heard(known + 2));
  bench.put("a/1", "changed", 1);
  const uint64_t last = bench.remove("a/2", 1);
  CHECK(ear.until_heard(last));
  CHECK(ear.keys() == "a/3 a/1 -a/2");
  CHECK(ear.entries[0].value == "new");
  CHECK(ear.entries[0].revision == known + 2);
  CHECK(ear.entries[1].value == "changed");
  CHECK(ear.entries[2].value.empty());
  CHECK(ear.in_order);
  CHECK(ear.resync_count == 0);
}

TEST_CASE("a watch from an earlier revision tells what has changed since, deletes included") {
  Bench bench;
  bench.put("a", "1");
  const uint64_t known = bench.put("b", "1");
  bench.put("c", "1");
  bench.put("c", "2");
  bench.remove("a");
  const uint64_t last = bench.put("d", "1");
  Ear ear(bench, "", known);
  CHECK(ear.until_heard(last));
  // Both changes of c, or the last alone.
  const std::string keys = ear.keys();
  CHECK((keys == "c -a d" || keys == "c c -a d"));
  CHECK(ear.in_order);
}

TEST_CASE("a watch from revision 0 begins with the whole store") {
  Bench bench;
  constexpr int kCommits = 15, kKeys = 50;
  for (int i = 0; i < kCommits; ++i) {
    MetadataTransaction transaction;
    for (int k = 0; k < kKeys; ++k) {
      transaction.puts.push_back({std::to_string(i) + "/" + std::to_string(k), "v"});
    }
    bench.commit(transaction);
  }
  Ear ear(bench, "", 0);
  CHECK(ear.until_heard(kCommits));
  CHECK(ear.until([&ear] { return ear.entries.size() >= kCommits * kKeys; }));
  std::set<std::string> keys;
  for (const MetadataEntry& entry : ear.entries) keys.insert(entry.key);
  CHECK(keys.size() == kCommits * kKeys);
  CHECK(ear.in_order);
}

TEST_CASE("a key that is put again after its delete is told as put") {
  Bench bench;
  const uint64_t known = bench.put("a", "1");
  Ear ear(bench, "a", known);
  bench.remove("a");
  const uint64_t last = bench.put("a", "2");
  CHECK(ear.until_heard(last));
  CHECK_FALSE(ear.entries.back().deleted);
  CHECK(ear.entries.back().value == "2");
}

TEST_CASE("several watches do not disturb each other") {
  Bench bench;
  Ear all(bench, "", 0), some(bench, "b", 0, 1);
  {
    const Ear ended(bench, "", 0);
  }
  bench.put("a", "1");
  const uint64_t last = bench.put("b", "1");
  CHECK(all.until_heard(last));
  CHECK(some.until_heard(last));
  CHECK(all.keys() == "a b");
  CHECK(some.keys() == "b");
}

TEST_CASE("after unwatch nothing is heard") {
  Bench bench;
  Ear witness(bench, "", 0);
  size_t heard = 0;
  MetadataStore& store = bench.store->client(0);
  const uint64_t watch = store.watch("", 0, [&heard](const MetadataNews&) { ++heard; });
  uint64_t last = bench.put("a", "1");
  CHECK(witness.until_heard(last));
  const size_t before = heard;
  store.unwatch(watch);
  store.unwatch(watch);  // harmless
  last = bench.put("b", "1");
  CHECK(witness.until_heard(last));
  CHECK(heard == before);
}

TEST_CASE("a watcher may end its own watch") {
  Bench bench;
  Ear witness(bench, "", 0);
  MetadataStore& store = bench.store->client(0);
  size_t heard = 0;
  uint64_t watch = 0;
  watch = store.watch("", 0, [&](const MetadataNews&) {
    ++heard;
    store.unwatch(watch);
    witness.look_again();  // watches hear in no order among them
  });
  bench.put("a", "1");
  CHECK(witness.until([&heard] { return heard > 0; }));
  CHECK(witness.until_heard(bench.put("b", "1")));
  CHECK(heard == 1);
}

TEST_CASE("a watch from a revision that the store has not reached begins with a resync") {
  Bench bench;
  bench.put("a", "1");
  Ear ear(bench, "", 1000);  // known from another life of the store
  CHECK(ear.until([&ear] { return ear.resync_count > 0; }));
  const uint64_t last = bench.put("b", "1");
  CHECK(ear.until_heard(last));
  CHECK(ear.keys() == "b");
}

namespace {

Task<void> write_keys(MetadataStore* store, int writer, int count) {
  for (int i = 0; i < count;) {
    MetadataTransaction transaction;
    const std::string key = std::to_string(writer) + "/" + std::to_string(i % 5);
    transaction.puts.push_back({key, std::to_string(i), i % 7 == 6});
    transaction.puts.push_back({std::to_string(writer) + "/last", std::to_string(i)});
    const Result<MetadataCommit> commit = co_await store->commit(std::move(transaction));
    if (commit.ok()) ++i;
  }
}

Task<void> write_all(Bench* bench, size_t writers, int count) {
  TaskGroup group(bench->store->runtime().ready);
  for (size_t i = 0; i < writers; ++i) {
    group.start(write_keys(&bench->store->client(i), static_cast<int>(i), count));
  }
  co_await group.done();
}

}  // namespace

TEST_CASE("who follows a watch knows what the store holds") {
  Bench bench;
  constexpr size_t kWriters = 3;
  Ear ear(bench, "", 0);
  bench.store->run(write_all(&bench, kWriters, 40));
  const MetadataRange range = bench.range("");
  CHECK(ear.until_heard(range.revision));
  CHECK(ear.in_order);
  std::vector<MetadataEntry> known;
  for (const MetadataEntry& entry : ear.entries) {
    std::erase_if(known, [&entry](const MetadataEntry& old) { return old.key == entry.key; });
    if (!entry.deleted) known.push_back(entry);
  }
  REQUIRE(known.size() == range.entries.size());
  for (const MetadataEntry& entry : range.entries) {
    const auto found = std::find_if(known.begin(), known.end(), [&entry](const MetadataEntry& k) {
      return k.key == entry.key && k.value == entry.value && k.revision == entry.revision;
    });
    INFO(entry.key);
    CHECK(found != known.end());
  }
}

}  // namespace varve
