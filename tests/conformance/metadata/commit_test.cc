#include <algorithm>
#include <map>

#include "core/runtime/task_group.h"
#include "tests/conformance/metadata/bench.h"
#include "tests/conformance/metadata/race.h"

namespace varve {
namespace {

constexpr size_t kKeyBytes = 512;
constexpr size_t kValueBytes = 65536;
constexpr size_t kEntries = 64;

std::string keys_of(const MetadataRange& range) {
  std::string keys;
  for (const MetadataEntry& entry : range.entries) keys += (keys.empty() ? "" : " ") + entry.key;
  return keys;
}

ErrorCode code_of(Bench& bench, const MetadataTransaction& transaction) {
  return bench.wait(bench.store->client(0).commit(transaction)).code();
}

}  // namespace

TEST_CASE("an empty store has revision 0 and no keys") {
  Bench bench;
  const MetadataRange range = bench.range("");
  CHECK(range.revision == 0);
  CHECK(range.entries.empty());
}

TEST_CASE("what was put is there, with the revision of its commit") {
  Bench bench;
  const uint64_t first = bench.put("a", "one");
  const uint64_t second = bench.put("b", "");
  CHECK(first == 1);
  CHECK(second == 2);
  const MetadataRange range = bench.range("");
  CHECK(range.revision == 2);
  REQUIRE(range.entries.size() == 2);
  CHECK(range.entries[0].value == "one");
  CHECK(range.entries[0].revision == 1);
  CHECK(range.entries[1].value.empty());
  CHECK(range.entries[1].revision == 2);
  CHECK_FALSE(range.entries[0].deleted);
}

TEST_CASE("a range is all keys with the prefix, in the order of their bytes") {
  Bench bench;
  const std::string zero("a\0b", 3), high("a\xff"), higher("a\xff\xff"), behind("b");
  for (const std::string& key : {behind, higher, std::string("a"), high, zero, std::string("aa")}) {
    bench.put(key, key);
  }
  CHECK(keys_of(bench.range("a")) == "a " + zero + " aa " + high + " " + higher);
  CHECK(keys_of(bench.range(high)) == high + " " + higher);
  CHECK(keys_of(bench.range("aa")) == "aa");
  CHECK(keys_of(bench.range("c")).empty());
  CHECK(bench.range("").entries.size() == 6);
  CHECK(bench.range("\xff").entries.empty());
}

TEST_CASE("bytes of every value survive") {
  Bench bench;
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  bench.put(all, all);
  const MetadataRange range = bench.range(all);
  REQUIRE(range.entries.size() == 1);
  CHECK(range.entries[0].key == all);
  CHECK(range.entries[0].value == all);
}

TEST_CASE("a commit happens only when all its conditions hold") {
  Bench bench;
  const uint64_t revision = bench.put("a", "1");
  for (const auto& compares : std::vector<std::vector<MetadataCompare>>{
           {{"a", 0}}, {{"a", revision + 1}}, {{"b", revision}}, {{"a", revision}, {"b", 1}}}) {
    const MetadataCommit commit = bench.commit({compares, {{"a", "2"}, {"c", "2"}}});
    CHECK_FALSE(commit.succeeded);
    CHECK(commit.revision == revision);
  }
  CHECK(keys_of(bench.range("")) == "a");
  const MetadataCommit commit =
      bench.commit({{{"a", revision}, {"b", 0}}, {{"a", "2"}, {"c", "2"}}});
  CHECK(commit.succeeded);
  CHECK(commit.revision == revision + 1);
  CHECK(keys_of(bench.range("")) == "a c");
  CHECK(bench.range("a").entries[0].revision == revision + 1);
}

TEST_CASE("the changes of a commit share its revision") {
  Bench bench;
  bench.put("gone", "1");
  MetadataTransaction transaction;
  for (size_t i = 0; i + 1 < kEntries; ++i) {
    transaction.puts.push_back({"key" + std::to_string(i), std::to_string(i)});
  }
  transaction.puts.push_back({"gone", "", true});
  CHECK(bench.commit(transaction).revision == 2);
  const MetadataRange range = bench.range("");
  CHECK(range.entries.size() == kEntries - 1);
  for (const MetadataEntry& entry : range.entries) CHECK(entry.revision == 2);
}

TEST_CASE("a deleted key does not exist until it is put again") {
  Bench bench;
  const uint64_t first = bench.put("a", "1");
  CHECK(bench.remove("a") == first + 1);
  CHECK(bench.range("").entries.empty());
  CHECK(bench.range("").revision == first + 1);
  CHECK_FALSE(bench.commit({{{"a", first}}, {{"a", "2"}}}).succeeded);
  CHECK(bench.commit({{{"a", 0}}, {{"a", "2"}}}).succeeded);
  CHECK(bench.range("a").entries[0].revision == first + 2);
}

TEST_CASE("a commit that changes nothing leaves the revision as it is") {
  Bench bench;
  const uint64_t revision = bench.put("a", "1");
  const MetadataCommit empty = bench.commit({});
  CHECK(empty.succeeded);
  CHECK(empty.revision == revision);
  const MetadataCommit condition = bench.commit({{{"a", revision}}, {}});
  CHECK(condition.succeeded);
  CHECK(condition.revision == revision);
  CHECK(bench.remove("never there") == revision);
  CHECK(bench.put("a", "1") == revision + 1);  // the same value again is a change
}

TEST_CASE("keys, values and commits of the largest size are taken, larger ones refused") {
  Bench bench;
  const std::string key(kKeyBytes, 'k'), value(kValueBytes, 'v');
  bench.put(key, value);
  CHECK(bench.range(key).entries[0].value == value);
  MetadataTransaction largest;
  for (size_t i = 0; i < kEntries; ++i) {
    largest.compares.push_back({"c" + std::to_string(i), 0});
    largest.puts.push_back({"p" + std::to_string(i), value});
  }
  CHECK(bench.commit(largest).succeeded);
  const uint64_t revision = bench.range("none").revision;

  MetadataTransaction compares = largest, puts = largest;
  compares.compares.push_back({"one more", 0});
  puts.puts.push_back({"one more", ""});
  for (const MetadataTransaction& refused :
       {compares, puts, MetadataTransaction{{}, {{"", "no key"}}},
        MetadataTransaction{{{"", 0}}, {}}, MetadataTransaction{{}, {{key + "k", ""}}},
        MetadataTransaction{{{key + "k", 0}}, {}}, MetadataTransaction{{}, {{"a", value + "v"}}},
        MetadataTransaction{{}, {{"twice", "1"}, {"twice", "2"}}}}) {
    CHECK(code_of(bench, refused) == ErrorCode::kInvalidArgument);
  }
  CHECK(bench.wait(bench.store->client(0).range(key + "k")).code() == ErrorCode::kInvalidArgument);
  CHECK(bench.range("none").revision == revision);
}

TEST_CASE("what one client commits another one reads") {
  Bench bench;
  CHECK(bench.put("a", "1", 0) == 1);
  CHECK(bench.range("a", 1).entries[0].value == "1");
  CHECK(bench.put("a", "2", 1) == 2);
  CHECK(bench.range("a", 0).entries[0].value == "2");
}

namespace {

Task<void> race_all(Bench* bench, size_t clients, size_t tasks, int count,
                    const std::function<void(uint64_t)>* won) {
  TaskGroup group(bench->store->runtime().ready);
  for (size_t i = 0; i < tasks; ++i) {
    group.start(raise_counter(&bench->store->client(i % clients), count, won));
  }
  co_await group.done();
}

}  // namespace

TEST_CASE("of those who race for a revision exactly one wins") {
  Bench bench;
  constexpr size_t kClients = 3, kTasks = 6;
  constexpr int kWins = 8;
  for (size_t i = 0; i < kClients; ++i) bench.range("", i);
  std::map<uint64_t, int> winners;  // revision -> how many
  const std::function<void(uint64_t)> won = [&winners](uint64_t revision) { ++winners[revision]; };
  bench.store->run(race_all(&bench, kClients, kTasks, kWins, &won));
  CHECK(winners.size() == kTasks * kWins);
  CHECK(std::all_of(winners.begin(), winners.end(),
                    [](const auto& winner) { return winner.second == 1; }));
  const MetadataRange range = bench.range(kCounter);
  CHECK(range.revision == kTasks * kWins);
  CHECK(range.entries[0].value == std::to_string(kTasks * kWins));
}

namespace {

Task<void> put_one(MetadataStore* store, int number, std::map<uint64_t, int>* revisions) {
  MetadataTransaction transaction;
  transaction.puts.push_back({"many/" + std::to_string(number), "x"});
  const Result<MetadataCommit> commit = co_await store->commit(std::move(transaction));
  if (commit.ok() && commit->succeeded) revisions->emplace(commit->revision, number);
}

Task<void> put_many(Bench* bench, int count, std::map<uint64_t, int>* revisions) {
  TaskGroup group(bench->store->runtime().ready);
  for (int i = 0; i < count; ++i) group.start(put_one(&bench->store->client(0), i, revisions));
  co_await group.done();
}

}  // namespace

TEST_CASE("many calls at once all end, each with a revision of its own") {
  Bench bench;
  std::map<uint64_t, int> revisions;
  constexpr int kCount = 300;  // more than a plugin takes at once
  bench.store->run(put_many(&bench, kCount, &revisions));
  CHECK(revisions.size() == kCount);
  for (const MetadataEntry& entry : bench.range("many/").entries) {
    REQUIRE(revisions.contains(entry.revision));
    CHECK(entry.key == "many/" + std::to_string(revisions[entry.revision]));
  }
}

}  // namespace varve
