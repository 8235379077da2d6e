// metadata_etcd while etcd is away, silent, cut off, or not the one it was.
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "core/runtime/task_group.h"
#include "tests/conformance/metadata/etcd_bench.h"
#include "tests/conformance/metadata/log_host.h"
#include "tests/conformance/metadata/race.h"
#include "tests/conformance/metadata/tap.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// Client 0 goes through the tap, the others reach etcd.
struct TapBench : EtcdBench {
  TapBench() : tap(etcd().port()) { start(0, {{"endpoints", tap.url()}}); }
  Tap tap;
};

// A commit of client 0 that is under way.
class Pending {
 public:
  Pending(Bench& bench, const MetadataTransaction& transaction)
      : bench_(bench), group_(bench.store->runtime().ready) {
    group_.start(keep(bench.store->client(0).commit(transaction), &result_));
  }
  ErrorCode code() {
    bench_.store->run(group_.done());
    return result_->code();
  }

 private:
  Bench& bench_;
  TaskGroup group_;
  std::optional<Result<MetadataCommit>> result_;
};

}  // namespace

TEST_CASE("a commit whose answer is lost is unknown, and was applied") {
  TapBench bench;
  const uint64_t first = bench.put("a", "1");
  Ear witness(bench, "", first, 1);
  bench.tap.set(Tap::Mode::kHoldReplies);
  Pending pending(bench, {{{"a", first}}, {{"a", "2"}}});
  CHECK(witness.until_heard(first + 1));
  bench.tap.set(Tap::Mode::kCut);
  CHECK(pending.code() == ErrorCode::kUnknown);
  bench.tap.set(Tap::Mode::kPass);
  CHECK(bench.range("a").entries[0].value == "2");
  CHECK_FALSE(bench.commit({{{"a", first}}, {{"a", "3"}}}).succeeded);
  CHECK(bench.put("a", "4") == first + 2);
}

TEST_CASE("a commit that finds no connection is unavailable, and is never applied") {
  TapBench bench;
  const uint64_t first = bench.put("a", "1");
  bench.tap.set(Tap::Mode::kCut);
  CHECK(bench.wait(bench.store->client(0).range("a")).code() == ErrorCode::kUnavailable);
  const uint64_t begin_ns = bench.now_ns();
  CHECK(bench.try_put("a", "2").code() == ErrorCode::kUnavailable);
  CHECK(bench.now_ns() - begin_ns < 8000 * kMillisecond);
  bench.tap.set(Tap::Mode::kPass);
  CHECK(bench.put("a", "3") == first + 1);
}

TEST_CASE("a commit that a stopped etcd does not answer is unknown; what comes later is not sent") {
  EtcdBench bench;
  const uint64_t first = bench.put("a", "1");
  bench.etcd().stop();
  const uint64_t begin_ns = bench.now_ns();
  CHECK(bench.try_put("doubt", "1").code() == ErrorCode::kUnknown);
  CHECK(bench.try_put("never", "1").code() == ErrorCode::kUnavailable);
  CHECK(bench.now_ns() - begin_ns < 15'000 * kMillisecond);
  bench.etcd().go_on();
  const uint64_t last = bench.put("a", "2");
  const MetadataRange range = bench.range("");
  CHECK(range.entries.size() == last - first);  // "doubt" may be there
  for (const MetadataEntry& entry : range.entries) CHECK(entry.key != "never");
}

TEST_CASE("a watch that was cut off misses nothing") {
  TapBench bench;
  const uint64_t known = bench.put("a", "1");
  Ear ear(bench, "", known);
  CHECK(ear.until_heard(bench.put("b", "1", 1)));
  bench.tap.set(Tap::Mode::kCut);
  bench.put("c", "1", 1);
  bench.put("d", "1", 1);
  bench.remove("c", 1);
  bench.tap.set(Tap::Mode::kPass);
  const uint64_t last = bench.put("e", "1", 1);
  CHECK(ear.until_heard(last));
  CHECK(ear.in_order);
  CHECK(ear.resync_count == 0);
  std::set<std::string> keys;
  for (const MetadataEntry& entry : ear.entries) {
    if (entry.deleted)
      keys.erase(entry.key);
    else
      keys.insert(entry.key);
  }
  CHECK(keys == std::set<std::string>{"b", "d", "e"});
}

TEST_CASE("a watch whose changes were compacted says resync, and goes on") {
  TapBench bench;
  const uint64_t known = bench.put("a", "1");
  Ear ear(bench, "", known);
  CHECK(ear.until_heard(bench.put("b", "1", 1)));
  bench.tap.set(Tap::Mode::kCut);
  bench.remove("a", 1);
  const uint64_t gone = bench.put("c", "1", 1);
  const uint64_t kept = bench.put("c", "2", 1);
  bench.etcd().control({"compaction", std::to_string(kept + 1)});
  bench.tap.set(Tap::Mode::kPass);
  CHECK(ear.until([&ear] { return ear.resync_count > 0; }));
  CHECK(ear.missed_revision >= gone);
  CHECK(ear.missed_revision <= kept);
  const uint64_t last = bench.put("d", "1", 1);
  CHECK(ear.until_heard(last));
  CHECK(ear.resync_count == 1);
  CHECK(ear.entries.back().key == "d");
  // One that begins there, too; not one that knows enough.
  Ear late(bench, "", known, 1), fresh(bench, "", last - 1, 1);
  CHECK(late.until([&late] { return late.resync_count > 0; }));
  CHECK(fresh.until_heard(last));
  CHECK(fresh.resync_count == 0);
}

TEST_CASE("when etcd was away, calls fail meanwhile and work again, and watches go on") {
  EtcdBench bench;
  const uint64_t known = bench.put("a", "1");
  Ear ear(bench, "", known);
  bench.etcd().end(SIGKILL);
  // The first one may still have been sent.
  CHECK_FALSE(bench.try_put("a", "2").ok());
  CHECK(bench.try_put("b", "1").code() == ErrorCode::kUnavailable);
  REQUIRE(bench.etcd().start());
  const uint64_t last = bench.put("c", "1");
  CHECK(ear.until_heard(last));
  CHECK(ear.keys() == "c");
  CHECK(ear.resync_count == 0);
}

TEST_CASE("an older backup that was put back is a resync with its revision, and is logged") {
  EtcdBench bench;
  const uint64_t kept = bench.put("a", "1");
  const std::string folder = bench.etcd().folder(), backup = bench.plugin.folder() + "backup";
  bench.etcd().end(SIGTERM);
  std::filesystem::copy(folder, backup, std::filesystem::copy_options::recursive);
  REQUIRE(bench.etcd().start());
  LogHost host(bench.plugin.library(), bench.plugin.options());
  REQUIRE(host.start() == "");
  bench.put("b", "1");
  const uint64_t lost = bench.put("c", "1");
  Ear ear(bench, "", 0);
  CHECK(ear.until_heard(lost));
  REQUIRE(host.calls.range(host.context, {"c", 1}, 1) == VARVE_OK);
  CHECK(host.next().revision == lost);

  bench.etcd().end(SIGKILL);
  std::filesystem::remove_all(folder);
  std::filesystem::rename(backup, folder);
  REQUIRE(bench.etcd().start());
  CHECK(ear.until([&ear] { return ear.resync_count > 0; }));
  CHECK(ear.missed_revision == kept);
  CHECK(bench.range("").revision == kept);
  REQUIRE(host.calls.range(host.context, {"c", 1}, 2) == VARVE_OK);
  CHECK(host.next().revision == kept);
  CHECK_THAT(host.log(), ContainsSubstring("revision went back from " + std::to_string(lost)));
  bench.put("d", "1");
  CHECK(ear.until([&ear] { return ear.entries.back().key == "d"; }));
}

namespace {

Task<void> race(EtcdBench* bench, int count, const std::function<void(uint64_t)>* won) {
  TaskGroup group(bench->store->runtime().ready);
  for (size_t i = 0; i < 2; ++i) {
    group.start(raise_counter(&bench->store->client(i), count, won));
  }
  co_await group.done();
}

}  // namespace

TEST_CASE("of three members any one may be killed, the leader too: work goes on") {
  EtcdBench bench({.members = 3});
  Ear ear(bench, "", 0);
  std::map<uint64_t, int> winners;
  const std::function<void(uint64_t)> won = [&winners](uint64_t revision) { ++winners[revision]; };
  constexpr int kWins = 10;
  for (size_t i = 0; i < bench.cluster.size(); ++i) {
    bench.store->run(race(&bench, kWins, &won));
    bench.cluster.member(i).end(SIGKILL);
    const uint64_t begin_ns = bench.now_ns();
    bench.store->run(race(&bench, kWins, &won));
    CHECK(bench.now_ns() - begin_ns < 15'000 * kMillisecond);
    REQUIRE(bench.cluster.member(i).start());
    bench.cluster.member(i).wait_healthy();
  }
  const MetadataRange range = bench.range(kCounter);
  CHECK(winners.size() == 2 * 2 * kWins * bench.cluster.size());
  // More, where an answer was lost.
  CHECK(std::stoul(range.entries[0].value) >= winners.size());
  CHECK(std::stoul(range.entries[0].value) == range.revision);
  CHECK(ear.until_heard(range.entries[0].revision));
  CHECK(ear.in_order);
  CHECK(ear.resync_count == 0);
}

TEST_CASE("a member that is stopped is left for another one") {
  EtcdBench bench({.members = 3});
  bench.put("a", "0");
  for (size_t i = 0; i < bench.cluster.size(); ++i) {
    bench.cluster.member(i).stop();
    const uint64_t begin_ns = bench.now_ns();
    CHECK(bench.wait(bench.store->client(0).range("a")).ok());
    Result<MetadataCommit> commit = bench.try_put("a", std::to_string(i));
    if (!commit.ok()) {
      CHECK(commit.code() == ErrorCode::kUnknown);
      commit = bench.try_put("a", std::to_string(i));
    }
    CHECK(commit.ok());
    CHECK(bench.now_ns() - begin_ns < 15'000 * kMillisecond);
    bench.cluster.member(i).go_on();
    bench.cluster.member(i).wait_healthy();
  }
}

TEST_CASE("ending with calls under way and a silent etcd takes no time") {
  EtcdBench bench;
  LogHost host(bench.plugin.library(), bench.plugin.options());
  REQUIRE(host.start() == "");
  REQUIRE(host.calls.watch(host.context, {"", 0}, 0, 1) == VARVE_OK);
  bench.etcd().stop();
  const varve_put put{{"a", 1}, {"b", 1}, 0, 0};
  REQUIRE(host.calls.commit(host.context, nullptr, 0, &put, 1, 2) == VARVE_OK);
  REQUIRE(host.calls.range(host.context, {"", 0}, 3) == VARVE_OK);
  const uint64_t begin_ns = bench.now_ns();
  host.end();
  CHECK(bench.now_ns() - begin_ns < 1000 * kMillisecond);
}

}  // namespace varve
